"""Files and directories that processes need, and certificates in them."""

from __future__ import annotations

import datetime
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from passerelle.doctor.finding import Finding, good, warning, wrong
from proto.certificates import ChannelFiles

LITTLE_SPACE = 200 * 1024 * 1024  # bytes
SOON = 14  # days


def private(path: Path, what: str) -> Iterator[Finding]:
    """A file that only its owner may read."""
    try:
        status = path.stat()
    except OSError as problem:
        yield wrong(f"{what} {path} cannot be read: {problem.strerror}", "make the file, or name another one")
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        yield warning(f"{what} {path} may be read by others ({stat.filemode(status.st_mode)})", f"chmod 600 {path}")
    elif status.st_size == 0:
        yield wrong(f"{what} {path} is empty", "write the secret into it")
    elif not os.access(path, os.R_OK):
        yield wrong(f"{what} {path} may not be read by this user", f"chown it to uid {os.geteuid()}")


def writable(path: Path, what: str) -> Iterator[Finding]:
    """A directory with room in it."""
    if not path.is_dir():
        yield wrong(f"{what} {path} is no directory", "mount the volume there, or make the directory with mode 0700")
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield wrong(f"{what} {path} may not be written to by uid {os.geteuid()}", f"chown it to uid {os.geteuid()}")
        return
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        yield wrong(f"{what} {path} is mounted read-only", "mount it read-write")
        return
    free = shutil.disk_usage(path).free
    if free < LITTLE_SPACE:
        yield warning(f"{what} {path} has {free / 1024**2:.0f} MiB left", "make room, or enlarge the volume")
    else:
        yield good(f"{what} {path} may be written to, {free / 1024**3:.1f} GiB free")


def channel(shown: Path, key: Path, ca: Path) -> Iterator[Finding]:
    """Certificate, key and authority of the channel between agent and sidecars."""
    together = ChannelFiles(shown, key, ca)
    yield from private(key, "the key of config.sync.tls")
    if together.look() is None:
        remedy = "a certificate, its key and its authority, all PEM; new files are taken without a restart"
        yield wrong(f"config.sync.tls cannot be used: {together.wrong}", remedy)
        return
    yield from certificate(shown, "the certificate of config.sync.tls")
    yield from certificate(ca, "the authority of config.sync.tls")


def certificate(path: Path, what: str) -> Iterator[Finding]:
    """A PEM file: is each certificate in it valid now, and for how long?"""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as problem:
        yield wrong(f"{what} {path} cannot be read: {problem.strerror}", "put the PEM file there")
        return
    except ValueError:
        yield wrong(f"{what} {path} holds no certificate in PEM form", "it begins with -----BEGIN CERTIFICATE-----")
        return
    now = datetime.datetime.now(datetime.UTC)
    ends = min(each.not_valid_after_utc for each in found)
    left = (ends - now).days
    if ends < now:
        yield wrong(f"{what} {path} expired on {ends:%Y-%m-%d}", "renew it; the new file is taken without a restart")
    elif max(each.not_valid_before_utc for each in found) > now:
        yield wrong(f"{what} {path} is not valid yet", "look at the clock of this machine")
    elif left < SOON:
        yield warning(f"{what} {path} expires on {ends:%Y-%m-%d}, in {left} days", "renew it")
    else:
        yield good(f"{what} {path} is valid until {ends:%Y-%m-%d}")
