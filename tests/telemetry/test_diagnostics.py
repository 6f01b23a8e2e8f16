"""What the configuration says of telemetry crosses the pipe and tells which diagnostic a record falls under."""

from __future__ import annotations

from typing import Any

from telemetry.batch import Kinds
from telemetry.diagnostics import MASK, Capture, Diagnostic, Directory, Logger, frame
from telemetry.frames import LOGGERS as LOGGERS_FRAME
from telemetry.frames import pack_records, unpack
from telemetry.records import CallRecord, Captured
from tests.telemetry.sample import record

LOGGERS = (
    Logger(
        "ai", "applicationInsights", (("connectionString", "InstrumentationKey=s3cret"),), False, "/subscriptions/x"
    ),
    Logger("Hub", "azureEventHub", (("name", "hub"),)),
)
DIAGNOSTICS = (
    Diagnostic("applicationinsights", "AI", 50.0, request=Capture(("X-A",), 8192, (("x-a", MASK),), (("*", MASK),))),
    Diagnostic("azuremonitor", "hub"),
    Diagnostic("local", "gone"),
)


def across(*content: Any) -> Directory:
    buffer = bytearray(frame(*content))
    ((kind, told),) = unpack(buffer)
    assert kind == LOGGERS_FRAME
    return Directory(told)


def test_an_api_has_its_own_diagnostics_or_those_of_the_service() -> None:
    directory = across(LOGGERS, DIAGNOSTICS, (0,), ((("orders", "2"), (1, 2)), (("quiet", "1"), ())))
    (service,) = directory.of(record(api_id="echo"))
    assert service.diagnostic == DIAGNOSTICS[0]
    assert isinstance(service.diagnostic.request, Capture)
    assert service.logger == LOGGERS[0]
    (own,) = directory.of(record(api_id="orders", api_revision="2"))
    assert (own.diagnostic.id, own.logger.id) == ("azuremonitor", "Hub")  # the one without a logger is left out
    assert directory.of(record(api_id="quiet", api_revision="1")) == ()
    assert directory.of(record(api_id="orders", api_revision="1")) == (service,)


def test_nothing_is_configured_at_first() -> None:
    assert Directory().of(record()) == ()
    assert not Directory().loggers


def test_credentials_are_in_no_repr() -> None:
    told = across(LOGGERS, DIAGNOSTICS, (0, 1), ())
    assert "s3cret" not in repr(told.loggers) + repr(told.of(record(api_id="echo"))) + repr(LOGGERS)


def test_what_was_captured_crosses_the_pipe() -> None:
    call = CallRecord(1.5, 2.5, "GET", "http://b/x?sig=s3cret", 200, "1" * 16, True)
    made = Captured("http", "root", "|root.", (("X-A", "bad \udcff"),), b"\x00\xff", calls=(call,))
    for given in (record(captured=made), tuple(record(captured=(*made[:-1], (tuple(call),))))):
        frames_, counts = zip(*pack_records([given], 0, 0), strict=True)
        assert counts == (1,)
        ((_, (_, _, rows)),) = unpack(bytearray(frames_[0]))
        (back,) = Kinds().batch(rows)
        assert back.captured is not None
        assert back.captured.request_headers == (("X-A", "bad ?"),)
        assert (back.captured.request_body, back.captured.operation) == (b"\x00\xff", "root")
        assert back.captured.calls == (call._replace(url="http://b/x?sig=REDACTED"),)
