"""A folder as the agent sees it: in place of a plane, with the same three calls.

Rules
1. The folder is looked at once every poll: names, sizes, times and inodes, and the digest of what has other ones. A
   look that is like the last one costs no more than that.
2. What changed is read only when two looks in a row are alike, and taken only when a third one after the reading is:
   a copy or checkout that is under way is waited for. Links are followed, so that a swapped link is one change.
3. Nobody here reads an artifact: `passerelle check --feed`, a process of its own, turns the folder into the feed that a
   plane would send, or ends with findings. So whatever is wrong with a folder, it is a failed fetch like any other.
4. Versions are numbered here, in a dataset that the backup remembers; the same content is no new version.
5. A folder without an API, or one that lost more than half (a wrong mount, a checkout that went wrong), is refused
   unless the text of its file `full-sync.txt` is another one than before. That text is a resource like the others, so
   the backup remembers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from syncagent.errors import CallFailed
from syncagent.feed import Feed, FeedError, FeedParser, Shrunk, check_shrink
from syncagent.log import Log
from syncagent.settings import FULL_SYNC, Settings
from syncagent.snapshot import MODULUS, Operation, Resource, Snapshot, contribution

SETTLE = 0.2
MOST_LOOKS = 20
MOST_FILES = 200_000
MOST_TOLD = 4000  # characters of findings in one message
PREFIX = "directory-"
MARK = "/fullSync"
LARGEST_MARK = 64 * 1024  # bytes
REFUSED = 3  # how `passerelle check` ends when it has findings


class FolderRefused(CallFailed):
    """The folder is wrong as it stands: it is not read again before it changes."""


# (size, time of change of the content, of the file, inode)
Stat = tuple[int, int, int, int]


class Directory:
    """Raises CallFailed as a plane does; `refused` stays False, since a folder can be mended at any time."""

    def __init__(self, settings: Settings, log: Log) -> None:
        assert settings.directory is not None
        self._settings, self._folder = settings, settings.directory
        self._overrides, self._tokens = settings.overrides, settings.tokens
        self._gateway, self._timeout, self._log = settings.gateway_name, settings.timeout, log
        self._digests: dict[str, tuple[Stat, str]] = {}
        self._done = ""
        self._failure: FolderRefused | Shrunk | None = None
        self._told: set[tuple[str, str]] = set()

    async def __aenter__(self) -> Directory:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def events(self, held: Snapshot | None) -> Feed:
        """The folder as a snapshot, or that it is as it was."""
        seen = await self._look()
        ours = held is not None and held.dataset.startswith(PREFIX)
        if seen == self._done:
            if self._failure is not None:
                raise self._failure
            if held is not None and ours:
                return _nothing_new(held)
        for _ in range(MOST_LOOKS):
            await asyncio.sleep(SETTLE)
            again = await self._look()
            if again != seen:
                seen = again
                continue
            try:
                feed = self._marked(await self._read(), held)
            except (FolderRefused, Shrunk) as failure:
                if (again := await self._look()) == seen:
                    self._done, self._failure = seen, failure
                    raise
                seen = again
                continue
            if (again := await self._look()) == seen:
                self._done, self._failure = seen, None
                return _numbered(feed, held if ours else None)
            seen = again
        raise CallFailed(f"{self._folder} keeps changing: it is read when it stands still", answered=False)

    async def heartbeat(self, report: dict[str, Any]) -> None:
        """There is nobody to tell but the log, once, what the sidecars found."""
        found = {
            (str(each["resourceId"]), f"line {each['line']}, column {each['column']}: {each['message']}")
            for sidecar in report["sidecars"]
            for each in sidecar["issues"]
        }
        for resource, message in sorted(found - self._told):
            self._log.warn("SidecarIssue", f"{resource}: {message}")
        self._told = found

    async def traces(self, batch: list[tuple[str, str]]) -> None:
        raise CallFailed("traces are kept by a management plane, and there is none", refused=True)

    async def counters(self, report: dict[str, Any]) -> dict[str, Any]:
        """Reports are a plane's: figures end here, and nobody resets a quota."""
        return {}

    async def _look(self) -> str:
        try:
            return await asyncio.to_thread(self._digest)
        except OSError as error:
            message = f"{error.filename or self._folder} cannot be read: {error.strerror or error}"
            raise CallFailed(message, answered=False) from None

    def _digest(self) -> str:
        """Of every file's name and content. Raises OSError."""
        known, self._digests = self._digests, {}
        total = hashlib.sha256()
        for name, path in self._files():
            status = os.stat(path)
            stat = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            before = known.get(path)
            if before is None or before[0] != stat:
                with open(path, "rb") as file:
                    before = (stat, hashlib.file_digest(file, "sha256").hexdigest())
            self._digests[path] = before
            total.update(f"{name}\0{before[1]}\0".encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def _files(self) -> Iterator[tuple[str, str]]:
        """(name, real path) of all that is read, in an order that stays."""
        for place in (self._folder, self._tokens):
            if place is None:
                continue
            root = os.path.realpath(place)
            if not os.path.isdir(root):
                raise FileNotFoundError(2, "there is no such folder", str(place))
            count, seen = 0, set()
            for folder, folders, names in os.walk(root, followlinks=True):
                real = os.path.realpath(folder)
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                for name in sorted(name for name in names if not name.startswith(".")):
                    path = os.path.join(folder, name)
                    yield os.path.relpath(path, root), path
                    count += 1
                if count > MOST_FILES:
                    raise OSError(0, f"it has more than {MOST_FILES} files", str(place))
        if self._overrides is not None:
            yield "overrides", os.path.realpath(self._overrides)

    def _marked(self, feed: Feed, held: Snapshot | None) -> Feed:
        """With the text of `full-sync.txt`, which makes it complete when it is a new one. Raises Shrunk."""
        operations = [each for each in feed.operations if isinstance(each, Resource) and each.id != MARK]
        mark = _mark(self._folder / FULL_SYNC)
        known = held.resources.get(MARK) if held is not None else None
        complete = mark is not None and (known is None or known.digest != mark.digest)
        check_shrink(held, {each.id for each in operations}, complete)
        every: tuple[Operation, ...] = (*operations, mark) if mark is not None else tuple(operations)
        total = feed.fingerprint + (contribution(mark) if mark is not None else 0)
        return replace(feed, complete=True, operations=every, fingerprint=total % MODULUS)

    async def _read(self) -> Feed:
        try:  # a reader that is killed leaves its store behind: here
            holder = tempfile.TemporaryDirectory(prefix="passerelle-")
        except OSError as error:
            raise CallFailed(f"there is no place to read {self._folder} in: {error.strerror}", answered=False) from None
        with holder as place:
            return await self._read_in(place)

    async def _read_in(self, place: str) -> Feed:
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(os.environ, place),
        )
        try:
            async with asyncio.timeout(self._timeout):
                feed, said = await asyncio.gather(_parse(process.stdout), _all(process.stderr))
                code = await process.wait()
        except TimeoutError:
            raise CallFailed(
                f"{self._folder} is not read within {self._timeout:g} s: give config.service.integration.timeout more",
                answered=False,
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        text = said.decode("utf-8", "replace").strip()
        if code == REFUSED:
            raise FolderRefused(_short(text), answered=False)
        if code or isinstance(feed, FeedError):
            raise CallFailed(f"reading {self._folder} failed ({code}): {_short(text) or feed}", answered=False)
        for line in text.splitlines():
            self._log.warn("DirectoryLeftOut", line)
        return feed

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "passerelle", "check", str(self._folder), "--feed"]
        if self._gateway:
            command += ["--gateway", self._gateway]
        if self._overrides is not None:
            command += ["--overrides", str(self._overrides)]
        return command + (["--tokens", str(self._tokens)] if self._tokens is not None else [])


