"""File systems and control groups that a row makes for itself: a volume of a few KiB, memory with an end."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.row import NotHere

CGROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def volume(place: Path, kilobytes: int) -> Iterator[Path]:
    """A memory file system of that size. Raises NotHere where none may be mounted."""
    place.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)


def read_only(place: Path, yes: bool = True) -> None:
    _mount("-o", f"remount,{'ro' if yes else 'rw'}", str(place))


def fill(place: Path) -> None:
    """Until nothing more goes in: also what is left in the last page of a file."""
    with contextlib.suppress(OSError), open(place / "filler", "ab", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    (place / "filler").stat()


def empty(place: Path) -> None:
    (place / "filler").unlink(missing_ok=True)


def _mount(*arguments: str) -> None:
    try:
        made = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotHere("there is no mount here") from None
    if made.returncode:
        raise NotHere(f"nothing can be mounted here: {made.stderr.strip()}")


@contextlib.contextmanager
def memory(name: str, megabytes: int) -> Iterator[Path]:
    """A control group of that much memory, version 1 or 2. Raises NotHere where none may be made."""
    first = (CGROUPS / "memory").is_dir()
    group = CGROUPS / ("memory" if first else "") / name
    try:
        group.mkdir()
        limit = group / ("memory.limit_in_bytes" if first else "memory.max")
        limit.write_text(str(megabytes << 20))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        raise NotHere(f"no control group can be made here: {error.strerror}") from None
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):
            for number in (group / "cgroup.procs").read_text().split():
                (group.parent / "cgroup.procs").write_text(number)
            group.rmdir()


def killed(group: Path) -> int:
    """How often the kernel ended a process of this group for its memory."""
    for name in ("memory.oom_control", "memory.events"):
        with contextlib.suppress(OSError):
            for line in (group / name).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0


def enter(group: Path) -> None:
    """Put this process into a control group."""
    (group / "cgroup.procs").write_text(str(os.getpid()))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
