"""The gateway token: `{gateway id}&{yyyyMMddHHmm}&{signature}`, given as text or as a file that may be replaced.

The text may begin with `GatewayKey `; what is kept does not. It is never written to a log.
"""

from __future__ import annotations

import datetime
from pathlib import Path

PREFIX = "GatewayKey "


class Credential:
    """Reads the file again when it changed. A file that cannot be read keeps the last token."""

    def __init__(self, text: str, file: Path | None) -> None:
        self._token = _bare(text)
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self.refresh()

    @property
    def token(self) -> str:
        """Empty when none was ever given."""
        return self._token

    @property
    def gateway_id(self) -> str:
        return self._token.partition("&")[0] if "&" in self._token else ""

    @property
    def expires(self) -> datetime.datetime | None:
        """When the token says it ends; None when it does not say it in a known form."""
        parts = self._token.split("&")
        try:
            return datetime.datetime.strptime(parts[1], "%Y%m%d%H%M").replace(tzinfo=datetime.UTC)
        except (IndexError, ValueError):
            return None

    def refresh(self) -> bool:
        """Read the file again if it changed; true when the token is another one now."""
        if self._file is None:
            return False
        try:
            status = self._file.stat()
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen == self._seen:
                return False
            token = _bare(self._file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return False
        self._seen = seen
        if not token or token == self._token:
            return False
        self._token = token
        return True

    def reload(self) -> bool:
        """As `refresh`, even when the file looks unchanged (its time may be coarse)."""
        self._seen = None
        return self.refresh()


def _bare(text: str) -> str:
    text = text.strip()
    return text.removeprefix(PREFIX).strip()
