"""The agent's life, in the order it happens: restore, serve, poll, persist, publish, heartbeat, pass traces and
counters on.

Rules
1. What the backup holds is served before the plane is asked for anything.
2. Nothing the plane does, and nothing it fails to do, takes a configuration away: it is replaced by a whole, checked
   one or it stays, for as long as it takes.
3. A version is persisted before it is published. When it cannot be (no space, a dead disk, another agent holds the
   volume), it is published all the same, and the heartbeat says so.
4. One thing at a time: one poll, one save, one heartbeat, one batch of traces, one of counters in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from syncagent import feed as feeds
from syncagent.backup import Backup
from syncagent.backup_keys import KeysUnavailable
from syncagent.credential import Credential
from syncagent.errors import CallFailed
from syncagent.hub import Hub
from syncagent.log import Log
from syncagent.quota_journal import QuotaJournal, keep, restore
from syncagent.quotas import Name, Total
from syncagent.report import heartbeat
from syncagent.saving import NO_BACKUP, Saving
from syncagent.settings import Settings
from syncagent.snapshot import Snapshot
from syncagent.source import Plane
from telemetry.memory import give_back_forever

CREDENTIAL_CHECK = 2.0
SAVE_SPACING = 1.0
PUBLISH_SPACING = 0.5
URGENT_HEARTBEAT = 5.0
BUG_PAUSE = 5.0
TRACE_PAUSE, MAX_TRACE_PAUSE = 1.0, 30.0
COUNTERS_INTERVAL, MAX_COUNTERS_PAUSE, LAST_COUNTERS = 5.0, 60.0, 2.0
QUOTAS_SAVED_EVERY = 0.5
NEAR_EXPIRY = 7 * 86_400
COMPLAINT_SPACING = 60.0  # seconds before the log has the same failure again; beside it only at the level debug


class Agent:
    """`wake` tells the server that the hub may have something to send."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential,
        backup: Backup | None,
        hub: Hub,
        log: Log,
        software_version: Callable[[], str],
        journal: QuotaJournal | None = None,
    ) -> None:
        self._settings, self._credential, self._backup = settings, credential, backup
        self._hub, self._log, self._software_version = hub, log, software_version
        self._journal = journal
        self._held: Snapshot | None = None
        self._source = settings.source
        self._started = time.time()
        self._confirmed = 0.0
        self._last_error = ""
        self._problems: dict[str, str] = {}
        self._failures = self._strained = 0
        self._tried = ""
        self._complaint = ("", 0.0)  # what was said last of a failed poll, and when
        self.channel_problem: Callable[[], str] = str  # what is wrong with the certificates that sidecars are shown
        self._fresh = asyncio.Event()
        self._saving = Saving(backup, self._problems, log)

    def restore(self) -> None:
        """Take what the backup has. Never raises; what was wrong is said in the log and in the heartbeat."""
        if self._backup is None:
            return
        if self._journal is not None and (wrong := restore(self._journal, self._hub.quotas)):
            self._problems["QuotasUnusable"] = wrong
            self._log.error("QuotasUnusable", wrong)
        try:
            restored = self._backup.restore()
        except KeysUnavailable as error:
            self._problems[NO_BACKUP] = str(error)
            self._log.warn("LocalBackupLocationNotFound", str(error))
            return
        for complaint in restored.complaints:
            self._log.error("LocalBackupUnusable", complaint)
        if restored.complaints:
            self._problems["BackupUnusable"] = "at start: " + "; ".join(restored.complaints)
        snapshot = restored.snapshot
        if snapshot is None:
            self._log.warn(
                "LocalBackupNotFound", f"there is no usable backup; not ready until the {self._source} is read"
            )
            return
        self._held, self._source, self._confirmed = snapshot, "backup", restored.saved
        self._hub.publish(snapshot)
        self._log.info(
            "LocalBackupRestored",
            f"serving version {snapshot.cursor} from backup {restored.generation}",
            dataset=snapshot.dataset,
            cursor=snapshot.cursor,
            resources=len(snapshot.resources),
            age=max(round(time.time() - restored.saved), 0),
        )
        if not restored.present:
            self._log.info(
                "LocalBackupKeyRotated", "it was read with a former key; the next save is with the present one"
            )

    async def run(self, plane: Plane, wake: Callable[[], None]) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._unending(lambda: self._poll_forever(plane)))
            tasks.create_task(self._unending(lambda: self._publish_forever(wake)))
            tasks.create_task(self._unending(lambda: self._heartbeat_forever(plane)))
            tasks.create_task(self._unending(lambda: self._traces_forever(plane)))
            tasks.create_task(self._unending(lambda: self._counters_forever(plane)))
            tasks.create_task(self._unending(self._quotas_forever))
            tasks.create_task(self._unending(give_back_forever))

    async def _unending(self, loop: Callable[[], Coroutine[None, None, None]]) -> None:
        """A bug in one loop must end neither the others nor the serving."""
        while True:
            try:
                await loop()
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                self._last_error = f"a bug: {type(error).__name__} in {place.name}, line {place.lineno}"
                self._log.error("AgentBug", f"{self._last_error}; trying on", file=os.path.basename(place.filename))
                await asyncio.sleep(BUG_PAUSE)

    async def close(self) -> None:
        """Waits for a save in flight: a generation begun is a generation written."""
        await self._saving.finish(self._save_quotas())
        if self._backup is not None:
            self._backup.close()

    def facts(self) -> dict[str, Any]:
        """For `/ready`. `age` is seconds since the plane last confirmed what is held."""
        held = self._held
        return {
            "ready": self._hub.current is not None,
            "dataset": held.dataset if held else None,
            "cursor": held.cursor if held else None,
            "source": self._source if held else None,
            "age": round(max(time.time() - self._confirmed, 0.0), 1) if held else None,
            "sidecars": sum(each.connected for each in self._hub.sidecars.values()),
            "lastError": self._last_error or None,
            "issues": self._problems,
        }

    # Poll

    async def _poll_forever(self, plane: Plane) -> None:
        while True:
            delay = await self._poll(plane)
            if self._held is not None:
                # Also when nothing changed or the plane is away: an earlier save may have failed.
                self._fresh.set()
            await self._rest(delay)

    async def _poll(self, plane: Plane) -> float:
        """One poll; answers the seconds to wait before the next."""
        self._credential.refresh()
        self._tried = self._credential.token
        try:
            await self._fetch(plane)
        except CallFailed as failure:
            return self._failed(failure)
        except feeds.FeedError as error:
            self._refuse(error)
            return self._failed(CallFailed(f"the {self._settings.source}'s configuration is refused: {error}"))
        if self._failures:
            self._log.info(
                "ConfigurationApiRecovered", f"the {self._settings.source} answers again", failures=self._failures
            )
        self._failures = self._strained = 0
        self._last_error, self._confirmed = "", time.time()
        self._hub.confirmed_at = self._confirmed
        for code in ("FeedRefused", "ConfigurationShrunk", "PlaneRefuses"):
            self._problems.pop(code, None)
        self._check_expiry()
        # Less than an interval, so that a change is fetched, saved and live within one; uneven, to spread agents. What
        # changed in a folder has still to be checked here, and to look at it costs nobody anything.
        share = random.uniform(0.8, 0.9) if self._settings.directory is None else 0.5  # noqa: S311 - not a secret
        return self._settings.poll_interval * share

    async def _fetch(self, plane: Plane) -> None:
        held = self._held
        self._log.debug("GettingEventsFromApi", "asking for changes", cursor=held.cursor if held else None)
        feed = await plane.events(held)
        try:
            new = feeds.advance(held, feed)
        except feeds.WholeWanted as error:
            self._log.warn("ConfigurationMismatch", f"{error}; asking for the whole")
            feed = await plane.events(None)
            new = feeds.advance(held, feed)
        self._held, self._source, self._hub.confirmed = new, self._settings.source, True
        if held is not None and held.content == new.content:
            self._log.debug("NoNewEvents", "nothing changed", cursor=new.cursor)
        else:
            self._log.info(
                "ConfigurationReceived",
                f"version {new.cursor} ({feed.kind})",
                dataset=new.dataset,
                cursor=new.cursor,
                changes=len(feed.operations),
                resources=len(new.resources),
            )

    def _refuse(self, error: feeds.FeedError) -> None:
        """The alarm; of a configuration that shrank it says how to take it."""
        if isinstance(error, feeds.Shrunk):
            settings = self._settings
            text = f"the {settings.source} offers {error}; the last good one stays. {settings.how_to_accept}"
            code, over = "ConfigurationShrunk", "FeedRefused"
        else:
            code, over, text = "FeedRefused", "ConfigurationShrunk", str(error)
        if self._problems.get(code) != text:
            self._log.error(code, text)
        self._problems[code] = text
        self._problems.pop(over, None)

    def _failed(self, failure: CallFailed) -> float:
        self._failures += 1
        self._last_error = str(failure)
        self._credential.reload()
        if failure.refused:
            self._problems["PlaneRefuses"] = str(failure)
        event = "ConfigSyncFailed" if self._held is not None else "ConfigInitialSyncFailed"
        serving = f"; version {self._held.cursor} stays in force" if self._held else "; not ready, no configuration"
        message, now = f"{failure}{serving}", time.monotonic()
        news = message != self._complaint[0] or now - self._complaint[1] >= COMPLAINT_SPACING
        self._complaint = (message, now) if news else self._complaint
        (self._log.error if news else self._log.debug)(event, message, failures=self._failures)
        return max(self._backoff(failure.answered), failure.retry_after or 0.0)

    def _backoff(self, answered: bool) -> float:
        """Seconds. A plane that cannot be reached is not hurt by being asked: what it has arrives within one poll."""
        interval = self._settings.poll_interval
        self._strained = self._strained + 1 if answered else 0
        ceiling = min(self._settings.max_backoff, interval * (2 ** min(self._strained, 10) if answered else 0.8))
        return max(random.uniform(0, ceiling), min(interval, 1.0))  # noqa: S311 - not a secret

    async def _rest(self, seconds: float) -> None:
        """Wait; a new token in the file ends the wait of a failed poll."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._credential.refresh()
            self._check_channel()
            if self._failures and self._credential.token != self._tried:
                self._log.info("GatewayTokenReplaced", "the token file changed; trying again")
                return
            await asyncio.sleep(min(left, CREDENTIAL_CHECK))

    def _check_expiry(self) -> None:
        expires = self._credential.expires
        left = expires.timestamp() - time.time() if expires is not None else NEAR_EXPIRY
        if left >= NEAR_EXPIRY:
            self._problems.pop("GatewayTokenNearExpiry", None)
        elif "GatewayTokenNearExpiry" not in self._problems:
            message = f"the gateway token expires at {expires:%Y-%m-%d %H:%M} UTC; generate a new one"
            self._problems["GatewayTokenNearExpiry"] = message
            self._log.warn("GatewayTokenNearExpiry", message)

    def _check_channel(self) -> None:
        text = self.channel_problem()
        if not text:
            self._problems.pop("SyncCertificate", None)
        elif self._problems.get("SyncCertificate") != text:
            self._problems["SyncCertificate"] = text
            self._log.warn("SyncCertificate", text)

    # Persist and publish

    async def _publish_forever(self, wake: Callable[[], None]) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            newest, published = self._held, self._hub.current
            if newest is None:
                continue
            wrote = await self._persist(newest)
            self._hub.publish(newest)
            wake()
            if wrote or published is None or published.content != newest.content:
                await asyncio.sleep(SAVE_SPACING if self._backup is not None else PUBLISH_SPACING)

    async def _persist(self, snapshot: Snapshot) -> bool:
        """Whether a generation was written. Never raises."""
        if not self._saving.busy:
            return await self._saving.save(snapshot)
        self._fresh.set()
        await asyncio.sleep(PUBLISH_SPACING)
        return False

    async def _quotas_forever(self) -> None:
        while True:
            await asyncio.sleep(QUOTAS_SAVED_EVERY)
            await self._save_quotas()

    async def _save_quotas(self) -> None:
        """Behind a save of the configuration in flight. Never raises."""
        problem = await keep(self._journal, self._hub.quotas, self._saving.thread)
        if problem:
            self._saving.failed("QuotasNotSaved", problem)
        elif problem is not None:
            self._problems.pop("QuotasNotSaved", None)

    # Heartbeat

    async def _heartbeat_forever(self, plane: Plane) -> None:
        interval = self._settings.heartbeat_interval
        urgent = min(URGENT_HEARTBEAT, interval)
        told: object = None
        due = time.monotonic() + min(1.0, interval)
        earliest = due
        while True:
            await asyncio.sleep(max(min(0.5, due - time.monotonic()), 0.05))
            now, news = time.monotonic(), self._news()
            if now < due and (news == told or now < earliest):
                continue
            told = news
            await self._heartbeat(plane)
            due, earliest = time.monotonic() + interval, time.monotonic() + urgent

    def _news(self) -> object:
        """What should not wait for the next regular heartbeat when it changes."""
        held = self._held
        return (self._hub.revision, tuple(self._problems.items()), held.content if held else None)

    async def _heartbeat(self, plane: Plane) -> None:
        report = heartbeat(
            instance_id=self._settings.instance_id,
            software_version=self._software_version(),
            started=self._started,
            source=self._source,
            held=self._held,
            hub=self._hub,
            problems=self._problems,
        )
        self._log.debug("SendingHeartbeat", f"with {len(report['sidecars'])} sidecars")
        try:
            await plane.heartbeat(report)
        except CallFailed as failure:
            self._credential.reload()
            self._log.warn("HeartbeatFailed", str(failure))
        else:
            self._log.debug("HeartbeatSent", "the plane knows")

    # Traces

    async def _traces_forever(self, plane: Plane) -> None:
        """Each trace as soon as it comes: somebody waits for it at the plane."""
        traces, pause = self._hub.traces, TRACE_PAUSE
        while True:
            await traces.wait()
            batch = traces.take()
            try:
                await plane.traces(batch)
            except CallFailed as failure:
                if failure.refused:
                    self._log.warn("TracesRefused", f"{len(batch)} traces are dropped: {failure}")
                    continue
                traces.give_back(batch)
                self._log.warn("TracesFailed", f"{failure}; trying again in {pause:.0f} s")
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_TRACE_PAUSE)
            else:
                pause = TRACE_PAUSE

    # Counters

    async def _counters_forever(self, plane: Plane) -> None:
        interval = pause = min(COUNTERS_INTERVAL, self._settings.poll_interval)
        while True:
            await asyncio.sleep(pause)
            try:
                while await self._tell_counters(plane):
                    pass
                pause = interval
            except CallFailed as failure:
                pause = min(pause * 2, MAX_COUNTERS_PAUSE)
                self._log.warn("CountersFailed", f"{failure}; they are kept, trying again in {pause:.0f} s")

    async def _tell_counters(self, plane: Plane) -> bool:
        """One call; whether more waits. Raises CallFailed."""
        figures, quotas = self._hub.figures, self._hub.quotas
        if not figures and not quotas:
            return False
        batch = figures.batch()
        new, counted, confirmed = quotas.for_plane()
        told = {"new": new, "counters": [[*name, *total] for name, total in counted], "confirmed": confirmed}
        report = {"instanceId": self._settings.instance_id, "figures": batch, "quotas": told}
        try:
            answer = await plane.counters(report)
        except CallFailed as failure:
            if not failure.unfit:
                quotas.not_told(counted, confirmed)
                raise
            self._log.error("CountersRefused", f"{failure}; they are dropped")
        else:
            quotas.told_plane()
            self._obey(answer)
        figures.taken()
        return bool(figures) or quotas.more

    def _obey(self, answer: dict[str, Any]) -> None:
        """Set the quota counters that the plane names."""
        for each in answer.get("quotas", []):
            try:
                key, start, period, window, calls, size = each["counter"]
                name, total = Name(str(key), float(start), int(period)), Total(int(window), int(calls), int(size))
                calls_set, size_set = (None if it is None else int(it) for it in each.get("set", (None, None)))
                self._hub.quotas.obey(str(each["id"]), name, total, (calls_set, size_set))
            except (TypeError, ValueError, LookupError):
                self._log.warn("CountersUnreadable", "the plane sets a quota counter that is none")

    async def tell_last_counters(self, plane: Plane) -> None:
        """At the end: what is not told now is lost."""
        with contextlib.suppress(CallFailed, TimeoutError):
            async with asyncio.timeout(LAST_COUNTERS):
                while await self._tell_counters(plane):
                    pass
