from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JoinRequest(_message.Message):
    __slots__ = ("oldest", "newest", "plan")
    OLDEST_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    oldest: int
    newest: int
    plan: str
    def __init__(self, oldest: _Optional[int] = ..., newest: _Optional[int] = ..., plan: _Optional[str] = ...) -> None: ...

class JoinReply(_message.Message):
    __slots__ = ("version", "name", "beat_s", "part_bytes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEAT_S_FIELD_NUMBER: _ClassVar[int]
    PART_BYTES_FIELD_NUMBER: _ClassVar[int]
    version: int
    name: str
    beat_s: float
    part_bytes: int
    def __init__(self, version: _Optional[int] = ..., name: _Optional[str] = ..., beat_s: _Optional[float] = ..., part_bytes: _Optional[int] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Blob(_message.Message):
    __slots__ = ("checksum", "size")
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    checksum: str
    size: int
    def __init__(self, checksum: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("offset", "checksum", "data", "blob")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    offset: int
    checksum: int
    data: bytes
    blob: Blob
    def __init__(self, offset: _Optional[int] = ..., checksum: _Optional[int] = ..., data: _Optional[bytes] = ..., blob: _Optional[_Union[Blob, _Mapping]] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("blob", "offset")
    BLOB_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    blob: Blob
    offset: int
    def __init__(self, blob: _Optional[_Union[Blob, _Mapping]] = ..., offset: _Optional[int] = ...) -> None: ...

class Stored(_message.Message):
    __slots__ = ("bytes",)
    BYTES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    def __init__(self, bytes: _Optional[int] = ...) -> None: ...

class Instruction(_message.Message):
    __slots__ = ("beat", "work", "withdrawal", "release", "farewell")
    class Beat(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    BEAT_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    FAREWELL_FIELD_NUMBER: _ClassVar[int]
    beat: Instruction.Beat
    work: Work
    withdrawal: Withdrawal
    release: Release
    farewell: Farewell
    def __init__(self, beat: _Optional[_Union[Instruction.Beat, _Mapping]] = ..., work: _Optional[_Union[Work, _Mapping]] = ..., withdrawal: _Optional[_Union[Withdrawal, _Mapping]] = ..., release: _Optional[_Union[Release, _Mapping]] = ..., farewell: _Optional[_Union[Farewell, _Mapping]] = ...) -> None: ...

class Work(_message.Message):
    __slots__ = ("key", "round", "tasks", "settings", "local_names", "model", "extras", "local_state")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_NAMES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_STATE_FIELD_NUMBER: _ClassVar[int]
    key: str
    round: int
    tasks: _containers.RepeatedScalarFieldContainer[str]
    settings: str
    local_names: _containers.RepeatedScalarFieldContainer[str]
    model: Blob
    extras: Blob
    local_state: Blob
    def __init__(self, key: _Optional[str] = ..., round: _Optional[int] = ..., tasks: _Optional[_Iterable[str]] = ..., settings: _Optional[str] = ..., local_names: _Optional[_Iterable[str]] = ..., model: _Optional[_Union[Blob, _Mapping]] = ..., extras: _Optional[_Union[Blob, _Mapping]] = ..., local_state: _Optional[_Union[Blob, _Mapping]] = ...) -> None: ...

class Withdrawal(_message.Message):
    __slots__ = ("key", "reason")
    KEY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    key: str
    reason: str
    def __init__(self, key: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("round",)
    ROUND_FIELD_NUMBER: _ClassVar[int]
    round: int
    def __init__(self, round: _Optional[int] = ...) -> None: ...

class Farewell(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class TaskResult(_message.Message):
    __slots__ = ("task", "metrics", "samples", "trains", "rows")
    TASK_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    TRAINS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    task: str
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    samples: int
    trains: bool
    rows: str
    def __init__(self, task: _Optional[str] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., samples: _Optional[int] = ..., trains: _Optional[bool] = ..., rows: _Optional[str] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("key", "round", "results", "update", "local_state", "wall_s", "failure")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    LOCAL_STATE_FIELD_NUMBER: _ClassVar[int]
    WALL_S_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    key: str
    round: int
    results: _containers.RepeatedCompositeFieldContainer[TaskResult]
    update: Blob
    local_state: Blob
    wall_s: float
    failure: str
    def __init__(self, key: _Optional[str] = ..., round: _Optional[int] = ..., results: _Optional[_Iterable[_Union[TaskResult, _Mapping]]] = ..., update: _Optional[_Union[Blob, _Mapping]] = ..., local_state: _Optional[_Union[Blob, _Mapping]] = ..., wall_s: _Optional[float] = ..., failure: _Optional[str] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("refused",)
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    refused: str
    def __init__(self, refused: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("text", "read_farewell")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    READ_FAREWELL_FIELD_NUMBER: _ClassVar[int]
    text: str
    read_farewell: bool
    def __init__(self, text: _Optional[str] = ..., read_farewell: _Optional[bool] = ...) -> None: ...

class BeatReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
