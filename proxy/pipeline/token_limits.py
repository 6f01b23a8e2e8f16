"""What llm-token-limit and azure-openai-token-limit share: limits of tokens per minute and per period, by key.

https://learn.microsoft.com/azure/api-management/llm-token-limit-policy
Rules
1. With estimate-prompt-tokens, and when a stream is asked for, a prompt that does not fit is refused, and one that fits
   is counted before the backend is asked. What the model reports beyond it is counted when its answer is there.
   Without, only the answer counts.
2. An answer is read before outbound begins; an event stream is read on its way to the client, and counted at its end.
3. The backend is asked for an answer that is not compressed, so that its usage can be read.
4. A quota's period is one of UTC: the hour, the day, the week from Monday, the month, the year.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.messages import Body, Response
from proxy.pipeline.edits import header_problem
from proxy.pipeline.element import Element
from proxy.pipeline.limits import counter, counter_name
from proxy.pipeline.registry import Handler
from proxy.pipeline.steps import Late
from proxy.pipeline.usage import EventStream, estimate_prompt, parse, reported
from proxy.ports import QuotaWant, Want

if TYPE_CHECKING:
    from proxy.exchange import Exchange

PERIODS = ("Hourly", "Daily", "Weekly", "Monthly", "Yearly")
UNITS = {"hour": "Hourly", "day": "Daily", "week": "Weekly", "month": "Monthly", "year": "Yearly"}  # in the toolkit
MINUTE = 60


@dataclass(slots=True, frozen=True)
class _Names:
    """Where the policy tells what it found; empty names are not told."""

    retry_header: str
    retry_variable: str
    quota_header: str
    quota_variable: str
    rate_header: str
    rate_variable: str
    consumed_header: str
    consumed_variable: str

    @staticmethod
    def of(element: Element) -> _Names:
        def header(name: str, default: str = "") -> str:
            value = element.literal(name, default)
            if value and (problem := header_problem(value)):
                element.issue(problem, "invalid-header")
            return value

        return _Names(
            header("retry-after-header-name", "Retry-After"),
            element.literal("retry-after-variable-name", ""),
            header("remaining-quota-tokens-header-name"),
            element.literal("remaining-quota-tokens-variable-name", ""),
            header("remaining-tokens-header-name"),
            element.literal("remaining-tokens-variable-name", ""),
            header("tokens-consumed-header-name"),
            element.literal("tokens-consumed-variable-name", ""),
        )


def token_limit(element: Element) -> Handler:
    """The handler of a token limit element."""
    names = _Names.of(element)
    counter_key = element.string("counter-key")
    per_minute = element.integer("tokens-per-minute", None, minimum=0)
    quota = element.integer("token-quota", None, minimum=0)
    period = element.choice("token-quota-period", *PERIODS, *UNITS, default=PERIODS[0])
    element.take("estimate-prompt-token", "estimate-prompt-tokens")  # the policy toolkit writes it so
    if not element.has("estimate-prompt-tokens"):  # required, says its page, whose example does without
        message = "Attribute 'estimate-prompt-tokens' is missing and taken as false. Add it."
        element.issue(message, "missing-attribute", severity="warning")
    estimating = element.boolean("estimate-prompt-tokens", False)
    if per_minute is None and quota is None:
        message = "Attribute 'tokens-per-minute' or 'token-quota' is required. Add one or both."
        element.issue(message, "missing-attribute")
    if (quota is None) == element.has("token-quota-period"):
        message = "Attributes 'token-quota' and 'token-quota-period' belong together. Give both or none."
        element.issue(message, "missing-attribute")

    async def handle(exchange: Exchange) -> None:
        key = counter_name("tokens", counter_key.get(exchange))
        limits = _Limits(
            exchange,
            names,
            key,
            None if per_minute is None else per_minute.get(exchange),
            None if quota is None else quota.get(exchange),
            period.get(exchange),
        )
        request = exchange.request
        request.headers.popall("Accept-Encoding", None)
        body, estimated = request.body, estimating.get(exchange)
        if estimated or (body.length is not None and body.length <= Body.most):
            await body.read()
        asked = parse(body.content()) if body.buffered else None
        prompt = estimate_prompt(asked)
        streamed = isinstance(asked, dict) and asked.get("stream") is True
        counted = prompt if estimated or streamed else 0
        limits.claim(counted)
        if names.consumed_variable:
            exchange.variables[names.consumed_variable] = counted
        limits.tell()

        async def settle(exchange: Exchange) -> None:
            response = exchange.response
            if response is None or response.status >= 400:
                return
            if response.headers.get("Content-Type", "").lower().startswith("text/event-stream"):
                watch(response, lambda stream: limits.count(stream.total(prompt) - counted))
                return
            content = await whole(response)
            total = reported(parse(content)) if content else None
            if total is not None:
                limits.count(total - counted)
                limits.consumed = total
                if names.consumed_variable:
                    exchange.variables[names.consumed_variable] = total
                limits.tell()

        if exchange.before_outbound is None:
            exchange.before_outbound = []
        exchange.before_outbound.append(settle)
        exchange.after_outbound.append(Late(limits.announce))

    return handle


class _Limits:
    """The limits of one request. None is no limit; counts are tokens."""

    def __init__(
        self, exchange: Exchange, names: _Names, key: str, per_minute: int | None, quota: int | None, period: str
    ) -> None:
        self.consumed: int | None = None
        self._exchange = exchange
        self._names = names
        self._key = key
        self._per_minute = per_minute
        self._quota = quota
        self._start, self._period = _window(exchange.ports.quotas.now(), period) if quota is not None else (0.0, 0)

    def claim(self, prompt: int) -> None:
        """Count the prompt; raise the refusal, if a limit is reached or it does not fit."""
        room = max(prompt, 1)
        both = self._per_minute is not None and self._quota is not None
        if self._per_minute is not None:
            self._claim_rate(0 if both else prompt, room, prompt)
        if self._quota is not None:
            self._claim_quota(prompt, room, prompt)
        if both and prompt:  # neither counts what the other refuses
            self._claim_rate(prompt, room, prompt)

    def _claim_rate(self, counted: int, room: int, prompt: int) -> None:
        assert self._per_minute is not None
        want = Want(self._key, MINUTE, self._per_minute, counted, room)
        (reading,) = self._exchange.ports.counters.claim((want,))
        if reading.count + room > self._per_minute:
            hopeless = prompt > self._per_minute
            detail = counter(self._key, reading.count, self._per_minute, MINUTE, "tokens")
            detail += f"; this prompt has {prompt}"
            raise self._refusal(429, "limit", None if hopeless else reading.reset_after, detail)

    def _claim_quota(self, counted: int, room: int, prompt: int) -> None:
        assert self._quota is not None
        want = QuotaWant(self._key, self._start, self._period, self._quota, None, counted, room)
        (usage,) = self._exchange.ports.quotas.claim((want,))
        if want.exceeded(usage):
            detail = counter(self._key, usage.calls, self._quota, self._period, f"tokens, this prompt has {prompt},")
            raise self._refusal(403, "quota", usage.renews_after, detail)

    def count(self, tokens: int) -> None:
        if tokens <= 0:
            return
        if self._per_minute is not None:
            self._exchange.ports.counters.add(self._key, MINUTE, tokens)
        if self._quota is not None:
            self._exchange.ports.quotas.add(self._key, self._start, self._period, tokens, 0)

    def tell(self) -> None:
        """Set the variables for what is left."""
        for name, left in ((self._names.rate_variable, self._rate), (self._names.quota_variable, self._left)):
            if name and (value := left()) is not None:
                self._exchange.variables[name] = value

    def announce(self, exchange: Exchange) -> None:
        """Set the headers on whatever response the client gets."""
        if exchange.response is None:
            return
        names = self._names
        told = (
            (names.rate_header, self._rate),
            (names.quota_header, self._left),
            (names.consumed_header, lambda: self.consumed),
        )
        for name, found in told:
            if name and (value := found()) is not None:
                exchange.response.headers[name] = str(value)

    def _rate(self) -> int | None:
        if self._per_minute is None:
            return None
        return max(self._per_minute - self._exchange.ports.counters.peek(self._key, MINUTE).count, 0)

    def _left(self) -> int | None:
        if self._quota is None:
            return None
        usage = self._exchange.ports.quotas.usage(self._key, self._start, self._period)
        return max(self._quota - usage.calls, 0)

    def _refusal(self, status: int, what: str, reset_after: float | None, detail: str) -> PolicyRefused:
        names, message = self._names, f"Token {what} is exceeded."
        headers: tuple[tuple[str, str], ...] = ()
        if reset_after is not None:
            seconds = max(1, math.ceil(reset_after))
            message += f" Try again in {seconds} seconds."
            headers = ((names.retry_header, str(seconds)),)
            if names.retry_variable:
                self._exchange.variables[names.retry_variable] = seconds
        self.tell()
        self._exchange.after_outbound.append(Late(self.announce))
        phrase = "Too Many Requests" if status == 429 else "Quota Exceeded"
        return PolicyRefused(status, phrase, f"Token{what.capitalize()}Exceeded", message, headers, detail=detail)


def _window(time: float, period: str) -> tuple[float, int]:
    """When the period of that Unix time began, in Unix seconds, and its length in seconds."""
    now = datetime.datetime.fromtimestamp(time, datetime.UTC)
    period = UNITS.get(period, period)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "Hourly":
        start = now.replace(minute=0, second=0, microsecond=0)
        end = start + datetime.timedelta(hours=1)
    elif period == "Daily":
        start, end = day, day + datetime.timedelta(days=1)
    elif period == "Weekly":
        start = day - datetime.timedelta(days=day.weekday())
        end = start + datetime.timedelta(days=7)
    elif period == "Monthly":
        start = day.replace(day=1)
        end = (start + datetime.timedelta(days=31)).replace(day=1)
    else:
        start = day.replace(month=1, day=1)
        end = start.replace(year=start.year + 1)
    return start.timestamp(), round((end - start).total_seconds())


async def whole(response: Response) -> bytes | None:
    """The body's content; None for one that is too large, which then streams on unread."""
    body = response.body
    if body.buffered:
        return body.content()
    if body.length is not None and body.length > Body.most:
        return None
    length, stream = body.length, body.take()
    assert stream is not None
    parts: list[bytes] = []
    size = 0
    async for chunk in stream:
        parts.append(chunk)
        size += len(chunk)
        if size > Body.most:
            response.body = Body(None, _Watched(stream, parts, None), length, body.trailers)
            return None
    response.body = Body(b"".join(parts))
    return response.body.content()


def watch(response: Response, done: Callable[[EventStream], None]) -> None:
    """Read an event stream on its way by."""
    body = response.body
    events = EventStream()
    if body.buffered:
        events.feed(body.content() + b"\n")
        done(events)
        return
    length, stream = body.length, body.take()
    assert stream is not None
    response.body = Body(None, _Watched(stream, [], events, done), length, body.trailers)


class _Watched(AsyncIterator[bytes]):
    """A stream after the parts that were already taken from it; `done` is called once, with what went by."""

    def __init__(
        self,
        stream: AsyncIterator[bytes],
        parts: list[bytes],
        events: EventStream | None,
        done: Callable[[EventStream], None] | None = None,
    ) -> None:
        self._stream = stream
        self._parts = parts[::-1]
        self._events = events
        self._done = done

    async def __anext__(self) -> bytes:
        if self._parts:
            return self._parts.pop()
        try:
            chunk = await anext(self._stream)
        except BaseException:
            self._finish()
            raise
        if self._events is not None:
            self._events.feed(chunk)
        return chunk

    async def aclose(self) -> None:
        self._finish()
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()

    def _finish(self) -> None:
        done, self._done = self._done, None
        if done is not None and self._events is not None:
            self._events.feed(b"\n")
            done(self._events)
