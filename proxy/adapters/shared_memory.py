"""Memory that the sidecars of one agent on one host share, and the place in it that each of them writes.

    words: places ever taken, a random id (2), time, namespace of time | for each place a ring of each kind, and a
    table of places held

Rules
1. It is a file in memory, 0600, known by the user and the agent's address: in /dev/shm (where there is none, in the
   directory for temporary files), or in a directory that is named, as containers need that have a /dev/shm each. That
   one is as private as the directory of the agent's socket, and lies in memory too: a disk would hold requests up.
   What is not ours alone is not used, and not written to.
2. A place is held by a lock that the kernel gives back, however the holder ends. Its pages are allocated when it is
   taken, so that a full memory is met here and not while a request is served.
3. The first to come finds it empty: what lies there of processes that are all gone means nothing. The last to leave
   removes it, and whoever comes removes what others left who were killed.
4. The id is another one each time it begins empty: who has the same one hears the others here, and from the agent only
   what is counted elsewhere (`group` in proto/counter_sync.proto).
5. It is a gain, not a need: without it counts go through the agent.
6. It has the time of all who share it: Unix time less the time since the machine was booted, as the first one found it.
   Who comes later has the same time, whatever happened to the clock meanwhile.
7. Whatever stands in it, a reader stays inside of it. Who may write to it, or cut it short, may also kill us.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import logging
import mmap
import os
import secrets
import stat
import struct
import tempfile
import time
from pathlib import Path

from proxy.adapters.clock import offset_of_boot

log = logging.getLogger("proxy.counters")

LAYOUT = 2  # another one whenever what follows changes
LIMITS, QUOTAS = KINDS = (0, 1)  # a ring of each for each process
RING = 1 << 20  # bytes of one: about 20,000 counts
START = 64  # where the bytes of a ring begin, behind the place at which the next record will be
MOST = 64  # processes
ROWS = 1_024  # of a table
TABLE = ROWS * 16
_ID, _TIME, _NAMESPACE = 8, 3, 4  # a place in bytes, and two in words
_HEADER = 4_096
_PLACE = len(KINDS) * (START + RING) + TABLE
_SIZE = _HEADER + MOST * _PLACE
_DOOR = _SIZE + MOST  # locked while somebody comes or goes; the places are locked from _SIZE on
_FLOCK = struct.Struct("=hh4xqqi4x")
_PATIENCE = 0.5
_IN_MEMORY = ("tmpfs", "ramfs")
_LOOPBACK = ("127.", "localhost:", "[::1]:")


class NotShared(Exception):
    """There is no memory to share; the message says why."""


class SharedMemory:
    """Place `number` is ours. `words` is all of it as 64-bit words, `group` names it; `offset` is Unix time less the
    time since boot, in seconds."""

    def __init__(self, path: Path, descriptor: int, number: int) -> None:
        self.number = number
        self.map = mmap.mmap(descriptor, _SIZE)
        self.words = memoryview(self.map).cast("Q")
        self.group = bytes(self.map[_ID : _ID + 16]).hex()
        self.offset = int(self.words[_TIME]) / 1e6
        self._path, self._descriptor = path, descriptor

    @staticmethod
    def ring(number: int, kind: int) -> int:
        """Where a ring begins, in bytes."""
        return _HEADER + number * _PLACE + kind * (START + RING)

    @staticmethod
    def table(number: int) -> int:
        """Where the table of a process begins, in words."""
        return (_HEADER + number * _PLACE + len(KINDS) * (START + RING)) // 8

    @property
    def present(self) -> int:
        """How many places were ever taken: those below it may have holders."""
        return min(int(self.words[0]), MOST)

    def alive(self, number: int) -> bool:
        """Whether somebody holds that place."""
        return number == self.number or not _free(self._descriptor, _SIZE + number)

    def close(self) -> None:
        """Give the place back; the last one removes the file."""
        with contextlib.suppress(OSError, NotShared):
            _enter(self._descriptor)
            if not any(self.alive(each) for each in range(self.present) if each != self.number):
                self._path.unlink(missing_ok=True)
        self.words.release()
        self.map.close()
        os.close(self._descriptor)


def open_memory(address: str, directory: Path | None = None) -> SharedMemory:
    """That of the sidecars of the agent at `address`, in a directory that need not be private. Raises NotShared."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        raise NotShared("this system has no locks of open files")
    directory = directory or _usual()
    path = directory / f"passerelle-{LAYOUT}-{os.getuid()}-{hashlib.sha256(_known(address).encode()).hexdigest()[:24]}"
    try:
        for _ in range(10):
            if (memory := _try(path)) is not None:
                _sweep(directory, path)
                return memory
    except OSError as problem:
        raise NotShared(f"{path}: {problem.strerror}") from problem
    raise NotShared(f"{path}: others remove it again and again")


