"""The certificates of the channel: files that are looked at again, so that renewed ones serve the next connection.

Rules
1. New files are taken whole: certificate, key and authorities that can be read, belong together and are in force. Until
   they are, as in the middle of being replaced, the last good ones go on, and `problem` says why.
2. `problem` tells of an end that is near, too.
"""

from __future__ import annotations

import datetime
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

SOON = datetime.timedelta(days=7)
MOST = 1024 * 1024  # bytes of a file
PREFIX = "config.sync.tls"


class Pem(NamedTuple):
    """What is shown, its key, and whom to believe."""

    certificate: bytes
    key: bytes
    ca: bytes


@dataclass(slots=True)
class ChannelFiles:
    """PEM files. `held` is what was read last and is good; None until `look`, which tells each problem once. Any thread
    may use it."""

    certificate: Path
    key: Path
    ca: Path
    tell: Callable[[str], None] = lambda _: None
    held: Pem | None = None
    ends: datetime.datetime | None = None  # the first of them
    wrong: str = ""  # with the files as they are
    _seen: tuple[object, ...] = ()
    _told: str = ""
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def look(self) -> Pem | None:
        """What is to be used from now on: the files, if they are good. None without any that ever were."""
        with self._looking:
            seen = self._stamp()
            if seen != self._seen or self.wrong:
                self._seen = seen
                try:
                    self.held, self.ends = self._read()
                    self.wrong = ""
                except (OSError, ValueError, UnsupportedAlgorithm) as problem:
                    self.wrong = str(problem)
            told, self._told = self._told, self.problem
            if self._told and self._told != told:
                self.tell(self._told)
            return self.held

    def examined(self) -> list[str]:
        """Look, and say what is wrong."""
        self.look()
        return [problem] if (problem := self.problem) else []

    @property
    def problem(self) -> str:
        """Of the files, and of what is in use; empty when all is well."""
        now = datetime.datetime.now(datetime.UTC)
        if self.wrong:
            return f"{PREFIX}: {self.wrong}{'; those that were read last go on' if self.held is not None else ''}"
        if self.ends is not None and self.ends - now < SOON:
            return f"{PREFIX}: a certificate {'ended' if self.ends < now else 'ends'} at {self.ends:%Y-%m-%d %H:%M} UTC"
        return ""

    def _stamp(self) -> tuple[object, ...]:
        stamps: list[object] = []
        for file in (self.certificate, self.key, self.ca):
            try:
                found = os.stat(file)
                stamps.append((found.st_mtime_ns, found.st_ino, found.st_size))
            except OSError:
                stamps.append(None)
        return tuple(stamps)

    def _read(self) -> tuple[Pem, datetime.datetime]:
        """Raises OSError, ValueError, UnsupportedAlgorithm."""
        pem = Pem(*(_content(file) for file in (self.certificate, self.key, self.ca)))
        shown, believed = _certificates(pem.certificate, self.certificate), _certificates(pem.ca, self.ca)
        try:
            key = load_pem_private_key(pem.key, None)
        except (ValueError, TypeError) as wrong:  # a key with a password is a TypeError
            raise ValueError(f"{self.key} holds no private key in PEM form without a password") from wrong
        kind = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*kind) != shown[0].public_key().public_bytes(*kind):
            raise ValueError(f"{self.key} is not the key of {self.certificate}")
        now = datetime.datetime.now(datetime.UTC)
        if shown[0].not_valid_after_utc < now:
            raise ValueError(f"{self.certificate} ended at {shown[0].not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        if (begins := shown[0].not_valid_before_utc) > now and self.held is not None:
            raise ValueError(f"{self.certificate} is good from {begins:%Y-%m-%d %H:%M} UTC on")
        return pem, min(each.not_valid_after_utc for each in (shown[0], *believed))


class SecuredChannel:
    """A client's channel, made anew when the certificates are new. For one thread, which has ended its calls when it
    dials again."""

    def __init__(self, endpoint: str, files: ChannelFiles, options: Sequence[tuple[str, int]]) -> None:
        self._endpoint, self._files, self._options = endpoint, files, options
        self._shown: Pem | None = None
        self._channel: grpc.Channel | None = None

    def dial(self) -> grpc.Channel:
        """Raises ConnectionError while there are no certificates that could be shown."""
        pem = self._files.look()
        if pem is None:
            raise ConnectionError(self._files.problem)
        if self._channel is None or pem != self._shown:
            self.close()
            credentials = grpc.ssl_channel_credentials(pem.ca, pem.key, pem.certificate)
            self._shown, self._channel = pem, grpc.secure_channel(self._endpoint, credentials, options=self._options)
        return self._channel

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(MOST + 1)
    if len(content) > MOST:
        raise ValueError(f"{file} is larger than {MOST} bytes")
    return content


def _certificates(content: bytes, file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as wrong:
        raise ValueError(f"{file} holds no certificate in PEM form") from wrong
