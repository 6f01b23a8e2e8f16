"""How many tokens a request to a language model takes: what the model reports, and estimates where it reports nothing.

Rules
1. Understood: OpenAI chat completions, completions, embeddings and responses; Anthropic messages; contents of Google's
   Vertex AI; event streams too, and the list that Vertex AI streams when it is not asked for events.
2. An estimate is one token for four bytes of text and a few for each message; an image counts IMAGE tokens.
3. Nothing here raises: what is not understood is no usage, and an estimate of 0.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import orjson

IMAGE = 1200
PER_MESSAGE = 4
BYTES_PER_TOKEN = 4
_LONGEST_LINE = 1024 * 1024
_SAID = ("content", "text", "name", "tool_calls", "arguments", "parts")


def parse(content: bytes) -> Any:
    """JSON, or None."""
    try:
        return orjson.loads(content)
    except ValueError:
        return None


def estimate_prompt(request: Any) -> int:
    """Tokens of a request's prompt."""
    if not isinstance(request, dict):
        return 0
    total = 0
    for name in ("prompt", "input", "instructions", "system", "messages", "systemInstruction", "contents"):
        if name in request:
            total += _estimate(request[name])
    tools = request.get("tools") or request.get("functions")
    if tools:
        total += text_tokens(len(orjson.dumps(tools)))
    return total


def _estimate(part: Any) -> int:
    """A text, a list of parts or messages, one of those, or token numbers."""
    pending, size, tokens = [part], 0, 0
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            size += len(each.encode("utf-8", "replace"))
        elif isinstance(each, list):
            pending += each
        elif isinstance(each, int):
            tokens += 1
        elif isinstance(each, dict):
            if "image" in str(each.get("type", "")) or "inlineData" in each or "fileData" in each:
                tokens += IMAGE
                continue
            if "role" in each:
                tokens += PER_MESSAGE
            pending += [each[name] for name in _SAID if name in each]
    return tokens + text_tokens(size)


def text_tokens(size: int) -> int:
    """Tokens of so many bytes of text."""
    return math.ceil(size / BYTES_PER_TOKEN)


def reported(answer: Any) -> int | None:
    """Prompt and completion tokens that a model reports in its answer."""
    usage = _usage(answer)
    if usage is None:
        return None
    for name in ("total_tokens", "totalTokenCount"):
        if (total := _number(usage, name)) is not None:
            return total
    parts = [_number(usage, name) for name in (*_ASKED, *_MADE)]
    return None if all(part is None for part in parts) else sum(part or 0 for part in parts)


_ASKED = ("prompt_tokens", "input_tokens", "promptTokenCount")
_MADE = ("completion_tokens", "output_tokens", "candidatesTokenCount")


def _usage(answer: Any) -> dict[str, Any] | None:
    """The part of an answer that tells its usage; of a list of answers the last one's."""
    for each in reversed(answer) if isinstance(answer, list) else (answer,):
        for name in ("usage", "usageMetadata"):
            usage = each.get(name) if isinstance(each, dict) else None
            if isinstance(usage, dict):
                return usage
    return None


class Tokens(NamedTuple):
    """What one call of a model took."""

    prompt: int
    completion: int
    total: int


def reported_tokens(answer: Any) -> Tokens | None:
    """As `reported`, in parts."""
    total, usage = reported(answer), _usage(answer)
    if total is None or usage is None:
        return None
    prompt, completion = (next(filter(None, (_number(usage, name) for name in names)), 0) for names in (_ASKED, _MADE))
    return Tokens(prompt, completion, total)


def _number(usage: dict[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and value >= 0 else None


class EventStream:
    """Reads an event stream on its way by: `feed` its chunks, then ask for `total`."""

    def __init__(self) -> None:
        self._line = b""
        self._reported: int | None = None
        self._parts: Tokens | None = None
        self._input = 0
        self._completion = 0

    def feed(self, chunk: bytes) -> None:
        lines = (self._line + chunk).split(b"\n")
        self._line = lines.pop()[:_LONGEST_LINE]
        for line in lines:
            if line.startswith(b"data:"):
                self._event(parse(line[5:].strip()))

    def total(self, prompt: int) -> int:
        """Reported tokens, else `prompt` and an estimate of the completion."""
        if self._reported is not None:
            return self._reported
        return (self._input or prompt) + text_tokens(self._completion)

    def tokens(self, prompt: int) -> Tokens:
        """As `total`, in parts."""
        if self._parts is not None:
            return self._parts
        asked, made = self._input or prompt, text_tokens(self._completion)
        return Tokens(asked, made, asked + made)

    def _event(self, event: Any) -> None:
        if not isinstance(event, dict):
            return
        inner = event.get("response") if isinstance(event.get("response"), dict) else event
        total = reported(inner)
        if total is not None:  # an Anthropic stream reports its input first, and its output at the end
            self._reported = total + self._input
        if (parts := reported_tokens(inner)) is not None:
            missing = 0 if parts.prompt else self._input
            self._parts = Tokens(parts.prompt + missing, parts.completion, parts.total + missing)
        message = event.get("message")
        if isinstance(message, dict) and isinstance(message.get("usage"), dict):
            self._input = _number(message["usage"], "input_tokens") or 0
        self._completion += _text_size(event)


def _text_size(event: dict[str, Any]) -> int:
    """Bytes of the text that an event adds."""
    delta = event.get("delta")
    texts = [delta if isinstance(delta, str) else delta.get("text") if isinstance(delta, dict) else None]
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            texts.append(choice.get("text"))
            inner = choice.get("delta")
            if isinstance(inner, dict):
                texts.append(inner.get("content"))
    candidates = event.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else ():
        content = candidate.get("content") if isinstance(candidate, dict) else None
        parts = content.get("parts") if isinstance(content, dict) else None
        texts += [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else ()
    return sum(len(text.encode("utf-8", "replace")) for text in texts if isinstance(text, str))
