"""The directory that containers share for their counters: what is refused, and two sidecars that have nothing else in
common, as two containers: mount namespaces of their own, each with its own /dev/shm and /tmp."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.adapters import shared_memory
from proxy.adapters.shared_memory import LAYOUT, NotShared, open_memory, private, shared_with_siblings
from proxy.settings import SettingError, Settings

SHM = Path("/dev/shm")
ADDRESS = "unix:/run/passerelle/agent.sock"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Not there yet, in memory."""
    if not os.access(SHM, os.W_OK):
        pytest.skip("no /dev/shm here")
    path = SHM / f"{tmp_path.parent.name}-{tmp_path.name}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_it_is_made_for_us_alone(directory: Path) -> None:
    assert private(directory) == directory
    assert directory.stat().st_mode & 0o777 == 0o700
    memory, why = shared_with_siblings(ADDRESS, str(directory))
    assert memory is not None
    assert why == ""
    assert len(list(directory.iterdir())) == 1
    memory.close()
    assert list(directory.iterdir()) == []


def test_what_is_not_private_is_refused(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotShared, match="cannot be had: No such file"):
        private(directory / "deeper")
    directory.mkdir(mode=0o755)
    with pytest.raises(NotShared, match="open to other users"):
        private(directory)
    directory.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(directory)
    with pytest.raises(NotShared, match="not a directory"):
        private(link)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(NotShared, match="belongs to another user"):
        private(directory)
    assert list(directory.iterdir()) == []


def test_a_disk_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "_file_system", lambda device: "ext4")
    with pytest.raises(NotShared, match="is on ext4; mount a tmpfs there"):
        private(directory)


def test_the_kind_of_a_file_system_is_known() -> None:
    if not SHM.is_dir():
        pytest.skip("no /dev/shm here")
    assert shared_memory._file_system(SHM.stat().st_dev) == "tmpfs"


def test_a_reason_is_told_to_people(directory: Path) -> None:
    directory.mkdir(mode=0o777)
    directory.chmod(0o777)
    memory, why = shared_with_siblings(ADDRESS, str(directory))
    assert memory is None
    assert "through the agent only" in why
    assert "chmod 700" in why


def test_a_file_with_another_name_is_left_alone(directory: Path) -> None:
    """Whoever may write to the directory links it to another file of ours, which would be emptied."""
    mine = open_memory(ADDRESS, private(directory))
    (path,) = directory.iterdir()
    mine.close()
    precious = directory / "backup.key"
    precious.write_bytes(b"secret")
    precious.chmod(0o600)
    path.hardlink_to(precious)
    with pytest.raises(NotShared, match="another name"):
        open_memory(ADDRESS, directory)
    assert precious.read_bytes() == b"secret"
    assert path.name.startswith(f"passerelle-{LAYOUT}-{os.getuid()}-")


def test_settings_that_cannot_be() -> None:
    with pytest.raises(SettingError, match=r"policy\.limits\.memory\.path is 'limits'"):
        Settings.read({"policy.limits.memory.path": "limits"})
    with pytest.raises(SettingError, match="of no use"):
        Settings.read({"policy.limits.memory.path": "/run/limits", "policy.limits.memory.enabled": "false"})
    assert Settings.read({"policy.limits.memory.path": " /run/limits "}).memory_path == "/run/limits"


COUNTING = """
import sys
from pathlib import Path
from proxy.adapters.clock import steady_time
from proxy.adapters.counters import LocalCounters
from proxy.adapters.shared_memory import LIMITS, shared_with_siblings
from proxy.adapters.siblings import Siblings
assert list(Path("/dev/shm").iterdir()) == [], "not its own /dev/shm"
memory, why = shared_with_siblings("unix:/run/passerelle/agent.sock", sys.argv[1])
assert memory is not None, why
counters = LocalCounters(steady_time(memory.offset), siblings=Siblings(memory, LIMITS))
print("there", memory.group, flush=True)
for line in sys.stdin:
    print(sum(counters.take("ann", 600, 100).count < 100 for _ in range(int(line))), flush=True)
memory.close()
"""
CONTAINER = 'mount -t tmpfs none /dev/shm && exec "$0" -c "$1" "$2"'


def test_two_containers_with_one_volume_count_as_one(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    own = ["unshare", "--mount", "--propagation", "private"]
    own += [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    root = str(Path(__file__).parents[2])

    def inside(*command: str) -> list[str]:
        return [*own, "sh", "-c", f"mount -t tmpfs -o mode=0700 none {volume} && exec {' '.join(command)}"]

    if subprocess.run(inside("true"), capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    # One namespace with the volume, in which two more are made, each with a /dev/shm of its own.
    outer = subprocess.Popen(inside("sleep", "60"), stdout=subprocess.DEVNULL)
    try:
        enter = ["nsenter", "--target", str(outer.pid), "--mount"]
        enter += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        for _ in range(100):
            found = subprocess.run([*enter, "stat", "-f", "-c", "%T", str(volume)], capture_output=True, check=False)
            if found.stdout.strip() == b"tmpfs":
                break
            time.sleep(0.05)
        both = [
            subprocess.Popen(
                [*enter, "unshare", "--mount", "--propagation", "private", "sh", "-c",
                 f"mount --bind {volume} /mnt && cd {root} && {CONTAINER}", sys.executable, COUNTING, "/mnt"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root},
            )
            for _ in range(2)
        ]  # fmt: skip
        said = [each.stdout.readline().split() for each in both if each.stdout is not None]
        assert [each[0] for each in said] == ["there", "there"]
        assert said[0][1] == said[1][1], "not the same memory"
        passed = 0
        for turn in range(12):
            child = both[turn % 2]
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("25\n")
            child.stdin.flush()
            passed += int(child.stdout.readline())
        assert passed == 100
        for child in both:
            child.communicate(timeout=20)
            assert child.returncode == 0
    finally:
        outer.kill()
        outer.wait()
