"""Expressions that would run for ever, in a real sidecar: they end, and other requests are hardly kept waiting."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

import pytest
from house import House, request

pytestmark = pytest.mark.e2e

ANSWER = "<return-response><set-body>good</set-body></return-response>"
HOSTILE = {
    "steps": "@{ while (true) { } }",
    "dear": '@{ while (true) { string.Format("{0:N2} {1:yyyy}", 1.5, DateTime.UtcNow); } }',
    "large": "@{ var s = new string('a', 4000000); while (true) { s = s.ToUpper(); } }",
    "pattern": r'@{ while (true) { try { Regex.IsMatch("ééééééééééééééééééééé!", @"(\w+)+$"); } catch { } } }',
    "json": "@(context.Request.Body.As<JArray>().Count.ToString())",
}
BODY = b"[" + b'{"a":1},' * 200_000 + b"1]"


def api(house: House, name: str, inbound: str) -> None:
    house.api(name, "http://127.0.0.1:9")
    house.policy(
        f"/apis/{name}", f"<policies><inbound>{inbound}</inbound><backend /><outbound /><on-error /></policies>"
    )


def waits(url: str, seconds: float) -> list[float]:
    """Milliseconds of good requests, one after another, from fastest to slowest."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        assert request(url).body == b"good"
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(0.005)
    return sorted(found)


def test_hostile_expressions_delay_nobody(house: House) -> None:
    gateway = house.gateways[0]
    api(house, "good", ANSWER)
    for name, source in HOSTILE.items():
        api(house, name, f'<set-variable name="v" value="{source}" />{ANSWER}')
    for name in ("good", *HOSTILE):
        house.everywhere(f"/{name}/x", lambda reply: reply.status in (200, 500))
    assert urlsplit(gateway).port
    quiet = waits(f"{gateway}/good/x", 1.5)
    print(f"\nquiet: p50 {quiet[len(quiet) // 2]:.1f} ms, p99 {quiet[len(quiet) * 99 // 100]:.1f} ms")
    for name in HOSTILE:
        statuses: list[int] = []
        stop = threading.Event()

        def attack(name: str = name, statuses: list[int] = statuses, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                body = BODY if name == "json" else None
                statuses.append(request(f"{gateway}/{name}/x", "POST" if body else "GET", body=body).status)

        attacker = threading.Thread(target=attack)
        attacker.start()
        found = waits(f"{gateway}/good/x", 1.5)
        stop.set()
        attacker.join()
        p50, p99 = found[len(found) // 2], found[len(found) * 99 // 100]
        print(f"{name}: {len(statuses)} hostile; others p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {found[-1]:.1f} ms")
        assert set(statuses) == ({200} if name == "json" else {500})
        assert p50 < 500
