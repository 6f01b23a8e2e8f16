"""Generated records, as odd as what can reach the child: every field of its type, what is absent absent."""

from __future__ import annotations

from hypothesis import strategies as st

from telemetry.records import ErrorRecord, RequestRecord, TraceRecord
from tests.telemetry.sample import START_NS

words = st.sampled_from(["", "orders", "Zürich Börse", "日本", "🚀", "a b", "x" * 130, "é" * 80, '"\\\n\x00', "\u2028"])
texts = words | st.text(max_size=200)
names = st.text(min_size=1, max_size=20)
sizes = st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 2**31, 2**40, 2**62])
milliseconds = st.sampled_from([0.0, 0.5, 1.5, 2.5, 0.4999, 127.6, 16_384.0, 1e7]) | st.floats(0, 1e6)
statuses = st.sampled_from([0, 100, 101, 200, 204, 302, 304, 400, 404, 429, 499, 500, 503, 599])
methods = st.sampled_from(["GET", "POST", "QUERY", "BREW", "get", "MÜLL", ""])


def ids(size: int) -> st.SearchStrategy[str]:
    """Mostly ids; also what is none."""
    good = st.binary(min_size=size, max_size=size).filter(any).map(bytes.hex)
    return good | good.map(str.upper) | st.sampled_from(["", "zz", "0af7", "é", "0" * (2 * size + 2)])


@st.composite
def urls(draw: st.DrawFn, absent: bool = False) -> str:
    if absent and draw(st.booleans()):
        return ""
    scheme = draw(st.sampled_from(["http", "https", "ws", "wss"]))
    host = draw(
        st.sampled_from(["h", "gw.example", "gw.example:8443", "[::1]:80", "bücher.example", "h:²", "h:", "u@h"])
    )
    path = draw(
        st.sampled_from(["/", "/a/b", "", "/ä/b?c=d&e=/f", "?q=1", "/x?", "/x?subscription-key=hush&y=1", "/x#y"])
    )
    return f"{scheme}://{host}{path}{draw(st.sampled_from(['', 'é', 'x' * 300]))}"


errors = st.builds(ErrorRecord, st.integers(0, 10**6), *[texts] * 8)
traces = st.builds(
    TraceRecord,
    texts,
    st.sampled_from(["verbose", "information", "error"]),
    texts,
    st.lists(st.tuples(names, texts), max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
)

records = st.builds(
    RequestRecord,
    start_ns=st.integers(0, 2**62) | st.just(START_NS),
    total_ms=milliseconds,
    backend_ms=milliseconds,
    client_ms=milliseconds,
    cache_ms=milliseconds | st.just(0.0),
    correlation_id=texts,
    trace_id=ids(16),
    span_id=ids(8),
    parent_span_id=ids(8),
    backend_span_id=ids(8),
    sampled=st.booleans(),
    method=methods,
    url=urls(),
    route=texts,
    host=texts,
    client_protocol=st.sampled_from(["HTTP/1.1", "HTTP/2", "HTTP/1.0", ""]),
    client_tls_version=st.sampled_from(["", "1.3"]),
    client_ip=texts,
    request_size=sizes,
    status=statuses,
    response_size=sizes,
    backend_method=methods,
    backend_url=urls(absent=True),
    backend_id=texts,
    backend_status=statuses,
    backend_protocol=st.sampled_from(["", "HTTP/1.1"]),
    cache=st.sampled_from(["", "none", "hit", "miss"]),
    api_id=texts,
    api_name=texts,
    api_revision=texts,
    operation_id=texts,
    operation_name=texts,
    product_id=texts,
    subscription_id=texts,
    user_id=texts,
    last_error=st.none() | errors,
    errors=st.lists(errors, max_size=2).map(tuple),
    traces=st.lists(traces, max_size=2).map(tuple),
)
batches = st.lists(records, min_size=1, max_size=5)