def private(directory: Path) -> Path:
    """The directory, made where it is missing, if it is ours alone and in memory. Raises NotShared."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError as problem:
        raise NotShared(f"{directory} cannot be had: {problem.strerror}") from problem
    if not stat.S_ISDIR(status.st_mode):
        raise NotShared(f"{directory} is not a directory")
    if status.st_uid != os.geteuid():
        raise NotShared(f"{directory} belongs to another user")
    if status.st_mode & 0o077:
        raise NotShared(f"{directory} is open to other users; `chmod 700` it")
    kind = _file_system(status.st_dev)
    if kind not in _IN_MEMORY:
        raise NotShared(f"{directory} is on {kind}; mount a tmpfs there, so that no disk holds requests up")
    return directory


def _file_system(device: int) -> str:
    """What a device number of a file is mounted as."""
    name = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            fields = line.split()
            if fields[2] == name:
                return fields[fields.index("-") + 1]
    return "a file system of unknown kind"


def _usual() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - what is opened there is checked
    return memory if os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def _known(address: str) -> str:
    """The address, and for one of loopback whose loopback it is."""
    if address.startswith("unix:"):
        return "unix:" + os.path.realpath("/" + address.removeprefix("unix:").lstrip("/"))
    if not address.startswith(_LOOPBACK):
        return address
    try:
        return f"{address} {os.stat('/proc/self/ns/net').st_ino}"
    except OSError:
        return address


def _try(path: Path) -> SharedMemory | None:
    """None when the file was removed meanwhile. Raises OSError, NotShared."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise NotShared(f"{path} is not a file of ours alone; remove it")
        if status.st_nlink > 1:
            raise NotShared(f"{path} has another name too, and may be another file; remove it")
        _enter(descriptor)
        try:
            found = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != (status.st_dev, status.st_ino):
            os.close(descriptor)
            return None
        memory = _take(path, descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise
    _leave(descriptor)
    return memory


def _take(path: Path, descriptor: int) -> SharedMemory:
    free = [each for each in range(MOST) if _free(descriptor, _SIZE + each)]
    if not free:
        raise NotShared(f"{path}: more than {MOST} processes")
    if len(free) == MOST:
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, _SIZE)
        os.posix_fallocate(descriptor, 0, _HEADER)
        header = secrets.token_bytes(16) + struct.pack("=QQ", max(round(offset_of_boot() * 1e6), 0), _namespace())
        os.pwrite(descriptor, header, _ID)
    elif os.fstat(descriptor).st_size != _SIZE:
        raise NotShared(f"{path} was cut short; remove it")
    elif os.pread(descriptor, 8, _NAMESPACE * 8) != struct.pack("=Q", _namespace()):
        raise NotShared(f"{path} is used by processes of another time namespace")
    number = free[0]
    os.posix_fallocate(descriptor, _HEADER + number * _PLACE, _PLACE)
    if not _lock(descriptor, _SIZE + number):
        raise NotShared(f"{path}: place {number} is taken")
    memory = SharedMemory(path, descriptor, number)
    table = SharedMemory.table(number) * 8
    memory.map[table : table + TABLE] = bytes(TABLE)
    memory.words[0] = max(memory.present, number + 1)
    return memory


def _namespace() -> int:
    """Whose time since boot it is; 0 where none is known."""
    try:
        return os.stat("/proc/self/ns/time").st_ino
    except OSError:
        return 0


def _sweep(directory: Path, own: Path) -> None:
    """Remove what killed processes left, of any layout: what is ours and nobody holds anything of."""
    for path in directory.glob(f"passerelle-[0-9]*-{os.getuid()}-*"):
        if path == own:
            continue
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_uid == os.getuid() and _lock(descriptor, 0, 0):  # to its end, and beyond
                    path.unlink()
            finally:
                os.close(descriptor)


def _enter(descriptor: int) -> None:
    until = time.monotonic() + _PATIENCE
    while not _lock(descriptor, _DOOR):
        if time.monotonic() > until:
            raise NotShared("a process that was coming or leaving was stopped in the midst of it")
        time.sleep(0.002)


def _leave(descriptor: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, _DOOR, 1, 0))


def _lock(descriptor: int, at: int, size: int = 1) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, at, size, 0))
    except OSError as problem:
        if problem.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _free(descriptor: int, at: int) -> bool:
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0))
    return int(_FLOCK.unpack(answer)[0]) == fcntl.F_UNLCK


def shared_with_siblings(address: str, directory: str) -> tuple[SharedMemory | None, str]:
    """The memory, or None and why, which is also told in the log. `directory` is that of the settings, or empty."""
    try:
        return open_memory(address, private(Path(directory)) if directory else None), ""
    except NotShared as reason:
        log.warning(
            "counts are shared through the agent only, not in memory: %s",
            reason,
            extra={"event": "CountersNotInMemory"},
        )
        return None, f"Limits are shared through the agent only, not in memory: {reason}."
