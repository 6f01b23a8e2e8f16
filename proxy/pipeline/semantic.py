"""What the semantic caching policies share: answers of language models, found again by the meaning of the prompt.

Rules
1. Prompts become vectors at the embeddings backend. A kept answer is found when the distance of the prompts, 1 minus
   their cosine, is at most the score threshold: lower values ask for more likeness, as documented.
2. It lies in the external cache where one is configured, else in the internal one. Neither needs to know vectors: each
   partition has an index of its own (proxy/pipeline/vectors.py) beside its answers. Two that are kept in the same
   moment may lose one of them, which is a miss later.
3. A partition is an API, an operation, a path, what vary-by says, and what shapes an answer beside the prompt (model,
   stream, tools ...). Its name is made of names, so it outlives configurations.
4. Nothing here fails a request: an embeddings backend in trouble is a miss. A prompt with more than text is no business
   of this cache.
5. A stream of events is kept when all of it has come by, and is given only to those who ask for a stream.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from proxy.errors import BackendConnectionFailure, BodyTooLarge, ExpressionFailed, GatewayError
from proxy.messages import Body, Headers, Response
from proxy.pipeline.backends import answered, chosen, failed, named_backend, parse_base, with_credentials
from proxy.pipeline.caching import preferred, read, seconds
from proxy.pipeline.element import Element
from proxy.pipeline.prompts import prompt_of
from proxy.pipeline.registry import ANSWERED, Handler, Outcome
from proxy.pipeline.responses import can_be_kept, copied, packed, unpacked, when_whole
from proxy.pipeline.usage import parse
from proxy.pipeline.vectors import Vector, added, nearest, vector
from proxy.ports import Outgoing

if TYPE_CHECKING:
    from proxy.config.resources import Backend
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.ports import Cache

AUDIENCE = "https://cognitiveservices.azure.com"
AZURE_VERSION = "2024-10-21"  # of the embeddings API, for deployment URLs that name none
TIMEOUT = 10.0  # seconds
TRIED = 4  # kept answers that are asked for, since the nearest may be gone
SCOPES = frozenset({"global", "product", "api", "operation"})


@dataclass(slots=True, frozen=True)
class SemanticPlan:
    """Where the answer to this request's prompt belongs."""

    cache: Cache
    partition: str
    prompt: Vector


def semantic_lookup(element: Element, compiler: Compiler) -> Handler:
    """The handler of a semantic cache lookup."""
    threshold = element.number("score-threshold", minimum=0, maximum=1)
    backend_of = named_backend(element, "embeddings-backend-id", compiler)
    with_identity = element.has("embeddings-backend-auth")
    if with_identity:
        element.literal_choice("embeddings-backend-auth", "system-assigned")
    else:
        message = "Attribute 'embeddings-backend-auth' is missing: the backend gets its own credentials alone."
        element.issue(message, "missing-attribute", severity="warning")
    ignore_system = element.boolean("ignore-system-messages", False)
    most = element.integer("max-message-count", None, minimum=0)
    varying = [child.content(required=True) for child in element.children("vary-by")]

    async def handle(exchange: Exchange) -> Outcome | None:
        exchange.semantic = None
        limit, without_system = threshold.get(exchange), ignore_system.get(exchange)
        by = [value.get(exchange) for value in varying]
        body = exchange.request.body
        if body.length is None or body.length <= Body.most:
            await body.read()
        prompt = prompt_of(parse(body.content()), without_system) if body.buffered else None
        if prompt is None or (most is not None and prompt.messages > most.get(exchange)):
            return None
        try:
            backend = backend_of(exchange)
            asked = await _embedded(exchange, backend, prompt.text, with_identity)
        except ExpressionFailed:
            raise
        except GatewayError as problem:
            _tell(exchange, element.name, f"The prompt has no vector, so nothing is looked up: {problem.message}")
            return None
        plan = SemanticPlan(
            preferred(exchange), _partition(exchange, backend.id, without_system, by, prompt.shape), asked
        )
        response = await _found(exchange, plan, limit)
        if response is None:
            exchange.semantic, exchange.cache = plan, "miss"
            exchange.request.headers.popall("Accept-Encoding", None)  # so that whoever asks can read what is kept
            return None
        exchange.response, exchange.cache = response, "hit"
        return ANSWERED

    return handle


