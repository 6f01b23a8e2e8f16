"""Replays the official request examples of an api-version through the unmodified Azure client.

For each example: a service of its own; what the path and the body refer to is made first, from the PUT examples of
those types; then the client's method of that operation is called with the example's values. Accepted is what the client
takes: code that nobody here wrote judges status, headers and shape.
"""

from __future__ import annotations

import base64
import copy
import datetime
import functools
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import requests
from azure.core import MatchConditions
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from tests.management.replay_links import DOCUMENTS
from tests.management.specification import Example, Specification

SERVICE_ID = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.apimanagement/service/[^/\"?]+", re.I
)
# ids in bodies that mean another resource of the service
REFERENCE = re.compile(
    r"^/?(apis|products|users|groups|loggers|backends|apiVersionSets|namedValues|certificates|gateways|schemas"
    r"|authorizationServers|openidConnectProviders|workspaces|tags|subscriptions)/[^/]+(/[A-Za-z]+/[^/]+)*$"
)
BUILT_IN = re.compile(r"^/(groups/(administrators|developers|guests)|users/1|subscriptions/master)$", re.I)
# names in a path that are the plane's own
FIXED = {"tenant", "settings", "notifications", "portalsettings", "quotas", "reports", "locations"}
# collections whose members are named like what they associate
ASSOCIATED = {
    "apis": "apis",
    "groups": "groups",
    "users": "users",
    "tags": "tags",
    "recipientUsers": "users",
    "tagDescriptions": "tags",
    "certificateAuthorities": "certificates",
}


def seeds(specification: Specification) -> dict[str, Any]:
    """Swagger path in lower case with {} for names -> the body to make such a resource with."""
    found = {}
    for operation in specification.operations:
        bodies = [each.values.get(operation.body or "") for each in specification.examples(operation)]
        if operation.method == "PUT" and bodies:
            # what needs nothing from elsewhere first
            found[operation.shape] = min(bodies, key=_foreign)
    return found


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).lower()


def _usable(document: Any) -> Any:
    """What cannot be used as it stands in an example: dates in the past, certificates cut short."""
    if isinstance(document, dict):
        if "expiry" in document:
            document["expiry"] = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).isoformat()
        if "data" in document and "password" in document:
            document["data"], document["password"] = _pkcs12(), "secret"
        for each in document.values():
            _usable(each)
    return document


