"""The sidecar's end of the contract: what it takes, what it refuses, what it says."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proto import config_sync_pb2
from proxy import sync
from proxy.adapters.figures import WaitingFigures
from proxy.config import snapshot
from proxy.config.resources import Resource, ResourceIssue, checked
from proxy.sync import SyncThread
from tests.proxy_sync.agent import ScriptedAgent, resource

Nack = config_sync_pb2.Nack


class Applied:
    """What was handed over; `issues` is what `apply` answers, `bug` what it raises."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, bool, list[Resource], list[str]]] = []
        self.issues: list[ResourceIssue] = []
        self.bug: Exception | None = None

    def __call__(self, *call: Any) -> list[ResourceIssue]:
        self.calls.append(call)
        if self.bug is not None:
            raise self.bug
        return self.issues


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[ScriptedAgent]:
    agent = ScriptedAgent(str(tmp_path / "a.sock"))
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture
def applied() -> Applied:
    return Applied()


@pytest.fixture
def thread(agent: ScriptedAgent, applied: Applied) -> Iterator[SyncThread]:
    thread = SyncThread(agent.endpoint, "sidecar-1", "0.1.0", "shh", applied, lambda: (10, 3, 1700000000.0))
    thread.start()
    yield thread
    thread.stop()


def until(check: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def whole(agent: ScriptedAgent, version: int = 5, nonce: str = "n1") -> None:
    agent.say(nonce=nonce, dataset="d", version=version, full=True, last=True, upserts=[resource("/a", b'{"x":1}')])


def test_hello_and_status(agent: ScriptedAgent, thread: SyncThread) -> None:
    hello = agent.hear().hello
    assert (hello.sidecar_id, hello.software_version, hello.token) == ("sidecar-1", "0.1.0", "shh")
    assert (hello.held_dataset, hello.held_version) == ("", 0)
    until(lambda: agent.statuses)
    assert (agent.statuses[0].requests, agent.statuses[0].failures, agent.statuses[0].started) == (10, 3, 1700000000.0)


def test_frames_are_applied_together_and_acknowledged_with_issues(
    agent: ScriptedAgent, thread: SyncThread, applied: Applied
) -> None:
    agent.hear()
    applied.issues = [ResourceIssue("/a", 4, 7, "set-header", "no name")]
    agent.say(nonce="n1", dataset="d", version=5, full=True, upserts=[resource("/a", b'{"x":1}')])
    agent.say(nonce="n1", dataset="d", version=5, full=True, removals=["/z"])
    agent.say(nonce="n1", dataset="d", version=5, full=True, upserts=[resource("/b", b"{}")], last=True)
    ack = agent.hear().ack
    assert (ack.nonce, ack.dataset, ack.version) == ("n1", "d", 5)
    issue = ack.issues[0]
    assert (issue.resource_id, issue.line, issue.column, issue.element, issue.message) == (
        "/a",
        4,
        7,
        "set-header",
        "no name",
    )
    (dataset, version, full, upserts, removals) = applied.calls[0]
    assert (dataset, version, full, removals) == ("d", 5, True, ["/z"])
    assert [(each.id, each.body) for each in upserts] == [("/a", {"x": 1}), ("/b", {})]
    assert upserts[0].digest == resource("/a", b'{"x":1}').digest.hex()


def test_nothing_of_half_a_diff_is_applied(agent: ScriptedAgent, thread: SyncThread, applied: Applied) -> None:
    agent.hear()
    agent.say(nonce="n1", dataset="d", version=4, full=True, upserts=[resource("/lost", b"{}")])
    agent.hang_up()
    assert agent.hear().hello.held_dataset == ""
    whole(agent)
    assert agent.hear().ack.version == 5
    assert [[each.id for each in call[3]] for call in applied.calls] == [["/a"]]


def test_another_nonce_drops_the_frames_before(agent: ScriptedAgent, thread: SyncThread, applied: Applied) -> None:
    agent.hear()
    agent.say(nonce="n0", dataset="d", version=4, full=True, upserts=[resource("/lost", b"{}")], removals=["/q"])
    whole(agent)
    assert agent.hear().ack.nonce == "n1"
    assert ([each.id for each in applied.calls[0][3]], applied.calls[0][4]) == (["/a"], [])


def test_a_wrong_base_is_refused_and_the_stream_goes_on(
    agent: ScriptedAgent, thread: SyncThread, applied: Applied
) -> None:
    agent.hear()
    whole(agent)
    agent.hear()
    agent.say(nonce="n2", dataset="d", base_version=4, version=6, last=True)
    nack = agent.hear().nack
    assert (nack.nonce, nack.reason, nack.held_dataset, nack.held_version) == ("n2", Nack.WRONG_BASE, "d", 5)
    agent.say(nonce="n3", dataset="other", base_version=5, version=6, last=True)
    assert agent.hear().nack.reason == Nack.WRONG_BASE
    agent.say(nonce="n4", dataset="d", base_version=5, version=6, last=True, removals=["/a"])
    assert agent.hear().ack.version == 6
    assert len(applied.calls) == 2


def test_a_wrong_digest_is_refused(agent: ScriptedAgent, thread: SyncThread, applied: Applied) -> None:
    agent.hear()
    bad = resource("/a", b"{}", digest=b"\0" * 32)
    agent.say(nonce="n1", dataset="d", version=5, full=True, last=True, upserts=[resource("/b", b"{}"), bad])
    nack = agent.hear().nack
    assert nack.reason == Nack.CORRUPT
    assert "/a" in nack.detail
    assert applied.calls == []


@pytest.mark.parametrize(
    ("diff", "reason"),
    [
        ({"full": True}, "SHRUNK"),
        ({"full": True, "upserts": [resource("/apis/0", b"{}")]}, "SHRUNK"),
        ({"base_version": 5, "removals": ["/apis/0", "/apis/1"]}, "SHRUNK"),
        ({"full": True, "version": 5, "complete": True, "upserts": [resource("/apis/0", b"{}")]}, "SHRUNK"),
        ({"full": True, "version": 4, "complete": True, "upserts": [resource("/apis/0", b"{}")]}, "GOES_BACK"),
        ({"full": True, "complete": True}, ""),
        ({"base_version": 5, "removals": ["/apis/0"]}, ""),
        ({"base_version": 5, "removals": ["/apis/0", "/apis/1"], "complete": True}, ""),
        ({"full": True, "dataset": "e", "version": 4, "complete": True}, ""),
    ],
)
def test_an_agent_in_trouble_takes_nothing_away(
    agent: ScriptedAgent, applied: Applied, diff: dict[str, Any], reason: str
) -> None:
    held: dict[str, Resource] = {}

    def apply(dataset: str, version: int, full: bool, upserts: list[Resource], removals: list[str]) -> Any:
        new = snapshot.apply(held, upserts, removals, full)
        held.clear()
        held.update(new)
        return applied(dataset, version, full, upserts, removals)

    thread = SyncThread(
        agent.endpoint, "s", "0", "", apply, lambda: (0, 0, 0.0), loss=lambda *told: snapshot.loss(held, *told)
    )
    thread.start()
    try:
        agent.hear()
        three = [resource(f"/apis/{name}", b"{}") for name in range(3)]
        agent.say(nonce="n1", dataset="d", version=5, full=True, last=True, upserts=three)
        assert agent.hear().ack.version == 5
        agent.say(**{"nonce": "n2", "dataset": "d", "version": 6, "last": True, **diff})
        answer = agent.hear()
        if reason:
            assert (answer.nack.reason, answer.nack.held_version) == (Nack.Reason.Value(reason), 5)
            assert sorted(held) == ["/apis/0", "/apis/1", "/apis/2"]
        else:
            assert answer.ack.nonce == "n2"
    finally:
        thread.stop()


def test_a_bug_in_apply_is_refused_and_the_stream_goes_on(
    agent: ScriptedAgent, thread: SyncThread, applied: Applied
) -> None:
    agent.hear()
    applied.bug = KeyError("oops")
    whole(agent)
    nack = agent.hear().nack
    assert (nack.reason, nack.held_dataset) == (Nack.FAILED, "")
    assert "oops" in nack.detail
    applied.bug = None
    whole(agent, 6, "n2")
    assert agent.hear().ack.version == 6


def test_a_body_that_is_no_object_is_an_issue_and_the_rest_is_applied(
    agent: ScriptedAgent, thread: SyncThread, applied: Applied
) -> None:
    agent.hear()
    bodies = [resource("/list", b"[]"), resource("/broken", b"{"), resource("/deep", b"[" * 100_000)]
    agent.say(nonce="n1", dataset="d", version=5, full=True, last=True, upserts=[*bodies, resource("/a", b"{}")])
    ack = agent.hear().ack
    assert [issue.resource_id for issue in ack.issues] == ["/list", "/broken", "/deep"]
    assert [each.id for each in applied.calls[0][3]] == ["/a"]


def test_a_lost_agent_is_found_again_and_told_what_is_held(
    agent: ScriptedAgent, thread: SyncThread, applied: Applied
) -> None:
    agent.hear()
    whole(agent)
    agent.hear()
    agent.stop()
    successor = ScriptedAgent(agent.endpoint.removeprefix("unix:"))
    time.sleep(0.3)
    successor.start()
    began = time.monotonic()
    hello = successor.hear().hello
    assert time.monotonic() - began < 2
    assert (hello.held_dataset, hello.held_version) == ("d", 5)
    successor.stop()


def test_stop_is_quick_with_and_without_an_agent(agent: ScriptedAgent, thread: SyncThread, tmp_path: Path) -> None:
    agent.hear()
    lonely = SyncThread(f"unix:{tmp_path}/nobody.sock", "s", "0", "", Applied(), lambda: (0, 0, 0.0))
    lonely.start()
    time.sleep(0.3)
    for each in (thread, lonely):
        began = time.monotonic()
        each.stop(3)
        assert time.monotonic() - began < 2
        assert not any(worker.is_alive() for worker in each._threads)


def test_big_integers_keep_their_digits() -> None:
    body = b'{"big":123456789012345678901234567890,"max":18446744073709551615,"neg":-9223372036854775809,"f":1.5}'
    assert checked(body) == {
        "big": 123456789012345678901234567890,
        "max": 18446744073709551615,
        "neg": -9223372036854775809,
        "f": 1.5,
    }
    with pytest.raises(ValueError, match="not a JSON object"):
        checked(b"7")
    assert checked(b'{"big":18446744073709551}') == b'{"big":18446744073709551}'


def test_only_this_module_brings_grpc_into_the_sidecar() -> None:
    code = "import sys, proxy.config.resources, proxy.ports, proxy.exchange; sys.exit('grpc' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_it_may_be_stopped_at_any_moment(agent: ScriptedAgent) -> None:
    """A call on a closed channel would end the whole process."""
    for number in range(20):
        thread = SyncThread(agent.endpoint, "s", "0", "", Applied(), lambda: (0, 0, 0.0))
        thread.start()
        time.sleep(number * 0.001)
        thread.stop(2)
        assert not any(worker.is_alive() for worker in thread._threads)
        agent.hang_up()


def test_a_status_is_told_however_much_else_is(
    agent: ScriptedAgent, applied: Applied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "STATUS_INTERVAL", 0.2)
    figures = WaitingFigures()
    thread = SyncThread(agent.endpoint, "sidecar-1", "0.1.0", "", applied, lambda: (1, 1, 1.0), figures=figures)
    thread.start()
    try:
        until(lambda: agent.statuses)
        deadline = time.monotonic() + 5
        while len(agent.statuses) < 4:
            assert time.monotonic() < deadline
            figures.add(b"{}")
            time.sleep(0.05)
    finally:
        thread.stop()


def test_where_the_agent_stands_is_passed_on(agent: ScriptedAgent, applied: Applied) -> None:
    heard: list[tuple[str, int, float, int]] = []
    thread = SyncThread(
        agent.endpoint, "sidecar-1", "0.1.0", "", applied, lambda: (1, 1, 1.0), stand=lambda *told: heard.append(told)
    )
    thread.start()
    try:
        agent.hear()
        agent.stand(dataset="d", version=4, confirmed=7.5, reached=9)
        until(lambda: heard)
    finally:
        thread.stop()
    assert heard == [("d", 4, 7.5, 9)]
