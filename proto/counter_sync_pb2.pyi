from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Counts(_message.Message):
    __slots__ = ("sidecar_id", "counts", "token", "quotas", "sequence", "epoch", "held", "group", "groups", "time_ms")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    counts: _containers.RepeatedCompositeFieldContainer[Count]
    token: str
    quotas: _containers.RepeatedCompositeFieldContainer[QuotaCount]
    sequence: int
    epoch: str
    held: _containers.RepeatedCompositeFieldContainer[QuotaCount]
    group: str
    groups: int
    time_ms: int
    def __init__(self, sidecar_id: _Optional[str] = ..., counts: _Optional[_Iterable[_Union[Count, _Mapping]]] = ..., token: _Optional[str] = ..., quotas: _Optional[_Iterable[_Union[QuotaCount, _Mapping]]] = ..., sequence: _Optional[int] = ..., epoch: _Optional[str] = ..., held: _Optional[_Iterable[_Union[QuotaCount, _Mapping]]] = ..., group: _Optional[str] = ..., groups: _Optional[int] = ..., time_ms: _Optional[int] = ...) -> None: ...

class Count(_message.Message):
    __slots__ = ("key", "slice_ms", "slot", "increment")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SLICE_MS_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    key: str
    slice_ms: int
    slot: int
    increment: int
    def __init__(self, key: _Optional[str] = ..., slice_ms: _Optional[int] = ..., slot: _Optional[int] = ..., increment: _Optional[int] = ...) -> None: ...

class QuotaCount(_message.Message):
    __slots__ = ("key", "start", "period", "window", "calls", "bytes")
    KEY_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    key: str
    start: float
    period: int
    window: int
    calls: int
    bytes: int
    def __init__(self, key: _Optional[str] = ..., start: _Optional[float] = ..., period: _Optional[int] = ..., window: _Optional[int] = ..., calls: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...
