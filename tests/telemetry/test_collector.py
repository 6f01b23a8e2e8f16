"""A lane and a collector on the wire: every answer that a collector can give, over both protocols."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry import collector
from telemetry import lane as lane_module
from telemetry.encode.requests import RequestEncoder
from telemetry.encode.wire import export_request
from telemetry.lane import Lane, Later, Partly, Refused
from telemetry.settings import Resource
from telemetry.settings import collector as settings
from tests.telemetry.authority import Authority
from tests.telemetry.sample import batch, record
from tests.telemetry.sink import Sink
from tests.telemetry.test_lane import end, until

PREFIX = "observability.opentelemetry"
PROTOCOLS = ("grpc", "http")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "BACKOFF", (0.02, 0.1))


@pytest.fixture(params=PROTOCOLS)
def sink(request: pytest.FixtureRequest) -> Iterator[Sink]:
    with Sink(request.param) as made:
        yield made


def logs(*names: str) -> tuple[bytes, int]:
    pieces = RequestEncoder().encode(batch(*[record(correlation_id=name) for name in names]), "", 1)[1]
    return export_request(Resource("i"), pieces, sum(map(len, pieces))), len(names)


@contextlib.contextmanager
def opened(sink: Sink, **more: str) -> Iterator[Lane]:
    found = settings({**sink.settings, **more})
    assert found
    connected = collector.connect(found)
    send = connected.send(collector.LOGS)
    lane = Lane("x", lambda data, timeout: send(connected.pack(data), timeout), timeout=found.timeout)
    try:
        yield lane
    finally:
        end(lane)
        connected.close()


def taken(sink: Sink) -> list[str]:
    return [pair.value.string_value for log in sink.logs() for pair in log.attributes if pair.key == "correlationId"]


@pytest.mark.parametrize("mode", ["unavailable", "throttled", "garbage", "hang", "down"])
def test_what_passes_is_tried_until_it_is_taken_once_and_in_order(sink: Sink, mode: str) -> None:
    if mode == "down":
        sink.down()
    else:
        sink.mode = mode
    with opened(sink, **{f"{PREFIX}.collector.timeout": "0.3"}) as lane:
        for number in range(5):
            lane.put(*logs(f"{number}a", f"{number}b"))
        if mode == "garbage" and sink.protocol == "grpc":  # an accepted call, whatever its answer looks like
            until(lambda: lane.exported == 10)
            return
        until(lambda: lane.retried >= 1)
        assert (lane.exported, lane.queued) == (0, 10)
        if mode == "down":
            sink.up()
        sink.mode = "ok"
        sink.wait(lambda: lane.exported == 10)
        assert taken(sink) == [f"{number}{part}" for number in range(5) for part in "ab"]
        assert not +lane.dropped


@pytest.mark.parametrize("mode", ["refused", "too-long"])
def test_what_will_never_be_taken_is_dropped_and_counted(sink: Sink, mode: str) -> None:
    sink.mode = mode
    with opened(sink) as lane:
        lane.put(*logs("a", "b"))
        until(lambda: lane.dropped["refused"] == 2)
        assert sink.calls == 1
        sink.mode = "ok"
        lane.put(*logs("c"))
        until(lambda: lane.exported == 1)
        assert taken(sink) == ["c"]


def test_the_collectors_wish_is_kept(sink: Sink) -> None:
    sink.mode = "throttled"
    with opened(sink) as lane:
        lane.put(*logs("a"))
        until(lambda: sink.calls == 1)
        sink.mode = "ok"
        sink.wait(lambda: lane.exported == 1)
        first, second = sink.called
        assert second - first >= 0.99, "Retry-After and RetryInfo say one second"


def test_a_partial_success_is_counted_and_not_sent_again(sink: Sink) -> None:
    sink.mode = "partial"
    with opened(sink) as lane:
        lane.put(*logs("a", "b", "c"))
        until(lambda: lane.exported)
        assert (lane.exported, lane.queued, dict(lane.dropped)) == (2, 0, {"refused": 1})
        assert sink.calls == 1


def test_a_slow_collector_gets_everything_once(sink: Sink) -> None:
    sink.mode = "slow"
    with opened(sink) as lane:
        for name in "abc":
            lane.put(*logs(name))
        sink.wait(lambda: lane.exported == 3)
        assert taken(sink) == ["a", "b", "c"]
        assert sink.calls == 3


def test_headers_go_with_every_request_and_are_not_told(sink: Sink, tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("x-from-file=b=c d\n")
    more = {f"{PREFIX}.collector.headers": "Authorization=Bearer%20t1,x-tenant=7"}
    more[f"{PREFIX}.collector.headers.file"] = str(file)
    assert "Bearer" not in repr(settings({**sink.settings, **more}))
    with opened(sink, **more) as lane:
        lane.put(*logs("a"))
        until(lambda: lane.exported)
        got = {name.lower(): value for name, value in sink.headers[0].items()}
        assert (got["authorization"], got["x-tenant"], got["x-from-file"]) == ("Bearer t1", "7", "b=c d")


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression_is_as_asked(compression: str) -> None:
    with Sink("http") as sink:
        with opened(sink, **{f"{PREFIX}.collector.compression": compression}) as lane:
            lane.put(*logs(*map(str, range(100))))
            until(lambda: lane.exported == 100)
        assert sink.headers[0].get("Content-Encoding", "none") == compression
        assert len(taken(sink)) == 100


def test_what_waited_compressed_is_sent_after_a_change_of_protocol_too(sink: Sink) -> None:
    data, count = logs(*map(str, range(100)))
    with opened(sink) as lane:
        lane.put(gzip.compress(data), count)
        until(lambda: lane.exported == 100)
    assert len(taken(sink)) == 100


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_with_an_authority_and_a_client_certificate_of_ones_own(protocol: str, tmp_path: Path) -> None:
    servers, clients = Authority(tmp_path, "servers"), Authority(tmp_path, "clients")
    client = clients.sign("gateway")
    own = {
        f"{PREFIX}.collector.tls.ca": servers.certificate,
        f"{PREFIX}.collector.tls.certificate": client[0],
        f"{PREFIX}.collector.tls.key": client[1],
    }
    with Sink(protocol, tls=(*servers.sign("collector"), clients.certificate)) as sink:
        with opened(sink, **own) as lane:
            lane.put(*logs("a"))
            until(lambda: lane.exported == 1)
        stranger = {f"{PREFIX}.collector.tls.ca": clients.certificate}  # it has not signed the collector
        nobody = {f"{PREFIX}.collector.tls.certificate": "", f"{PREFIX}.collector.tls.key": ""}
        for changed in (stranger, nobody):
            with opened(sink, **{**own, **changed}) as lane:
                lane.put(*logs("b"))
                until(lambda lane=lane: lane.retried)
    assert taken(sink) == ["a"]


def test_certificates_that_are_none_are_told_at_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for protocol in ("grpc", "http/protobuf"):
        found = settings(
            {
                f"{PREFIX}.enabled": "true",
                f"{PREFIX}.collector.uri": "https://collector:4317",
                f"{PREFIX}.protocol": protocol,
                f"{PREFIX}.collector.tls.ca": str(bad),
            }
        )
        assert found
        with pytest.raises(ValueError, match=r"collector\.tls"):
            collector.connect(found)


class Failure:
    """What grpc raises."""

    def __init__(self, code: str, details: str, metadata: tuple[tuple[str, Any], ...] = ()) -> None:
        self._code, self._details, self._metadata = code, details, metadata

    def code(self) -> Any:
        return type("Code", (), {"name": self._code})

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._metadata


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        ("UNAVAILABLE", "", Later),
        ("DEADLINE_EXCEEDED", "", Later),
        ("RESOURCE_EXHAUSTED", "busy", Later),
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (5 vs. 4)", Refused),
        ("UNKNOWN", "Stream removed", Later),
        ("INTERNAL", "Received RST_STREAM with error code 2", Later),
        ("INVALID_ARGUMENT", "", Refused),
        ("UNAUTHENTICATED", "", Refused),
        ("UNIMPLEMENTED", "", Refused),
        ("INTERNAL", "bug", Refused),
    ],
)
def test_which_status_passes(code: str, details: str, kind: type[Exception]) -> None:
    assert type(collector._grpc_failure(Failure(code, details))) is kind


def test_details_that_are_none_say_nothing() -> None:
    failure = Failure("UNAVAILABLE", "", (("grpc-status-details-bin", b"\xff\xff"), ("other", "1")))
    found = collector._grpc_failure(failure)
    assert isinstance(found, Later)
    assert found.after == 0


def test_an_answer_that_is_none_counts_as_yes() -> None:
    for answer in (b"", b"\xff", b"<html>", gzip.compress(b"x")):
        collector._check(collector.LOGS, answer)
    with pytest.raises(Partly):
        collector._check(collector.LOGS, b"\n\x02\x08\x05")
