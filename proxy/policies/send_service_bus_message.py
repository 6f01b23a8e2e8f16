"""`send-service-bus-message`: sends a message to a queue or a topic of Service Bus, over HTTPS.

Rules
1. The request waits for the broker's answer: a failure is one of the policy, unless ignore-error says otherwise.
2. Calls carry a token of the gateway's own identity.
3. Properties travel as headers, as the broker's HTTP API has it: a JSON text each. So their names are header names.
4. A message that the document gives no id has one of its own, a new one each time.

https://learn.microsoft.com/azure/api-management/send-service-bus-message-policy
https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from proxy.errors import ExpressionFailed, GatewayError
from proxy.expressions.dotnet.datetext import parse_span
from proxy.expressions.dotnet.datetime import SECOND
from proxy.expressions.dotnet.guid import new_guid, parse_guid
from proxy.expressions.dotnet.json_reader import wrap
from proxy.expressions.runtime import DotNetError
from proxy.messages import Body, Headers, Url
from proxy.pipeline.calls import absolute_url
from proxy.pipeline.edits import header_problem
from proxy.pipeline.registry import INBOUND, ON_ERROR, OUTBOUND, Handler, policy
from proxy.pipeline.source import unresolved
from proxy.ports import Outgoing, whole_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.values import Value

AUDIENCE = "https://servicebus.azure.net"
TIMEOUT = 60.0  # seconds
FAILED = "ServiceBusFailure"
SCOPES = frozenset({"global", "product", "api", "operation"})


@policy("send-service-bus-message", sections={INBOUND, OUTBOUND, ON_ERROR}, scopes=SCOPES)
def send_service_bus_message(element: Element, compiler: Compiler) -> Handler:
    """Send a message to a queue or a topic of Service Bus, and wait until it is there."""
    queue, topic = element.string("queue-name", None), element.string("topic-name", None)
    if (queue is None) == (topic is None):
        element.issue("Exactly one of 'queue-name' and 'topic-name' is needed.", "missing-attribute")
    entity = queue or topic
    namespace = element.string("namespace", None)
    if namespace is None:
        message = "Attribute 'namespace' is missing: the setting policy.servicebus.namespace must name it."
        element.issue(message, "missing-attribute", severity="warning")
    client = element.string("client-id", "")
    message_id = _checked(element, "message-id", _guid)
    session_id = _checked(element, "session-id", _guid)
    life = _checked(element, "time-to-live", _span)
    variable = element.literal("response-variable-name", "")
    ignore_error = element.literal_boolean("ignore-error", False)
    properties = _properties(element)
    payload = element.child("payload", required=True)
    content = payload.body_content() if payload else None

    async def handle(exchange: Exchange) -> None:
        assert entity is not None
        assert content is not None
        host = namespace.get(exchange) if namespace is not None else exchange.ports.service_bus
        url = _address(host, entity.get(exchange))
        broker = {
            "MessageId": message_id(exchange) or str(new_guid(exchange)),
            "SessionId": session_id(exchange),
            "TimeToLive": life(exchange),
        }
        headers = Headers({name: value(exchange) for name, value in properties})
        headers["BrokerProperties"] = _broker_properties(broker)
        sent = Outgoing("POST", url, headers, Body(content.get(exchange)), TIMEOUT, guarded=True)
        told: dict[str, Any] = broker
        try:
            await _send(exchange, sent, client.get(exchange))
        except GatewayError as problem:
            if not ignore_error:
                raise
            told = {"Error": {"Reason": problem.reason, "Message": problem.message}}
            exchange.traces.append((element.name, "information", f"Ignored: {problem.message}", {}))
        if variable:
            exchange.variables[variable] = wrap(told)

    return handle


async def _send(exchange: Exchange, outgoing: Outgoing, client: str) -> None:
    outgoing.headers["Authorization"] = f"Bearer {await exchange.ports.tokens.token(AUDIENCE, client)}"
    answer = await whole_answer(exchange.transport, outgoing)
    if answer.status >= 300:
        where = outgoing.url.path.removesuffix("/messages").strip("/")
        raise GatewayError(f"Service Bus did not take the message for '{where}': {answer.status}.", reason=FAILED)


def _address(namespace: str, entity: str) -> Url:
    """Where an entity of a namespace takes messages; raises ExpressionFailed for what is none."""
    host, name = namespace.strip().removeprefix("sb://").rstrip("/"), entity.strip().strip("/")
    if not name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ExpressionFailed(f"{entity!r} is not the name of a queue or a topic.")
    path = f"{quote(name)}/messages?timeout={TIMEOUT:g}"
    url = absolute_url(f"{host if '://' in host else 'https://' + host}/{path}") if host else None
    if url is None or url.path != f"/{quote(name)}/messages":
        raise ExpressionFailed(f"{namespace!r} is not the host name of a Service Bus namespace.")
    return url


def _checked(element: Element, name: str, check: Callable[[str], str]) -> Callable[[Exchange], str | None]:
    """An optional text of a certain form: a bad literal is an issue, a bad value an error."""
    value: Value[str] | None = element.string(name, None)
    if value is None:
        return lambda exchange: None
    if value.constant and not unresolved(value.value):
        try:
            constant = check(value.value)
        except DotNetError as problem:
            element.issue(f"Attribute '{name}': {problem}", "invalid-attribute")
            return lambda exchange: None
        return lambda exchange: constant

    def find(exchange: Exchange) -> str:
        try:
            return check(value.get(exchange))
        except DotNetError as problem:
            raise ExpressionFailed(f"Attribute '{name}': {problem}") from problem

    return find


def _guid(text: str) -> str:
    return str(parse_guid(text))


def _span(text: str) -> str:
    parse_span(text)
    return text.strip()


def _broker_properties(broker: dict[str, str | None]) -> str:
    """What is given, times in seconds."""
    given: dict[str, str | float] = {name: value for name, value in broker.items() if value is not None}
    if (life := broker["TimeToLive"]) is not None:
        given["TimeToLive"] = parse_span(life).ticks / SECOND
    return json.dumps(given)


def _properties(element: Element) -> list[tuple[str, Callable[[Exchange], str]]]:
    """The headers that message properties travel as."""
    parent = element.child("message-properties")
    found = []
    for each in parent.children("message-property") if parent else ():
        name, value = each.literal("name"), each.content()
        if name and not unresolved(name) and (problem := header_problem(name)):
            each.issue(problem, "invalid-attribute")
        found.append((name, _text(value)))
    return found


def _text(value: Value[str]) -> Callable[[Exchange], str]:
    return lambda exchange: json.dumps(value.get(exchange))
