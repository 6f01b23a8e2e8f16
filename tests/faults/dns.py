"""A name server of the tests, and processes that ask no other one.

    with Names() as names:
        names.set("backend.faults.test", "127.0.0.2")
        house.again([names.believed_by(process)])

It listens on an address of loopback. A process believes it because it has a mount namespace of its own, in which
another file stands where /etc/resolv.conf was; nothing else on the machine notices.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.house import Process
from tests.faults.row import NotHere

ADDRESS = "127.37.37.53"
RESOLV = "/etc/resolv.conf"
NXDOMAIN, SERVFAIL, SILENCE = "NXDOMAIN", "SERVFAIL", "silence"
_CODES = {NXDOMAIN: 3, SERVFAIL: 2}
_A, _IN = 1, 1
_STEP_IN = (
    "import os, subprocess, sys; mount, file, place, *then = sys.argv[1:]; "
    "subprocess.run([mount, '--bind', file, place], check=True); os.execv(then[0], then)"
)


@dataclass(frozen=True)
class Answer:
    """`addresses` of IPv4, unless it is `failure`; after `delay` seconds."""

    addresses: tuple[str, ...] = ()
    failure: str = ""
    delay: float = 0.0


class Names:
    """A context manager. Raises NotHere where none can be had."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._answers: dict[str, Answer] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._directory = tempfile.TemporaryDirectory(prefix="n")
        self._file = Path(self._directory.name, "resolv.conf")

    def __enter__(self) -> Names:
        try:
            self._socket.bind((ADDRESS, 53))
        except OSError as error:
            self._socket.close()
            self._directory.cleanup()
            raise NotHere(f"no name server can listen on {ADDRESS}: {error.strerror}") from None
        self._file.write_text(f"nameserver {ADDRESS}\n")
        self._file.chmod(0o644)
        os.chmod(self._directory.name, 0o755)
        threading.Thread(target=self._serve, name="dns", daemon=True).start()
        try:
            self._try()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._directory.cleanup()

    def set(self, name: str, *addresses: str, failure: str = "", delay: float = 0.0) -> None:
        """What is answered from now on."""
        self._answers[name] = Answer(addresses, failure, delay)

    def believed_by(self, process: Process, **settings: str) -> Process:
        """The same process, to be started again: it asks here. An empty setting is left out."""
        environment = {**process.environment, **settings}
        environment = {name: text for name, text in environment.items() if text or name not in settings}
        return Process(process.pid, [*self._step_in(), *process.argv], environment, process.cwd)

    def _step_in(self) -> list[str]:
        unshare, mount = shutil.which("unshare"), shutil.which("mount")
        if unshare is None or mount is None:
            raise NotHere("there is no unshare or mount here")
        # no shell: it would drop variables with dots in their names
        return [unshare, "--mount", "--", sys.executable, "-IS", "-c", _STEP_IN, mount, str(self._file), RESOLV]

    def _try(self) -> None:
        """Whether a process can be made to ask here."""
        self.set("here.faults.test", "127.0.0.9")
        tried = subprocess.run(
            [*self._step_in(), shutil.which("getent") or "getent", "ahostsv4", "here.faults.test"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        if not tried.stdout.startswith("127.0.0.9"):
            raise NotHere(f"{RESOLV} cannot be another one for one process: {tried.stderr.strip() or 'nobody asked'}")

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while len((received := self._socket.recvfrom(4096))[0]) > 16:
                question, client = received
                name, kind, end = _read(question)
                self.asked[name] += 1
                answer = self._answers.get(name, Answer(failure=NXDOMAIN))
                if answer.failure == SILENCE:
                    continue
                reply = _reply(question[:end], kind, answer)
                if answer.delay:
                    threading.Timer(answer.delay, self._send, (reply, client)).start()
                else:
                    self._send(reply, client)

    def _send(self, reply: bytes, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(reply, client)


def _read(question: bytes) -> tuple[str, int, int]:
    """Name, type, and where the question ends; RFC 1035 section 4.1."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += 1 + length
    return ".".join(labels), struct.unpack_from(">H", question, at + 1)[0], at + 5


def _reply(question: bytes, kind: int, answer: Answer) -> bytes:
    addresses = answer.addresses if kind == _A and not answer.failure else ()
    flags = 0x8180 | _CODES.get(answer.failure, 0)
    head = question[:2] + struct.pack(">HHHHH", flags, 1, len(addresses), 0, 0)
    records = (b"\xc0\x0c" + struct.pack(">HHIH", _A, _IN, 1, 4) + socket.inet_aton(address) for address in addresses)
    return head + question[12:] + b"".join(records)
