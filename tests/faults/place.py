"""Where rows are measured: a house of real processes with two sidecars, lines that may fail, APIs, and who asks them.

It starts when a row first uses `place.house`, and the next row finds it as it was. The agent reads the plane through
`place.plane`, a `Line`; the API `line` has its backend behind `place.backend`, another one. Edits of the tests go to
the plane directly, so that a cut of the agent's line does not stop them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.house import House, Process, echo_backend, request, wait_until
from tests.faults.line import Line
from tests.faults.load import Kind, Load, Oracle

STATUS = "/status-0123456789abcdef"
KEY_HEADER = "Ocp-Apim-Subscription-Key"
SECRET = b"a secret of at least thirty-two bytes, for tests"
TIGHT, WINDOW = 5, 300  # calls in seconds that the API `tight` allows to each sidecar alone
SOON = 20.0


@dataclass(frozen=True)
class Options:
    """`outage` is how long something is away, seconds; `full` asks for the times of the matrix."""

    outage: float = 60.0
    poll: float = 2.0
    full: bool = False


@dataclass
class Place:
    """`allowed` is how many calls of `tight` may succeed within its window."""

    directory: Path
    options: Options = field(default_factory=Options)
    extra: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)  # of every process
    oracle: Oracle = field(default_factory=Oracle)
    allowed: int = 0
    _house: House | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _passed: deque[float] = field(default_factory=deque)

    @property
    def outage(self) -> float:
        return self.options.outage

    # Begin and end

    @property
    def house(self) -> House:
        if self._house is None:
            self._start()
        assert self._house is not None
        return self._house

    @property
    def started(self) -> bool:
        return self._house is not None

    def _start(self) -> None:
        data = self.directory / "house"
        house = House(data, self.options.poll, ("--no-demo", *self.extra), dict(self.environment))
        self._stack.callback(house.stop)
        house.start()
        self._house = house
        echo = urlsplit(self._stack.enter_context(echo_backend()))
        self.echo = f"http://{echo.netloc}"
        plane = urlsplit(house.info["management"])
        self.plane = self._line(("127.0.0.1", plane.port or 80))
        self.backend = self._line(("127.0.0.1", echo.port or 80))
        self._service = str(house.info["service"]).rsplit("/", 1)[1]
        self.allowed = TIGHT * len(house.gateways)
        patience = {"backoff.maximum": "60", "heartbeat.interval": "60"}
        if not self.options.full:
            pause = f"{2 * self.options.poll:g}"
            patience = {"backoff.maximum": pause, "heartbeat.interval": f"{max(1, 2 * self.options.poll):g}"}
        own = {f"config.service.{name}": value for name, value in patience.items()}
        self.restart_agent(**own, **{"config.service.endpoint": self.endpoint})
        self._provision()

    def _line(self, target: tuple[str, int]) -> Line:
        line = Line(target).start()
        self._stack.callback(line.stop)
        return line

    @property
    def endpoint(self) -> str:
        """Of the plane, through the line."""
        return f"{self.plane.url}/configuration/{self._service}"

    def stop(self) -> None:
        """Also of a house that a row left in pieces."""
        self._house_alive_again()
        self._stack.close()
        self._house = None

    def _house_alive_again(self) -> None:
        if self._house is not None:
            for module in ("management", "syncagent", "proxy"):
                with contextlib.suppress(OSError):
                    for process in self._house.processes(module):
                        os.kill(process.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def another(self, *, extra: tuple[str, ...] = (), **environment: str) -> Iterator[Place]:
        """A place of the row's own, with options of `passerelle up` and settings of every process."""
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="p") as name:
            place = Place(Path(name), self.options, extra, environment)
            try:
                yield place
            finally:
                place.stop()

    def whole(self) -> bool:
        """Whether the next row finds what it expects."""
        if self._house is None:
            return True
        alive = [len(self.house.processes(module)) for module in ("management", "syncagent", "proxy")]
        if alive != [1, 1, len(self.house.gateways)]:
            return False
        self.plane.set()
        self.backend.set()
        with contextlib.suppress(OSError):
            return all(self.answers(kind, gateway) for kind in self.kinds for gateway in self.house.gateways)
        return False

    def answers(self, kind: Kind, gateway: str) -> bool:
        """Whether one request is answered with a right status."""
        reply = request(gateway + kind.path, kind.method, dict(kind.headers), timeout=5)
        return reply.status in kind.statuses

    # What is configured

    def _provision(self) -> None:
        house = self.house
        resources: list[dict[str, Any]] = []
        for name in ("shop", "token", "limited", "tight", "keyed"):
            resources += self.api(name, self.echo, key=name == "keyed")
        resources += self.api("line", self.backend.url)
        key = base64.b64encode(SECRET).decode()
        for name, policy in {
            "token": f'<validate-jwt header-name="Authorization"><issuer-signing-keys><key>{key}</key>'
            "</issuer-signing-keys></validate-jwt>",
            "limited": '<rate-limit-by-key calls="1000000" renewal-period="60" counter-key="everybody" />',
            "tight": f'<rate-limit-by-key calls="{TIGHT}" renewal-period="{WINDOW}" counter-key="tight" />',
        }.items():
            value = {"format": "rawxml", "value": policies(inbound=policy)}
            resources.append({"id": f"/apis/{name}/policies/policy", "properties": value})
        subscription = {"displayName": "load", "scope": "/apis/keyed", "state": "active"}
        resources.append({"id": "/subscriptions/load", "properties": subscription})
        self.apply(resources)
        self.key = str(house.arm("/subscriptions/load/listSecrets", "POST").json["primaryKey"])
        self.arrived(self.publish())
        for gateway in house.gateways:
            wait_until(
                lambda gateway=gateway: all(self.answers(kind, gateway) for kind in self.kinds),
                SOON,
                what=f"the right answers of {gateway}",
            )

    def api(self, name: str, backend: str, key: bool = False) -> list[dict[str, Any]]:
        """An API of this gateway, with GET and POST on everything below its name, for `apply`."""
        api = {"displayName": name, "path": name, "serviceUrl": backend, "subscriptionRequired": key}
        rest = {"name": "rest", "type": "string", "required": False}
        below = {"urlTemplate": "/{*rest}", "templateParameters": [rest]}
        return [
            {"id": f"/apis/{name}", "properties": {**api, "protocols": ["http", "https"]}},
            *(
                {"id": f"/apis/{name}/operations/{verb}", "properties": {"displayName": verb, "method": verb, **below}}
                for verb in ("GET", "POST")
            ),
            {"id": f"/gateways/{self.house.gateway_id}/apis/{name}", "properties": {}},
        ]

    def apply(self, resources: list[dict[str, Any]], delete: Sequence[str] = ()) -> None:
        """Many changes as one revision."""
        reply = self.house.arm("/apply", "POST", {"resources": resources, "delete": list(delete)})
        assert reply.status == 200, (reply.status, reply.body[:1000])

    def publish(self) -> int:
        """Publish the next version of `shop`; answers its number."""
        version = next(self._versions)
        self.oracle.newest = version
        self.house.policy("/apis/shop", versioned(version))
        return version

    def arrived(self, version: int, timeout: float = 60) -> float:
        """Seconds until every sidecar answers with this version or a newer one."""
        began = time.monotonic()
        for gateway in self.house.gateways:
            wait_until(
                lambda gateway=gateway: self.version(gateway) >= version,
                timeout,
                what=f"version {version} at {gateway}, which has {self.version(gateway)}",
            )
        return time.monotonic() - began

    def version(self, gateway: str) -> int:
        """What a sidecar answers with now; 0 when nothing."""
        with contextlib.suppress(OSError, ValueError):
            return int(request(f"{gateway}/shop/version", timeout=2).headers.get("x-version", "0"))
        return 0

    # Who asks

    @property
    def kinds(self) -> list[Kind]:
        """Open, with a key, with a token, limited, and what is to be refused; the right status of each is known."""
        good, old = f"Bearer {token(86_400)}", f"Bearer {token(-86_400)}"
        return [
            Kind("open", "/shop/open", frozenset({200}), versioned=True),
            Kind("key", "/keyed/x", frozenset({200}), ((KEY_HEADER, self.key),)),
            Kind("wrong key", "/keyed/x", frozenset({401}), ((KEY_HEADER, "0" * 32),)),
            Kind("post", "/shop/post", frozenset({200}), method="POST", body=b'{"much": "text"}' * 20, versioned=True),
            Kind("token", "/token/x", frozenset({200}), (("Authorization", good),)),
            Kind("old token", "/token/x", frozenset({401}), (("Authorization", old),)),
            Kind("limited", "/limited/x", frozenset({200})),
            Kind("over the limit", "/tight/x", frozenset({200, 429}), check=self._sparing),
            Kind("nowhere", "/nowhere/x", frozenset({404})),
        ]

    def load(
        self,
        sidecars: Sequence[str] | None = None,
        kinds: Sequence[Kind] | None = None,
        *,
        clients: int = 16,
        rate: float = 200,
        timeout: float = 10,
    ) -> Load:
        """All kinds to all sidecars, unless told otherwise."""
        sidecars = self.house.gateways if sidecars is None else sidecars
        return Load(
            sidecars, self.kinds if kinds is None else kinds, self.oracle, clients=clients, rate=rate, timeout=timeout
        )

    def _sparing(self, status: int, headers: dict[str, str], body: bytes) -> str:
        if status != 200:
            return ""
        now = time.monotonic()
        self._passed.append(now)
        while self._passed and self._passed[0] < now - (WINDOW - 10):
            self._passed.popleft()
        return f"{len(self._passed)} passed a limit of {self.allowed}" if len(self._passed) > self.allowed else ""

    def forgotten(self, gateway: str) -> None:
        """That sidecar has lost its memory: its counters, and which version it had."""
        self.allowed += TIGHT
        self.oracle.forget(gateway)

    def token(self, key: str = "primary") -> str:
        """A fresh gateway token for the agent, by this key of the gateway."""
        expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
        path = f"/gateways/{self.house.gateway_id}/generateToken"
        return str(self.house.arm(path, "POST", {"keyType": key, "expiry": expiry}).json["value"])

    # The processes

    @property
    def token_file(self) -> Path:
        """Where the agent reads its token."""
        return Path(self.agent.environment["config.service.auth.key.file"])

    @property
    def agent(self) -> Process:
        return self._process("syncagent", 0)

    def sidecar(self, number: int) -> Process:
        """From 0, as in `house.gateways`."""
        return self._process("proxy", number)

    def _process(self, module: str, number: int) -> Process:
        found = self.house.processes(module)
        if number >= len(found):
            raise ProcessLookupError(f"{module} is not there yet")  # an OSError: whoever waits looks again
        return found[number]

    def restart_agent(self, **settings: str) -> Process:
        """kill -9, and again with these settings besides its own; the one before is answered."""
        before = self.house.kill("syncagent")[0]
        self.start_again(before, **settings)
        return before

    def start_again(self, process: Process, **settings: str) -> None:
        """A killed process, from its own command line and environment; an empty setting is left out."""
        environment = {k: v for k, v in {**process.environment, **settings}.items() if v or k not in settings}
        self.house.again([Process(process.pid, process.argv, environment, process.cwd)])

    def ready(self, process: Process | None = None) -> dict[str, Any]:
        """What the agent says of itself at /ready."""
        port = (process or self.agent).environment["health.http.port"]
        return dict(request(f"http://127.0.0.1:{port}/ready", timeout=3).json)

    def log(self, module: str) -> str:
        """All that the processes of a module wrote since the house began."""
        names = {"syncagent": ["agent"], "proxy": [f"sidecar-{at + 1}" for at in range(len(self.house.gateways))]}
        paths = [self.house.data / "logs" / f"{name}.log" for name in names.get(module, [module])]
        paths.append(self.house.data / f"again-{module}.log")
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    def heartbeats(self) -> list[dict[str, Any]]:
        """What the plane knows of the agents, the newest first."""
        value = self.house.arm(f"/gateways/{self.house.gateway_id}/instances").json
        return list(value["value"] if isinstance(value, dict) else value)


def policies(inbound: str = "", outbound: str = "") -> str:
    return (
        f"<policies><inbound><base />{inbound}</inbound><backend><base /></backend>"
        f"<outbound><base />{outbound}</outbound><on-error><base /></on-error></policies>"
    )


def versioned(version: int, inbound: str = "") -> str:
    """A policy that tells its version to backend and client."""
    field = f'<set-header name="X-Version" exists-action="override"><value>{version}</value></set-header>'
    return policies(field + inbound, field)


def token(seconds: float, secret: bytes = SECRET) -> str:
    """A token of HS256 that expires so many seconds from now."""
    head, claims = {"alg": "HS256", "typ": "JWT"}, {"sub": "load", "exp": int(time.time() + seconds)}
    text = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
    return f"{text}.{_base64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
