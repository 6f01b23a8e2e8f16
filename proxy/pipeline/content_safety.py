"""Asking an Azure AI Content Safety service whether a text may pass.

https://learn.microsoft.com/rest/api/contentsafety/text-operations
Rules
1. A text is looked at in windows; one violation is enough.
2. A severity at or above a category's threshold, a match in a blocklist, and a detected attack are violations.
3. A service that cannot be asked, or whose answer is not understood, is an error: nothing passes unchecked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from proxy.errors import BackendConnectionFailure, BodyTooLarge, GatewayError, PolicyRefused
from proxy.messages import Body, Headers
from proxy.pipeline.backends import answered, authorized, chosen, failed, parse_base, with_credentials
from proxy.pipeline.usage import parse
from proxy.ports import Outgoing

if TYPE_CHECKING:
    from proxy.config.resources import Backend
    from proxy.exchange import Exchange

VERSION = "2024-09-01"
MAX_WINDOW = 10_000  # characters that the service takes at once
TIMEOUT = 30.0  # seconds
SOURCE = "llm-content-safety"


@dataclass(slots=True, frozen=True)
class Checks:
    """What one request is held to. `thresholds` are severities by category; `window` and `overlap` are characters."""

    backend: Backend
    shield: bool
    output_type: str
    thresholds: dict[str, int]
    blocklists: tuple[str, ...]
    window: int
    overlap: int


async def check_prompt(exchange: Exchange, checks: Checks, text: str) -> None:
    """Raises PolicyRefused for a violation, GatewayError when the service cannot be asked."""
    for window in windows(text, MAX_WINDOW, 0):
        if checks.shield:
            answer = await _ask(exchange, checks, "text:shieldPrompt", {"userPrompt": window, "documents": []})
            analysis = answer.get("userPromptAnalysis")
            if not isinstance(analysis, dict):
                raise _not_understood()
            if analysis.get("attackDetected"):
                raise refused("Request")
        if await _violates(exchange, checks, window):
            raise refused("Request")


async def check_completion(exchange: Exchange, checks: Checks, text: str) -> None:
    for window in windows(text, checks.window, checks.overlap):
        if await _violates(exchange, checks, window):
            raise refused("Response")


class Passing(AsyncIterator[bytes]):
    """An event stream, let through window by window; at a violation it just ends, and what it comes from is closed."""

    def __init__(self, exchange: Exchange, checks: Checks, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._let_through = _let_through(exchange, checks, stream)

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._let_through)
        except BaseException:
            await self._close()
            raise

    async def aclose(self) -> None:
        await self._let_through.aclose()
        await self._close()

    async def _close(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


async def _let_through(exchange: Exchange, checks: Checks, stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    held: list[bytes] = []
    line, text = b"", ""
    async for chunk in stream:
        held.append(chunk)
        lines = (line + chunk).split(b"\n")
        line = lines.pop()[: Body.most]
        text += "".join(event_text(parse(each[5:].strip())) for each in lines if each.startswith(b"data:"))
        if len(text) - checks.overlap >= checks.window or sum(map(len, held)) > Body.most:
            if not await _clean(exchange, checks, text):
                return
            text = text[-checks.overlap :] if checks.overlap else ""
            for each in held:
                yield each
            held = []
    if line.startswith(b"data:"):
        text += event_text(parse(line[5:].strip()))
    if await _clean(exchange, checks, text):
        for each in held:
            yield each


async def _clean(exchange: Exchange, checks: Checks, text: str) -> bool:
    try:
        await check_completion(exchange, checks, text)
    except PolicyRefused:
        return False
    return True


def windows(text: str, size: int, overlap: int) -> Iterator[str]:
    """Pieces of at most `size` characters, each beginning with the last `overlap` of the one before."""
    start = 0
    while start < len(text):
        yield text[start : start + size]
        if start + size >= len(text):
            return
        start += max(size - overlap, 1)


async def _violates(exchange: Exchange, checks: Checks, text: str) -> bool:
    if not (checks.thresholds or checks.blocklists) or not text.strip():
        return False
    question: dict[str, Any] = {"text": text, "outputType": checks.output_type}
    if checks.thresholds:
        question["categories"] = list(checks.thresholds)
    if checks.blocklists:
        question["blocklistNames"] = list(checks.blocklists)
    answer = await _ask(exchange, checks, "text:analyze", question)
    if checks.blocklists and answer.get("blocklistsMatch"):
        return True
    found = answer.get("categoriesAnalysis")
    if not isinstance(found, list):
        raise _not_understood()
    severities = {each.get("category"): each.get("severity") for each in found if isinstance(each, dict)}
    for category, threshold in checks.thresholds.items():
        severity = severities.get(category, 0)
        if isinstance(severity, int) and severity >= threshold and category in severities:
            return True
    return False


async def _ask(exchange: Exchange, checks: Checks, operation: str, question: dict[str, Any]) -> dict[str, Any]:
    backend = chosen(exchange, checks.backend)
    base = parse_base(backend.url)
    query = f"{base.query}&api-version={VERSION}" if base.query else f"api-version={VERSION}"
    url = replace(base, path=f"{base.path.rstrip('/')}/contentsafety/{operation}", query=query)
    headers = Headers({"Content-Type": "application/json", "Accept": "application/json"})
    outgoing = with_credentials(backend, Outgoing("POST", url, headers, Body(orjson.dumps(question)), TIMEOUT))
    await authorized(exchange, backend, outgoing)
    try:
        response = await exchange.transport.send(outgoing)
    except GatewayError as problem:
        failed(exchange, backend, problem)
        raise
    answered(exchange, backend, response)
    try:
        answer = parse(await response.body.read())
    except BodyTooLarge as large:
        raise _not_understood() from large
    finally:
        await response.body.discard()
    if response.status >= 400:
        raise BackendConnectionFailure(f"The content safety service answered with status {response.status}.")
    if not isinstance(answer, dict):
        raise _not_understood()
    return answer


def refused(what: str) -> PolicyRefused:
    message = f"{what} failed content safety check."
    refusal = PolicyRefused(403, "Forbidden", "ContentSafetyCheckFailed", message)
    refusal.source = SOURCE
    return refusal


def _not_understood() -> GatewayError:
    return BackendConnectionFailure("The answer of the content safety service is not understood.")


def prompt_text(request: Any) -> str:
    """The text of a request to a language model."""
    if not isinstance(request, dict):
        return ""
    names = ("system", "instructions", "systemInstruction", "prompt", "input", "messages", "contents")
    return "\n".join(text for name in names for text in _texts(request.get(name)))


def completion_text(answer: Any) -> str:
    """The text of a language model's answer."""
    answers = answer if isinstance(answer, list) else [answer]
    names = ("choices", "output", "content", "candidates")
    return "\n".join(
        text for each in answers if isinstance(each, dict) for name in names for text in _texts(each.get(name))
    )


def event_text(event: Any) -> str:
    """The text that an event of a stream adds."""
    if not isinstance(event, dict):
        return ""
    return "".join(text for name in ("choices", "delta", "candidates") for text in _texts(event.get(name)))


_HOLDERS = ("delta", "message", "text", "content", "parts")


def _texts(part: Any) -> list[str]:
    """Texts in a text, a part, a message, a choice, or a list of them, in order."""
    pending, found = [part], []
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, list):
            pending += each[::-1]
        elif isinstance(each, dict):
            pending += [each[name] for name in _HOLDERS if name in each]
    return [text for text in found if text]
