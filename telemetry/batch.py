"""What the child hands to its aggregates and exporters: a list of records that knows which of them are of one kind.

A kind is what a service's configuration and the outcome of a request say between them: API, operation, product, method,
statuses, hosts. A service has some hundreds, so whoever writes records out writes the part that a kind decides once and
keeps it in `Kind.made`.

Rules
1. What leaves here has no secret in its URLs. What clients and policies say, and names, can be held by UTF-8; the rest
   (addresses, numbers, ids) is the gateway's own.
2. At most `KINDS` kinds are known at a time; then all are forgotten, with what was made of them.
3. One thread uses it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from telemetry import redact
from telemetry.records import CallRecord, Captured, ErrorRecord, MetricRecord, RequestRecord, Row, TraceRecord, places

KINDS = 4096
SHARED = (
    "sampled",
    "method",
    "route",
    "host",
    "client_protocol",
    "client_tls_version",
    "status",
    "backend_method",
    "backend_id",
    "backend_status",
    "backend_protocol",
    "cache",
    "api_id",
    "api_name",
    "api_revision",
    "operation_id",
    "operation_name",
    "product_id",
)

_URL, _BACKEND_URL, _LAST_ERROR, _ERRORS, _TRACES, _METRICS, _CAPTURED = places(
    "url", "backend_url", "last_error", "errors", "traces", "metrics", "captured"
)
_shared = itemgetter(*places(*SHARED))
_nested = itemgetter(_LAST_ERROR, _ERRORS, _TRACES, _METRICS)
_NOTHING = (None, (), (), ())
_PLAIN = (int, float, bool, type(None))
_named: Any = tuple.__new__


class Kind:
    """`record` is the first of its kind: only its `SHARED` fields say something of the others.

    `origin` and `backend_origin` are what the URLs begin with, scheme, host and port at least; `cause` is source,
    reason and section of the last error. In `made` each user keeps what it derived, under a key of its own.
    """

    __slots__ = ("backend_origin", "cause", "made", "odd", "origin", "record")

    def __init__(
        self, record: RequestRecord, origin: str, backend_origin: str, cause: tuple[str, str, str] | None, odd: bool
    ) -> None:
        self.record = record
        self.origin = origin
        self.backend_origin = backend_origin
        self.cause = cause
        self.odd = odd  # its shared fields are not all text as it came
        self.made: dict[object, Any] = {}


class Batch(list[RequestRecord]):
    """Records in the order in which they finished; `kinds` has one entry for each."""

    __slots__ = ("_by_kind", "kinds")

    def __init__(self, records: Iterable[RequestRecord], kinds: list[Kind]) -> None:
        super().__init__(records)
        self.kinds = kinds
        self._by_kind: dict[Kind, list[RequestRecord]] | None = None

    def by_kind(self) -> dict[Kind, list[RequestRecord]]:
        """The same records, those of one kind together."""
        if self._by_kind is None:
            groups: defaultdict[Kind, list[RequestRecord]] = defaultdict(list)
            for record, kind in zip(self, self.kinds, strict=True):
                groups[kind].append(record)
            self._by_kind = groups
        return self._by_kind


class Kinds:
    """The kinds that are known."""

    def __init__(self, limit: int = KINDS) -> None:
        self._limit = limit
        self._known: dict[Any, Kind] = {}

    def batch(self, rows: Iterable[Row]) -> Batch:
        """Rows as they came over the pipe, or records."""
        known = self._known
        kinds: list[Kind] = []
        records: list[RequestRecord] = []
        for row in rows:
            cause = None
            if _nested(row) != _NOTHING:
                row = whole = _whole(row)
                if error := whole.last_error:
                    cause = (error.source, error.reason, error.section)
            if row[_CAPTURED] is not None:
                row = (*row[:_CAPTURED], _captured(row[_CAPTURED]), *row[_CAPTURED + 1 :])
            url: str = row[_URL]
            backend: str = row[_BACKEND_URL]
            if not (url.isascii() and backend.isascii()):
                row = text(row)
                url, backend = row[_URL], row[_BACKEND_URL]
            if "?" in url or "?" in backend:
                safe = redact.url(url), redact.url(backend)
                if safe != (url, backend):
                    url, backend = safe
                    row = (*row[:_URL], url, *row[_URL + 1 : _BACKEND_URL], backend, *row[_BACKEND_URL + 1 :])
            # As a rule scheme, host and port. Where the first slash is not there, a kind is told by more than those.
            at = url.find("/", 8)
            origin = url[:at] if at > 0 else url
            at = backend.find("/", 8)
            backend_origin = backend[:at] if at > 0 else backend
            key = (_shared(row), origin, backend_origin, cause)
            record: RequestRecord = _named(RequestRecord, row)
            kind = known.get(key)
            if kind is None:
                if len(known) >= self._limit:
                    known.clear()
                clean = text(record)
                kind = known[key] = Kind(clean, origin, backend_origin, cause, _shared(clean) != _shared(record))
            records.append(text(record) if kind.odd else record)
            kinds.append(kind)
        return Batch(records, kinds)


def origin_of(url: str) -> str:
    """An absolute URL up to its path."""
    start = url.find("://") + 3
    end = len(url)
    for mark in "/?#":
        at = url.find(mark, start)
        if 0 <= at < end:
            end = at
    return url[:end]


def text(value: Any) -> Any:
    """Strings that UTF-8 can hold; what it cannot becomes a question mark. Where nothing is to do, the value itself."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, tuple):
        if all(each.isascii() if type(each) is str else type(each) in _PLAIN for each in value):
            return value
        return value._make(map(text, value)) if hasattr(value, "_make") else tuple(map(text, value))
    return value


def _whole(row: Row) -> RequestRecord:
    """A row with its errors, traces and metrics as the records that they were, and as text."""
    last, errors, traces, metrics = _nested(row)
    values = list(row)
    if last is not None:
        values[_LAST_ERROR] = text(ErrorRecord._make(last))
        if errors == (last,):  # as good as always
            values[_ERRORS] = (values[_LAST_ERROR],)
            errors = ()
    if errors:
        values[_ERRORS] = tuple([text(ErrorRecord._make(each)) for each in errors])
    if traces:
        values[_TRACES] = tuple([text(TraceRecord._make(each)) for each in traces])
    if metrics:
        values[_METRICS] = tuple([text(MetricRecord._make(each)) for each in metrics])
    return RequestRecord._make(values)


def _captured(values: Row) -> Captured:
    made: Captured = text(Captured._make(values))
    return made._replace(
        calls=tuple(call._replace(url=redact.url(call.url)) for call in map(CallRecord._make, made.calls))
    )
