import enum

import pytest

from telemetry import frames
from telemetry.batch import Kinds
from telemetry.records import RequestRecord
from tests.telemetry.sample import ERROR, TRACE, failed, record


class Word(str):
    pass


class Number(enum.IntEnum):
    TWO_HUNDRED = 200


def through(records: list[RequestRecord], cut: int = 1 << 20) -> list[RequestRecord]:
    """Packed, sent in pieces of `cut` bytes, unpacked."""
    data = b"".join(frame for frame, _ in frames.pack_records(records, 0, 0))
    buffer = bytearray()
    back: list[RequestRecord] = []
    for start in range(0, len(data), cut):
        buffer += data[start : start + cut]
        for kind, content in frames.unpack(buffer):
            assert kind == frames.RECORDS
            back += Kinds().batch(content[2])
    assert not buffer
    return back


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_records_come_back_as_they_were(cut: int) -> None:
    sent = [record(), failed(traces=(TRACE,)), record(url="http://gw/ä?\x00")]
    back = through(sent, cut)
    assert back == sent
    assert type(back[1].last_error) is type(ERROR)
    assert back[1].last_error is not None
    assert back[1].last_error.reason == "BackendConnectionFailure"
    assert back[1].traces[0].metadata == (("tenant", "7"),)


def test_subclasses_of_built_ins_are_flattened() -> None:
    (back,) = through([record(method=Word("GET"), status=Number.TWO_HUNDRED)])
    assert back == record()
    assert type(back.method) is str
    assert type(back.status) is int


def test_a_batch_too_long_for_one_frame_is_halved_and_one_such_record_refused() -> None:
    big = "x" * (frames.MAX_FRAME // 3)
    packed = list(frames.pack_records([record(url=f"{n}{big}") for n in range(4)], 0, 0))
    assert [count for _, count in packed] == [2, 2]
    packed = list(frames.pack_records([record(), record(url="x" * (frames.MAX_FRAME + 1)), record()], 0, 0))
    assert sorted(count for _, count in packed) == [0, 1, 1]


def test_a_length_beyond_the_limit_is_refused() -> None:
    with pytest.raises(frames.BrokenPipeStream, match="4294967295"):
        list(frames.unpack(bytearray(b"\xff\xff\xff\xff....")))
