"""Saving a version before it is published, as long as a disk deserves.

Rules
1. One save at a time, in a thread of its own. What takes longer than our patience goes on, and the version is published
   all the same: serving beats persisting.
2. Nothing here raises. What is wrong stands among the agent's problems, which the heartbeat tells, until a save works.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

from syncagent.backup import Backup, ReadOnlyBackup
from syncagent.backup_keys import KeysUnavailable
from syncagent.log import Log
from syncagent.snapshot import Snapshot

# Seconds that a change waits for the disk before it is published all the same, and more for each resource: a change has
# to be in force within a poll and two seconds, on a slow disk too.
PATIENCE, PATIENCE_EACH = 2.0, 0.0002
LAST_PATIENCE = 10.0
FAILED, READ_ONLY, NO_BACKUP = "BackupFailed", "BackupReadOnly", "BackupLocationNotFound"


class Saving:
    """`problems` are the agent's, by code. Without a backup nothing is saved."""

    def __init__(self, backup: Backup | None, problems: dict[str, str], log: Log) -> None:
        self._backup, self._problems, self._log = backup, problems, log
        self._flight: asyncio.Future[bool] | None = None
        self.thread = ThreadPoolExecutor(1, "backup")

    @property
    def busy(self) -> bool:
        """A save that outlived our patience is still under way."""
        return self._flight is not None and not self._flight.done()

    async def save(self, snapshot: Snapshot) -> bool:
        """Whether a generation was written."""
        if self._backup is None:
            return False
        patience = PATIENCE + len(snapshot.resources) * PATIENCE_EACH
        self._flight = asyncio.get_running_loop().run_in_executor(self.thread, self._backup.save, snapshot)
        # One that outlives our patience is looked at by nobody; its failure must not be noise.
        self._flight.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            wrote = await asyncio.wait_for(asyncio.shield(self._flight), patience)
        except TimeoutError:
            self.failed(FAILED, f"the backup takes longer than {patience:.0f} s to write")
        except ReadOnlyBackup as error:
            self.failed(READ_ONLY, str(error))
        except KeysUnavailable as error:
            self.failed(NO_BACKUP, str(error))
        except Exception as error:
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            self.failed(FAILED, f"the backup cannot be written: {reason}")
        else:
            if wrote:
                self._log.debug("LocalBackupSaved", f"version {snapshot.cursor} is on disk")
            for code in (FAILED, READ_ONLY, NO_BACKUP):
                self._problems.pop(code, None)
            return wrote
        return False

    def failed(self, code: str, message: str) -> None:
        if self._problems.get(code) != message:
            self._log.warn("LocalBackupFailed", f"{message}; serving goes on without it")
        self._problems[code] = message

    async def finish(self, last: Coroutine[None, None, None]) -> None:
        """Wait for a save in flight (a generation begun is a generation written), then for `last`."""
        if self._flight is not None and self.busy:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._flight, LAST_PATIENCE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(last, LAST_PATIENCE)
        self.thread.shutdown(wait=False)
