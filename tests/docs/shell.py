"""A terminal as a reader of the docs has it: bash in a folder, with `passerelle` on its path, fed block by block."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.docs.statements import ROOT, Block, pattern

DONE = "-- the block has ended with"
# A statement that fails is remembered; `&&`, `||` and `if` are the page's own matter.
TRAP = "trap 'failed=$?; what=$BASH_COMMAND' ERR\n"
LIVE_WITHIN = 30.0  # a change reaches the gateways within a poll; what only asks is asked again until then


class Shell:
    """Close it: it ends whatever the page left in the background."""

    def __init__(self, folder: Path, names: dict[str, str]) -> None:
        """`names`: what a page calls by a name or a port of its own, and what it is here."""
        commands = folder / ".commands"
        commands.mkdir()
        for name, rest in (("passerelle", " -m passerelle"), ("python", "")):
            script = commands / name
            script.write_text(f'#!/usr/bin/env bash\nexec {sys.executable}{rest} "$@"\n')
            script.chmod(0o755)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PASSERELLE_")}
        environment |= {"PATH": f"{commands}:{environment['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "250"}
        self._names = dict(sorted(names.items(), key=lambda pair: -len(pair[0])))
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=folder, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._bash.stdout is not None
        with self._bash.stdout as said:
            for line in said:
                self._lines.put(line)

    def here(self, text: str) -> str:
        """A page's text with the addresses of this house."""
        for theirs, ours in self._names.items():
            text = text.replace(theirs, ours)
        return text

    def page(self, text: str) -> str:
        """What was printed, with the page's addresses."""
        for theirs, ours in self._names.items():
            text = text.replace(ours, theirs)
        return text

    def run(self, block: Block) -> None:
        """Fails with what was printed, and what should have been."""
        asks = all(each.only_asks for each in block.statements)
        until = time.monotonic() + (LIVE_WITHIN if asks else 0)
        while True:
            printed, code, what = self._once(self.here(block.text))
            told = block.prints is None or pattern(block.prints).match(
                "\n".join(" ".join(line.split()) for line in self.page(printed).splitlines())
            )
            if told and code == block.code:
                return
            if time.monotonic() > until:
                break
            time.sleep(0.3)
        raise AssertionError(
            f"{block.place}\n{block.text}\nended with {code} (of {block.code}): {what}\n--- it printed\n{printed}"
            f"--- the page says\n{block.prints if block.prints is not None else 'nothing of it'}"
        )

    def _once(self, text: str, timeout: float = 90.0) -> tuple[str, int, str]:
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"failed=0 what=\n{TRAP}{text}\ntrap - ERR\necho\necho {DONE} $failed $what\n")
        self._bash.stdin.flush()
        said: list[str] = []
        until = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(until - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"this takes too long:\n{text}\n{''.join(said)}") from None
            if line.startswith(DONE):
                code, _, what = line[len(DONE) :].strip().partition(" ")
                return "".join(said), int(code), what
            said.append(line)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()
        self._reader.join(5)
        assert self._bash.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._bash.stdin.close()