def _environment(ours: Mapping[str, str], place: str) -> dict[str, str]:
    """Tokens may be in it; our own settings of the same process group are harmless to the reader."""
    return {**ours, "TMPDIR": place, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


async def _parse(stream: asyncio.StreamReader | None) -> Feed | FeedError:
    """The feed, or what is wrong with it; reads to the end either way."""
    assert stream is not None
    parser, wrong = FeedParser(), None
    while chunk := await stream.read(1 << 20):
        if wrong is None:
            try:
                parser.write(chunk)
            except FeedError as error:
                wrong = error
    if wrong is not None:
        return wrong
    try:
        return parser.close()
    except FeedError as error:
        return error


async def _all(stream: asyncio.StreamReader | None) -> bytes:
    assert stream is not None
    return await stream.read()


def _short(text: str) -> str:
    if len(text) <= MOST_TOLD:
        return text
    kept = text[:MOST_TOLD].rsplit("\n", 1)[0]
    return f"{kept}\nand {text.count(chr(10)) - kept.count(chr(10))} more findings"


def _mark(path: Path) -> Resource | None:
    """The text of the file as a resource, None without one."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST_MARK).decode("utf-8", "replace").strip()
    except OSError:
        return None
    body = json.dumps({"text": text}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return Resource(MARK, hashlib.sha256(body).digest(), body)


def _nothing_new(held: Snapshot) -> Feed:
    return Feed("none", held.dataset, held.cursor, held.cursor, False, (), held.fingerprint)


def _numbered(feed: Feed, held: Snapshot | None) -> Feed:
    """With the number of its version; a dataset begins with the first one."""
    if held is None:
        return replace(feed, dataset=PREFIX + secrets.token_hex(8), cursor=1)
    if feed.fingerprint == held.fingerprint:
        return _nothing_new(held)
    return replace(feed, dataset=held.dataset, cursor=held.cursor + 1)
