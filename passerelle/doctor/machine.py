"""The machine itself: Python and its packages, descriptors, memory for sharing, names of settings that nobody reads."""

from __future__ import annotations

import difflib
import platform
import re
import resource
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata, resources
from pathlib import Path

from passerelle.doctor.finding import Finding, good, warning, wrong

OLDEST = (3, 11)
FEW_DESCRIPTORS = 4096
LITTLE_SHARED = 16 * 1024 * 1024  # bytes
PACKAGE = re.compile(r"[A-Za-z0-9._-]+")
NAME = re.compile(r"[a-z][a-zA-Z0-9-]*(?:\.[a-zA-Z0-9-]+)+")


def examine(environments: Iterable[Mapping[str, str]]) -> Iterator[Finding]:
    if sys.version_info < OLDEST:
        yield wrong(f"Python {platform.python_version()}", "use Python 3.11 or newer")
    else:
        yield good(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _packages()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_DESCRIPTORS:
        remedy = f"ulimit -n {FEW_DESCRIPTORS}, or LimitNOFILE= of its unit; each client and each backend takes one"
        yield warning(f"a process may open {soft} files and connections", remedy)
    shared = Path("/dev/shm")  # noqa: S108 - where it lies on Linux
    if shared.is_dir() and shutil.disk_usage(shared).free < LITTLE_SHARED:
        remedy = "enlarge it (docker: shm_size); workers share their counters there"
        yield warning(f"{shared} has {shutil.disk_usage(shared).free // 1024} KiB left", remedy)
    unknown = sorted({name for each in environments for name in each if _unread(name)})
    for name in unknown:
        near = difflib.get_close_matches(name, known_settings(), 1, 0.8)
        remedy = f"did you mean {near[0]}?" if near else "docs/settings.md lists them all"
        yield warning(f"the setting {name} is not read by anything", remedy)


@cache
def known_settings() -> frozenset[str]:
    """Every name of docs/settings.md."""
    text = resources.files("passerelle.doctor").joinpath("settings.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def _unread(name: str) -> bool:
    families = {known.split(".", 1)[0] for known in known_settings()}
    return NAME.fullmatch(name) is not None and name.split(".", 1)[0] in families and name not in known_settings()


def _packages() -> Iterator[Finding]:
    try:
        needed = metadata.requires("passerelle") or []
    except metadata.PackageNotFoundError:
        yield warning("Passerelle runs from a source tree that is not installed", "make setup, or pip install it")
        return
    names = [found[0] for each in needed if ";" not in each and (found := PACKAGE.match(each))]
    missing = [name for name in names if not _installed(name)]
    for name in missing:
        yield wrong(f"the package {name} is missing", "make setup, or pip install passerelle again")
    if not missing:
        yield good(f"Passerelle {metadata.version('passerelle')} with its {len(names)} packages")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