@functools.cache
def _pkcs12() -> str:
    """A self-signed certificate with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    content = pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, BestAvailableEncryption(b"secret"))
    return base64.b64encode(content).decode()


def _foreign(body: Any) -> bool:
    """Whether making the resource needs something from outside: a link, Key Vault, another API."""
    text = json.dumps(body)
    return any(word in text for word in ('"format"', "keyVault", "sourceApiId", "fabric:", ";rev="))


class Replay:
    """One example after the other against the plane at `url`."""

    def __init__(
        self, specification: Specification, client: Any, url: str, token: str, verify: str | bool, links: str
    ) -> None:
        """`links` is where the documents are that examples import."""
        self.client, self.url, self.links, self.bodies = client, url, links, seeds(specification)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.session.verify, self.session.trust_env = verify, False
        self.version = client._config.api_version
        self.count = self.refused = 0

    def run(self, example: Example) -> str | None:
        """None when the client accepts the answer, else why not."""
        self.count += 1
        values = self._own(example)
        seeded = self._seed(example, values)
        try:
            self._call(example, values)
        except Exception as error:
            self.refused += 1
            text = str(error).replace("\n", " ")[:300]
            return f"{type(error).__name__}: {text}" + (f" [not made before: {'; '.join(seeded)}]" if seeded else "")
        return None

    def _own(self, example: Example) -> dict[str, Any]:
        """The values with a service name of this example's own."""
        name = f"s{self.count}"
        values = copy.deepcopy(example.values)
        values["serviceName"] = name
        values.setdefault("resourceGroupName", "rg1")
        values.setdefault("subscriptionId", "00000000-0000-0000-0000-000000000000")
        values["subscriptionId"] = "00000000-0000-0000-0000-000000000000"
        own = (
            f"/subscriptions/{values['subscriptionId']}/resourceGroups/{values['resourceGroupName']}"
            f"/providers/Microsoft.ApiManagement/service/{name}"
        )
        text = SERVICE_ID.sub(own, json.dumps(values))
        self.service = own
        loaded: dict[str, Any] = json.loads(text)
        body = loaded.get(example.operation.body or "")
        properties = body.get("properties") if isinstance(body, dict) else None
        if isinstance(properties, dict) and properties.get("format") in DOCUMENTS:
            properties["value"] = f"{self.links}/{properties['format']}"
        return _usable(loaded)

    def _seed(self, example: Example, values: dict[str, Any]) -> list[str]:
        """Make the service, what the body refers to, and what stands in the path; what could not be made."""
        path, method = example.operation.path, example.operation.method
        seed = SEEDS.get(example.operation.id)
        creates_service = _shape(path).endswith("/service/{}") and method == "PUT"
        failed: list[str] = []
        if not creates_service:
            failed += self.put(self.service, self.bodies.get(_shape(SERVICE_PATH)))
        match = re.search(r"/service/\{serviceName\}(/.*)?$", path)
        if match is None:
            return failed + (seed(self, values) if seed else []) + self._outside(example, values)
        if seed is not None:
            return failed + seed(self, values)
        segments = [_filled(part, values) for part in (match[1] or "").partition("?")[0].split("/") if part]
        home = "/" + "/".join(segments[:2]) if segments[:1] == ["workspaces"] else ""
        if home:
            failed += self.make(home)
        body = values.get(example.operation.body or "")
        for reference in _references(body):
            failed += self.make(reference)
        for reference in (*_named_values(body), *_loggers(body)):
            failed += self.make(home + reference)
        whole = len(segments) % 2 == 0 and method != "PUT"
        last = len(segments) // 2 * 2
        for end in range(2, last + 1, 2):
            if end == len(segments) and not whole:
                if len(segments) > 2 and segments[-2] in ASSOCIATED and segments[0] != "workspaces":
                    failed += self.make(f"/{ASSOCIATED[segments[-2]]}/{segments[-1]}")
                if segments[0] == "workspaces" and segments[-2] in ("users", "recipientUsers"):
                    failed += self.make(f"/users/{segments[-1]}")
                break
            failed += self.make("/" + "/".join(segments[:end]))
        return failed

    def _outside(self, example: Example, values: dict[str, Any]) -> list[str]:
        """The gateway outside of the service that a path names, and its connection."""
        match = re.search(r"(.*/providers/Microsoft\.ApiManagement)/gateways/(.+)", example.operation.path)
        if match is None:
            return []
        home, parts = _filled(match[1], values), match[2].split("/")
        whole = len(parts) % 2 == 1 and example.operation.method != "PUT"
        shape, id, failed = f"{match[1]}/gateways/{{}}", f"{home}/gateways/{_filled(parts[0], values)}", []
        if len(parts) > 1 or whole:
            failed += self.put(id, self.bodies.get(_shape(shape)))
        if len(parts) == 3 and whole:
            body = self.bodies[_shape(f"{shape}/configConnections/{{}}")]
            failed += self.put(f"{id}/configConnections/{_filled(parts[2], values)}", body)
        return failed

    def make(self, id: str) -> list[str]:
        """PUT `id` with the body of its type's example, and what that refers to."""
        segments = id.strip("/").split("/")
        if BUILT_IN.match(id) or segments[0] in FIXED:
            return []
        known = self.session.get(self.url + self.service + id, params={"api-version": self.version})
        if known.status_code == 200:
            return []
        failed: list[str] = []
        if ";rev=" in segments[-1]:
            failed += self.make(id.split(";", 1)[0])
        for end in range(2, len(segments), 2):
            failed += self.make("/" + "/".join(segments[:end]))
        shape = SERVICE_PATH + "/" + "/".join(part if n % 2 == 0 else "{}" for n, part in enumerate(segments))
        body = copy.deepcopy(self.bodies.get(_shape(shape)))
        if len(segments) > 3 and segments[-2] in ASSOCIATED and segments[0] != "workspaces":
            failed += self.make(f"/{ASSOCIATED[segments[-2]]}/{segments[-1]}")
        home = "/" + "/".join(segments[:2]) if segments[0] == "workspaces" else ""
        for reference in (*_references(body), *(home + each for each in (*_named_values(body), *_loggers(body)))):
            if reference != id:
                failed += self.make(reference)
        if segments[-2] == "namedValues" and isinstance(body, dict):
            body["properties"] |= {"displayName": segments[-1], "value": "10"}
        if segments[-2] == "apis" and len(segments) in (2, 4) and isinstance(body, dict):
            body["properties"]["path"] = re.sub(r"\W", "-", segments[1])
        if segments[-2] == "users" and isinstance(body, dict):
            body["properties"]["email"] = re.sub(r"\W", "-", segments[-1]) + "@example.com"
        return failed + self.put(self.service + id, body)

    def put(self, id: str, body: Any) -> list[str]:
        if isinstance(body, dict):
            body = _usable(json.loads(SERVICE_ID.sub(self.service, json.dumps(body))))
        answer = self.session.put(self.url + id, params={"api-version": self.version}, json=body or {})
        if answer.status_code in (200, 201, 202):
            return []
        return [f"{id[len(self.service) :]} {answer.status_code} {answer.text[:200]}"]

    def _call(self, example: Example, values: dict[str, Any]) -> None:
        method = method_of(self.client, example.operation.id)
        parameters = inspect.signature(method).parameters
        body = example.operation.body
        arguments: dict[str, Any] = {}
        for name, value in values.items():
            key = _snake(name)
            if name in ("subscriptionId", "api-version") and key not in parameters:
                continue
            if name == body:
                arguments[_body_argument(parameters, key)] = io.BytesIO(json.dumps(value).encode())
            elif key in parameters:
                arguments[key] = value
        if "match_condition" in parameters and parameters["etag"].default is inspect.Parameter.empty:
            arguments |= {"etag": "*", "match_condition": MatchConditions.IfPresent}
        if "if_match" in parameters and parameters["if_match"].default is inspect.Parameter.empty:
            arguments.setdefault("if_match", "*")  # some examples forget the header
        if "service_name" not in parameters:
            arguments.pop("service_name", None)
        result = method(**arguments)
        if hasattr(result, "result") and hasattr(result, "polling_method"):
            result = result.result()
        if hasattr(result, "by_page"):
            list(result)


