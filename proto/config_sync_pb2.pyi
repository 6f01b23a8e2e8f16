from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FromSidecar(_message.Message):
    __slots__ = ("hello", "ack", "nack", "status", "trace", "figures")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    NACK_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    ack: Ack
    nack: Nack
    status: Status
    trace: Trace
    figures: Figures
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., nack: _Optional[_Union[Nack, _Mapping]] = ..., status: _Optional[_Union[Status, _Mapping]] = ..., trace: _Optional[_Union[Trace, _Mapping]] = ..., figures: _Optional[_Union[Figures, _Mapping]] = ...) -> None: ...

class FromAgent(_message.Message):
    __slots__ = ("diff", "figures_taken", "standing")
    DIFF_FIELD_NUMBER: _ClassVar[int]
    FIGURES_TAKEN_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    diff: Diff
    figures_taken: FiguresTaken
    standing: Standing
    def __init__(self, diff: _Optional[_Union[Diff, _Mapping]] = ..., figures_taken: _Optional[_Union[FiguresTaken, _Mapping]] = ..., standing: _Optional[_Union[Standing, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("sidecar_id", "software_version", "held_dataset", "held_version", "token")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_VERSION_FIELD_NUMBER: _ClassVar[int]
    HELD_DATASET_FIELD_NUMBER: _ClassVar[int]
    HELD_VERSION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    software_version: str
    held_dataset: str
    held_version: int
    token: str
    def __init__(self, sidecar_id: _Optional[str] = ..., software_version: _Optional[str] = ..., held_dataset: _Optional[str] = ..., held_version: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class Diff(_message.Message):
    __slots__ = ("nonce", "dataset", "base_version", "version", "full", "last", "upserts", "removals", "complete")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FULL_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    UPSERTS_FIELD_NUMBER: _ClassVar[int]
    REMOVALS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    nonce: str
    dataset: str
    base_version: int
    version: int
    full: bool
    last: bool
    upserts: _containers.RepeatedCompositeFieldContainer[Resource]
    removals: _containers.RepeatedScalarFieldContainer[str]
    complete: bool
    def __init__(self, nonce: _Optional[str] = ..., dataset: _Optional[str] = ..., base_version: _Optional[int] = ..., version: _Optional[int] = ..., full: _Optional[bool] = ..., last: _Optional[bool] = ..., upserts: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., removals: _Optional[_Iterable[str]] = ..., complete: _Optional[bool] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("id", "digest", "body")
    ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    id: str
    digest: bytes
    body: bytes
    def __init__(self, id: _Optional[str] = ..., digest: _Optional[bytes] = ..., body: _Optional[bytes] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("nonce", "dataset", "version", "issues")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    nonce: str
    dataset: str
    version: int
    issues: _containers.RepeatedCompositeFieldContainer[Issue]
    def __init__(self, nonce: _Optional[str] = ..., dataset: _Optional[str] = ..., version: _Optional[int] = ..., issues: _Optional[_Iterable[_Union[Issue, _Mapping]]] = ...) -> None: ...

class Nack(_message.Message):
    __slots__ = ("nonce", "reason", "detail", "held_dataset", "held_version")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Nack.Reason]
        WRONG_BASE: _ClassVar[Nack.Reason]
        CORRUPT: _ClassVar[Nack.Reason]
        FAILED: _ClassVar[Nack.Reason]
        SHRUNK: _ClassVar[Nack.Reason]
        GOES_BACK: _ClassVar[Nack.Reason]
    REASON_UNSPECIFIED: Nack.Reason
    WRONG_BASE: Nack.Reason
    CORRUPT: Nack.Reason
    FAILED: Nack.Reason
    SHRUNK: Nack.Reason
    GOES_BACK: Nack.Reason
    NONCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    HELD_DATASET_FIELD_NUMBER: _ClassVar[int]
    HELD_VERSION_FIELD_NUMBER: _ClassVar[int]
    nonce: str
    reason: Nack.Reason
    detail: str
    held_dataset: str
    held_version: int
    def __init__(self, nonce: _Optional[str] = ..., reason: _Optional[_Union[Nack.Reason, str]] = ..., detail: _Optional[str] = ..., held_dataset: _Optional[str] = ..., held_version: _Optional[int] = ...) -> None: ...

class Issue(_message.Message):
    __slots__ = ("resource_id", "line", "column", "element", "message")
    RESOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    resource_id: str
    line: int
    column: int
    element: str
    message: str
    def __init__(self, resource_id: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., element: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("requests", "failures", "started", "problems")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    requests: int
    failures: int
    started: float
    problems: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, requests: _Optional[int] = ..., failures: _Optional[int] = ..., started: _Optional[float] = ..., problems: _Optional[_Iterable[str]] = ...) -> None: ...

class Trace(_message.Message):
    __slots__ = ("id", "document")
    ID_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    document: bytes
    def __init__(self, id: _Optional[str] = ..., document: _Optional[bytes] = ...) -> None: ...

class Figures(_message.Message):
    __slots__ = ("source", "sequence", "document")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    source: str
    sequence: int
    document: bytes
    def __init__(self, source: _Optional[str] = ..., sequence: _Optional[int] = ..., document: _Optional[bytes] = ...) -> None: ...

class FiguresTaken(_message.Message):
    __slots__ = ("source", "sequence")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    source: str
    sequence: int
    def __init__(self, source: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class Standing(_message.Message):
    __slots__ = ("dataset", "version", "confirmed", "reached")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    version: int
    confirmed: float
    reached: int
    def __init__(self, dataset: _Optional[str] = ..., version: _Optional[int] = ..., confirmed: _Optional[float] = ..., reached: _Optional[int] = ...) -> None: ...