def semantic_store(element: Element, compiler: Compiler) -> Handler:
    """The handler of a semantic cache store."""
    duration = seconds(element, "duration")
    any_status = element.boolean("cache-response", False)
    mark = f"{compiler.scope} {compiler.path}"

    async def handle(exchange: Exchange) -> None:
        plan, response = exchange.semantic, exchange.response
        if plan is None or response is None or not (response.status == 200 or any_status.get(exchange)):
            return
        life = duration.get(exchange)
        if life <= 0 or not can_be_kept(response):
            return

        async def store(kept: Response, content: bytes) -> None:
            await _keep(exchange, plan, packed(exchange, kept, content, life, mark), life)

        await when_whole(response, copied(response), store)

    return handle


async def _found(exchange: Exchange, plan: SemanticPlan, limit: float) -> Response | None:
    now = exchange.ports.clock.utcnow().timestamp()
    index = await read(exchange, plan.cache, plan.partition)
    for _, name in nearest(index, plan.prompt, limit, now)[:TRIED]:
        found = unpacked(exchange, await read(exchange, plan.cache, f"{plan.partition}/{name.hex()}"))
        if found is not None:
            return found[0]
    return None


async def _keep(exchange: Exchange, plan: SemanticPlan, content: bytes, life: float) -> None:
    now = exchange.ports.clock.utcnow().timestamp()
    if await plan.cache.put(f"{plan.partition}/{plan.prompt.name.hex()}", content, life):
        index, last = added(await plan.cache.get(plan.partition), plan.prompt, now + life, now)
        await plan.cache.put(plan.partition, index, last - now)


def _partition(exchange: Exchange, backend: str, ignore_system: bool, by: list[str], shape: Any) -> str:
    api, operation = exchange.api, exchange.operation
    named = (api.key if api else "", operation.id if operation else "", exchange.request.path)
    parts = orjson.dumps([*named, backend, ignore_system, by, shape], option=orjson.OPT_SORT_KEYS)
    return f"semantic/{api.id if api else ''}/{hashlib.blake2b(parts, digest_size=20).hexdigest()}"


async def _embedded(exchange: Exchange, backend: Backend, text: str, with_identity: bool) -> Vector:
    """The vector of a text. Raises GatewayError."""
    member = chosen(exchange, backend)
    try:
        url = parse_base(member.url)
    except ValueError as wrong:
        raise BackendConnectionFailure(str(wrong)) from wrong
    if not url.path.strip("/"):
        url = replace(url, path="/embeddings")
    headers = Headers({"Content-Type": "application/json", "Accept": "application/json"})
    body = Body(orjson.dumps({"input": text}))
    outgoing = with_credentials(member, Outgoing("POST", url, headers, body, TIMEOUT))
    if "/deployments/" in url.path and "api-version" not in dict(parse_qsl(outgoing.url.query)):
        query = f"{outgoing.url.query}&" if outgoing.url.query else ""
        outgoing.url = replace(outgoing.url, query=f"{query}api-version={AZURE_VERSION}")
    if (with_identity or member.managed_identity[0]) and "Authorization" not in headers and "api-key" not in headers:
        resource, client = member.managed_identity
        try:
            headers["Authorization"] = f"Bearer {await exchange.ports.tokens.token(resource or AUDIENCE, client)}"
        except GatewayError as problem:  # a backend that wants one says so itself
            _tell(exchange, "embeddings", f"{problem.message} The embeddings backend is asked without.")
    try:
        response = await exchange.transport.send(outgoing)
    except GatewayError as problem:
        failed(exchange, member, problem)
        raise
    answered(exchange, member, response)
    try:
        answer = parse(await response.body.read())
    except BodyTooLarge as large:
        raise BackendConnectionFailure("The answer of the embeddings backend is too large.") from large
    finally:
        await response.body.discard()
    if response.status != 200:
        raise BackendConnectionFailure(f"The embeddings backend answered with status {response.status}.")
    return _vector(answer)


def _vector(answer: Any) -> Vector:
    try:
        numbers = answer["data"][0]["embedding"]
        return vector([float(number) for number in numbers])
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as unclear:
        raise BackendConnectionFailure("The answer of the embeddings backend is not understood.") from unclear


def _tell(exchange: Exchange, source: str, message: str) -> None:
    exchange.traces.append((source, "information", message, {}))