def _seed_operation(player: Replay, values: dict[str, Any]) -> list[str]:
    """An operation that was begun."""
    failed = player.make("/apis/begun")
    answer = player.session.delete(
        f"{player.url}{player.service}/apis/begun",
        params={"api-version": "2024-05-01"},
        headers={"If-Match": "*"},
    )
    found = re.search(r"operationStatuses/(\w+)", answer.headers.get("Azure-AsyncOperation", ""))
    values["operationId"] = found[1] if found else ""
    return failed


def _seed_issue(player: Replay, values: dict[str, Any]) -> list[str]:
    return player.make(f"/apis/echo/issues/{values['issueId']}")


def _seed_subscription(player: Replay, values: dict[str, Any]) -> list[str]:
    """The subscription of that user."""
    failed = player.make("/products/starter")
    body = {"properties": {"displayName": "x", "scope": "/products/starter", "ownerId": f"/users/{values['userId']}"}}
    return failed + player.put(f"{player.service}/subscriptions/{values['sid']}", body)


def _seed_trace(player: Replay, values: dict[str, Any]) -> list[str]:
    """A trace, as an agent of that gateway sends it."""
    gateway, id = values["gatewayId"], "0123456789abcdef0123456789abcdef"
    failed = player.make(f"/gateways/{gateway}")
    expiry = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).isoformat()
    token = player.session.post(
        f"{player.url}{player.service}/gateways/{gateway}/generateToken",
        params={"api-version": player.version},
        json={"keyType": "primary", "expiry": expiry},
    ).json()["value"]
    document = {"serviceName": "x", "traceId": id, "traceEntries": {"inbound": [], "backend": [], "outbound": []}}
    sent = requests.post(
        f"{player.url}/configuration/{player.service.rsplit('/', 1)[1]}/gateways/{gateway}/traces",
        headers={"Authorization": f"GatewayKey {token}"},
        json={"traces": [{"id": id, "document": document}]},
        verify=player.session.verify,
        timeout=10,
    )
    next(body for body in values.values() if isinstance(body, dict))["traceId"] = id
    return failed + ([] if sent.ok else [f"trace {sent.status_code} {sent.text[:200]}"])


