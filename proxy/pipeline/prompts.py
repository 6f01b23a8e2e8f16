"""The prompt of a request to a language model, as far as two prompts can be compared by what they mean.

Understood: OpenAI chat completions, completions and responses; Anthropic messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_SYSTEM = frozenset({"system", "developer"})
_TEXTS = frozenset({"text", "input_text", "output_text"})
# What makes two answers different although the prompts are alike.
_SHAPING = (
    *("model", "stream", "stream_options", "n", "tools", "tool_choice", "functions", "function_call"),
    *("response_format", "text", "logprobs", "modalities", "suffix", "echo"),
)
# What a prompt refers to and does not say.
_ELSEWHERE = ("previous_response_id", "conversation", "prompt_id")


@dataclass(slots=True, frozen=True)
class Prompt:
    """`text` is all that is said, `messages` how many there are, `shape` what else the answer depends on."""

    text: str
    messages: int
    shape: list[tuple[str, Any]]


def prompt_of(request: Any, ignore_system: bool) -> Prompt | None:
    """The prompt of a parsed body; None when there is none, or when it holds more than text."""
    if not isinstance(request, dict) or any(request.get(name) for name in _ELSEWHERE):
        return None
    said: list[str] = []
    if not ignore_system:
        for name in ("system", "instructions"):
            if not _say(request.get(name), said):
                return None
    count = 0
    for name in ("prompt", "input", "messages"):
        given = request.get(name)
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, dict) and "role" in each:
                if ignore_system and each["role"] in _SYSTEM:
                    continue
                if each.get("tool_calls") or each.get("function_call") or not _say(each.get("content"), said):
                    return None
            elif not _say(each, said):
                return None
            count += each is not None
    text = "\n".join(said)
    if not text.strip():
        return None
    return Prompt(text, count, [(name, request[name]) for name in _SHAPING if request.get(name) is not None])


def _say(part: Any, said: list[str]) -> bool:
    """Add a part's texts; False when it is no text."""
    if part is None:
        return True
    if isinstance(part, str):
        said.append(part)
        return True
    if isinstance(part, list):
        return all(_say(each, said) for each in part)
    if isinstance(part, dict) and part.get("type") in _TEXTS and isinstance(part.get("text"), str):
        said.append(part["text"])
        return True
    return False