def _seed_link(player: Replay, values: dict[str, Any]) -> list[str]:
    """A gateway that serves the workspace which the example asks for."""
    home = player.service.rsplit("/service/", 1)[0]
    name = f"{home}/gateways/g{player.count}"
    failed = player.put(name, {"location": "here", "sku": {"name": "Standard"}, "properties": {}})
    source = f"{player.service}/workspaces/{values['workspaceId']}"
    return failed + player.put(f"{name}/configConnections/c", {"properties": {"sourceId": source}})


# operation -> how what it asks for is made, where its path does not say
SEEDS: dict[str, Callable[[Replay, dict[str, Any]], list[str]]] = {
    "OperationStatus_Get": _seed_operation,
    "OperationsResults_Get": _seed_operation,
    "Issue_Get": _seed_issue,
    "UserSubscription_Get": _seed_subscription,
    "Gateway_ListTrace": _seed_trace,
    "ApiManagementWorkspaceLink_Get": _seed_link,
}

SERVICE_PATH = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.ApiManagement"
    "/service/{serviceName}"
)


def method_of(client: Any, operation_id: str) -> Any:
    """The client's method of an operation; LookupError when it has none."""
    group, _, name = operation_id.partition("_")
    if not name:  # the one operation without a group is the client's own
        return client.begin_perform_connectivity_check_async
    holder = getattr(client, _snake(group), None)
    if holder is None:
        raise LookupError(f"the client has no {_snake(group)}")
    for candidate in (_snake(name), "begin_" + _snake(name)):
        found = getattr(holder, candidate, None)
        if found is not None:
            return found
    raise LookupError(f"the client has no {_snake(group)}.{_snake(name)}")


def has_method(client: Any, operation_id: str) -> bool:
    try:
        return bool(method_of(client, operation_id))
    except LookupError:
        return False


def _body_argument(parameters: Any, key: str) -> str:
    if key in parameters:
        return key
    return next(name for name in ("parameters", "resource", "request", "properties") if name in parameters)


def _filled(part: str, values: dict[str, Any]) -> str:
    return re.sub(r"\{([^}]*)\}", lambda match: str(values.get(match[1], match[1])), part)


def _snake(name: str) -> str:
    name = name.replace("$", "").replace("-", "_")
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def _named_values(value: Any) -> Iterator[str]:
    """Ids of the named values that the texts of a body use."""
    for name in dict.fromkeys(re.findall(r"\{\{([\w.-]+)\}\}", json.dumps(value))):
        yield f"/namedValues/{name}"


def _loggers(value: Any) -> Iterator[str]:
    """Ids of the loggers that a policy names."""
    for name in dict.fromkeys(re.findall(r'logger-id=\\"([\w.-]+)\\"', json.dumps(value))):
        yield f"/loggers/{name}"


def _references(value: Any) -> Iterator[str]:
    """Relative ids of other resources in a body."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, str):
        text = SERVICE_ID.sub("", value)
        if REFERENCE.match(text):
            yield "/" + text.strip("/")
