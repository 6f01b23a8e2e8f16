"""A house with a secret in every place that can hold one, receivers for its telemetry, and a load that goes wrong.

`Planted.search()` then looks everywhere that somebody could read: logs, traces, spool, backup, store, exports, pages,
status, error bodies, processes, and what the receivers got.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID

from tests.e2e.house import PLAIN_POLICY, REPOSITORY, House, Reply, descendants, request, wait_until
from tests.security.canary import Canaries, Hit
from tests.telemetry.breeze import Breeze, breeze
from tests.telemetry.sink import Sink

# What may be in which file: the secret that the file is there for. Each is for its owner alone, which is checked.
FILES = {
    "admin.token": ("admin token",),
    "gateway.token": ("gateway token",),
    "backup.key": ("backup key",),
    "store.key": ("store key",),
    "up.stdout": ("admin token", "gateway token"),
}


@dataclass
class Datagrams:
    """A UDP port that keeps what comes."""

    port: int = 0
    got: list[bytes] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Datagrams]:
        made, over = cls(), threading.Event()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.settimeout(0.1)
            made.port = receiver.getsockname()[1]

            def read() -> None:
                while not over.is_set():
                    with contextlib.suppress(TimeoutError):
                        made.got.append(receiver.recv(65536))

            thread = threading.Thread(target=read, daemon=True)
            thread.start()
            try:
                yield made
            finally:
                over.set()
                thread.join(5)


@dataclass
class Planted:
    house: House
    backend: str
    collector: Sink
    insights: Breeze
    syslog: Datagrams
    secrets: Canaries = field(default_factory=Canaries)
    answers: list[tuple[str, Reply]] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    _loads: int = 0

    # planting

    def plant(self) -> None:
        """Through the plane's API, as people do."""
        house, new = self.house, self.secrets.plant
        for name, path in (("admin token", "admin.token"), ("gateway token", "gateway.token")):
            text = (house.data / path).read_text().strip()
            self.secrets.know(name, text.rpartition("&")[2][:40])
        for name in ("backup.key", "store.key"):
            found = next(iter(house.data.rglob(name)), None)
            if found is not None:
                self.secrets.know(name.replace(".", " "), found.read_bytes().strip()[:32])
        for name in ("header", "query", "basic", "broken", "address", "said", "body"):
            properties = {"displayName": f"nv-{name}", "value": new(f"named value {name}"), "secret": True}
            house.put(f"/namedValues/nv-{name}", properties)
        signing = base64.b64encode(new("signing key", after="x" * 20).encode()).decode()
        house.put("/namedValues/nv-signing", {"displayName": "nv-signing", "value": signing, "secret": True})
        self._certificate()
        house.put(
            "/backends/keyed",
            {
                "url": self.backend,
                "protocol": "http",
                "credentials": {
                    "header": {"x-functions-key": [new("backend header")], "x-odd": [new("backend odd header")]},
                    "query": {"code": [new("backend query")], "plain": [new("backend odd query")]},
                    "authorization": {"scheme": "Bearer", "parameter": new("backend authorization")},
                },
            },
        )
        dead = {"url": "http://127.0.0.1:9", "protocol": "http", "credentials": {"query": {"k": [new("dead query")]}}}
        house.put("/backends/dead", dead)
        house.put(
            "/identityProviders/aad",
            {"clientId": "a", "clientSecret": new("identity provider"), "allowedTenants": ["t.example"]},
        )
        house.put(
            "/openidConnectProviders/oidc",
            {
                "displayName": "oidc",
                "metadataEndpoint": "https://login.example/.well-known/openid-configuration",
                "clientId": "a",
                "clientSecret": new("openid provider"),
            },
        )
        house.put(
            "/authorizationServers/oauth",
            {
                "displayName": "oauth",
                "clientRegistrationEndpoint": "https://login.example/new",
                "authorizationEndpoint": "https://login.example/authorize",
                "tokenEndpoint": "https://login.example/token",
                "grantTypes": ["authorizationCode"],
                "clientId": "a",
                "clientSecret": new("authorization server"),
            },
        )
        house.put(
            "/authorizationProviders/grants",
            {
                "displayName": "grants",
                "identityProvider": "oauth2",
                "oauth2": {
                    "grantTypes": {
                        "clientCredentials": {
                            "clientSecret": new("credential provider"),
                            "tokenUrl": f"{self.backend}/t",
                        }
                    }
                },
            },
        )
        connection = f"127.0.0.1:9,password={new('cache')},ssl=False,abortConnect=False"
        house.put("/caches/westeurope", {"connectionString": connection,
                                     "useFromLocation": "westeurope"})  # fmt: skip
        user = {"email": "a@b.example", "firstName": "A", "lastName": "B", "password": new("user password", "Aa1!")}
        house.put("/users/ada", user)
        validation = base64.b64encode(new("delegation").encode()).decode()
        off = {"enabled": False}
        delegation = {"url": "https://d.example", "subscriptions": off, "userRegistration": off}
        house.put("/portalsettings/delegation", {**delegation, "validationKey": validation})
        house.put(
            "/loggers/hub",
            {
                "loggerType": "azureEventHub",
                "credentials": {
                    "name": "hub",
                    "connectionString": "Endpoint=sb://127.0.0.1:9/;SharedAccessKeyName=k;SharedAccessKey="
                    + new("event hub", after="="),
                },
            },
        )
        house.put(
            "/loggers/insights",
            {"loggerType": "applicationInsights", "credentials": {"connectionString": self.insights.connection}},
        )
        sight = {"headers": ["X-Plain", "Content-Type"], "body": {"bytes": 64}}
        house.put(
            "/diagnostics/applicationinsights",
            {
                "loggerId": f"{house.info['service']}/loggers/insights",
                "alwaysLog": "allErrors",
                "sampling": {"samplingType": "fixed", "percentage": 100},
                "frontend": {"request": sight, "response": sight},
                "backend": {"request": {"headers": ["X-Plain"]}, "response": {"headers": ["Content-Type"]}},
                "verbosity": "verbose",
                "logClientIp": True,
            },
        )
        self._apis()

    def _certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "c")]), datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=9))
            .sign(key, hashes.SHA256())
        )
        password = self.secrets.plant("certificate password")
        bundle = serialize_key_and_certificates(
            b"c", key, made, None, serialization.BestAvailableEncryption(password.encode())
        )
        self.secrets.know("private key", key.private_numbers().private_value.to_bytes(32, "big")[4:28])
        self.house.put("/certificates/c", {"data": base64.b64encode(bundle).decode(), "password": password})

    def _apis(self) -> None:
        house, new = self.house, self.secrets.plant
        policies = {
            # secrets on their way to the backend
            "good": "<set-header name='X-A'><value>{{nv-header}}</value></set-header>"
            "<set-query-parameter name='n'><value>{{nv-query}}</value></set-query-parameter>"
            "<authentication-basic username='u' password='{{nv-basic}}' />"
            "<set-variable name='v' value='@(&quot;{{nv-said}}&quot;)' />"
            "<trace source='t' severity='error'><message>@((string)context.Variables[&quot;v&quot;])</message>"
            "<metadata name='m' value='{{nv-said}}' /></trace>",
            "keyed": "<set-backend-service backend-id='keyed' />",
            "dead": "<set-backend-service backend-id='dead' />",
            # errors whose texts could tell a secret
            "number": "<set-variable name='v' value='@(int.Parse(&quot;{{nv-broken}}&quot;))' />",
            "json": "<set-variable name='v' value='@(JObject.Parse(&quot;{{nv-broken}}&quot;))' />",
            "uri": "<set-variable name='v' value='@(new Uri(&quot;{{nv-broken}}&quot;))' />",
            "place": "<set-backend-service base-url='@(&quot;{{nv-address}}&quot;)' />",
            "called": "<send-request mode='new' response-variable-name='r' timeout='2' ignore-error='false'>"
            "<set-url>@(&quot;http://127.0.0.1:9/{{nv-address}}?k={{nv-query}}&quot;)</set-url>"
            "<set-method>GET</set-method></send-request>",
            "jwt": "<validate-jwt header-name='Authorization' failed-validation-httpcode='401'>"
            "<issuer-signing-keys><key>{{nv-signing}}</key></issuer-signing-keys></validate-jwt>",
            "certified": "<authentication-certificate certificate-id='c' />",
            "hub": "<log-to-eventhub logger-id='hub'>@(&quot;x&quot;)</log-to-eventhub>",
            "grant": "<get-authorization-context provider-id='grants' authorization-id='one' context-variable-name='g'"
            " identity-type='managed' ignore-error='false' />",
        }  # fmt: skip
        self.refused = []
        for name, inbound in policies.items():
            house.api(name, self.backend, key=name in ("good", "number"))
            text = PLAIN_POLICY.replace("<inbound><base />", f"<inbound><base />{inbound}")
            reply = house.arm(
                f"/apis/{name}/policies/policy", "PUT", {"properties": {"format": "rawxml", "value": text}}
            )
            self.answers.append((f"policy of {name}", reply))
            if reply.status not in (200, 201):
                self.refused.append(f"{name}: {reply.body.decode()[:300]}")
        names = {"header": "X-Own-Key", "query": "own"}
        house.arm("/apis/good", "PATCH", {"properties": {"subscriptionKeyParameterNames": names}}, **{"If-Match": "*"})
        for name in ("good", "rotated"):
            key, second = new(f"key of {name}"), new(f"second key of {name}")
            house.put(
                f"/subscriptions/{name}",
                {"displayName": name, "scope": "/apis", "primaryKey": key, "secondaryKey": second, "state": "active"},
            )
            self.keys[name], self.keys[f"{name}2"] = key, second
        # configurations that are refused: the answer may name the place, not the value
        for document in (
            "<policies><inbound><set-header name='a'><value>{{nv-header}}</value></inbound></policies>",
            "<policies><inbound><set-variable name='v' value='@({{nv-header}}.Nope())' /></inbound></policies>",
            "<policies><inbound><nope secret='{{nv-body}}' /></inbound></policies>",
            "<policies><inbound><rate-limit calls='{{nv-body}}' renewal-period='1' /></inbound></policies>",
            "<policies><inbound><ip-filter action='{{nv-body}}' /></inbound></policies>",
            "<policies><inbound><set-backend-service base-url='{{nv-body}}' /></inbound></policies>",
            "<policies><inbound><set-status code='{{nv-body}}' reason='x' /></inbound></policies>",
            "<policies><inbound><set-variable name='v' value='@('{{nv-body}}'.Nope())' /></inbound></policies>",
            "<policies><inbound><set-variable name='v' value='@{{{nv-body}}}' /></inbound></policies>",
        ):
            body = {"properties": {"format": "rawxml", "value": document}}
            self.answers.append(("a refused policy", house.arm("/apis/dead/policies/policy", "PUT", body)))
        for path, properties in (
            ("/namedValues/bad name!", {"displayName": "x y", "value": new("refused named value"), "secret": True}),
            ("/certificates/bad", {"data": new("refused certificate"), "password": new("refused password")}),
            ("/subscriptions/bad", {"displayName": "x", "scope": "nowhere", "primaryKey": new("refused key")}),
            ("/users/bad", {"email": "none", "password": new("refused user")}),
            ("/backends/bad", {"url": f"ftp://u:{new('refused userinfo')}@x", "protocol": "http"}),
            (
                "/loggers/bad",
                {"loggerType": "applicationInsights", "credentials": {"connectionString": new("refused logger")}},
            ),
        ):  # fmt: skip
            self.answers.append((f"refused {path}", house.arm(quote(path), "PUT", {"properties": properties})))

    # load

    def load(self) -> None:
        """Requests that are served, refused, broken, traced, and sent to nowhere, with secrets in every place."""
        self._loads += 1
        key = self.keys["good"]

        def new(name: str, before: str = "") -> str:
            return self.secrets.plant(f"{name} {self._loads}", before)

        cookie, bearer, basic = new("cookie"), new("bearer"), new("basic password", "user:")
        jwt = ".".join(
            base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
            for text in ('{"alg":"HS256"}', json.dumps({"sub": new("claim")}), new("signature"))
        )
        secret_headers = {"Cookie": f"session={cookie}", "Authorization": f"Bearer {bearer}"}
        posted, wrong = new("posted password"), new("wrong key")
        encoded = "".join(f"%{ord(each):02x}" for each in "own")
        first = self.house.gateways[0]
        requests: list[tuple[str, dict[str, str], bytes | None]] = [
            ("/good/x", {"X-Own-Key": key, **secret_headers}, None),
            (f"/good/x?own={key}&a=1", {}, None),
            (f"/good/x?%6fwn={key}&a=1", {}, None),
            (f"/good/x?{encoded}={self.keys['good2']}", {}, None),
            (f"/good/x?OWN={key}&own={self.keys['rotated']}", {}, None),
            (f"/good/x?subscription-key={key}", {}, None),  # not its name here
            (f"/good/x?%73ubscription-key={key}", {}, None),
            (f"/nowhere?own={key}", {}, None),
            (f"/nowhere?{encoded}={key}", {"Ocp-Apim-Subscription-Key": self.keys["rotated"]}, None),
            (f"/nowhere?anything={key}&b={quote(self.keys['good2'])}", {}, None),
            (f"/nowhere?subscription-key={wrong}", {"X-Own-Key": wrong, **secret_headers}, None),
            (f"/good/x?own={wrong}", {}, None),
            (f"/good/x?api%5Fkey={wrong}&sig={wrong}&%63ode={wrong}&access_token={wrong}&password={wrong}", {}, None),
            (f"/keyed/x?client_secret={wrong}", secret_headers, None),
            ("/keyed/x", {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"}, None),
            ("/dead/x", secret_headers, json.dumps({"password": posted, "x": 1}).encode()),
            ("/number/x", {"Ocp-Apim-Subscription-Key": key}, None),
            ("/number/x", {"Ocp-Apim-Subscription-Key": self.keys["rotated2"]}, None),
            *(
                (f"/{name}/x", dict(secret_headers), None)
                for name in ("json", "uri", "place", "called", "hub", "grant")
            ),
            ("/jwt/x", {"Authorization": f"Bearer {jwt}"}, None),
            ("/certified/x", {}, None),
        ]
        for path, headers, body in requests:
            reply = request(f"{first}{path}", "POST" if body else "GET", headers, body)
            if reply.status >= 400 or not path.startswith(("/good", "/keyed", "/certified", "/hub")):
                self.answers.append((f"answer to {path.partition('?')[0]}", reply))
        for api in ("good", "keyed", "number", "called", "dead", "place", "json"):
            self._trace(api, first, {**secret_headers, "X-Own-Key": key, "Ocp-Apim-Subscription-Key": key})
        # what is broken at the wire
        parts = urlsplit(first)
        for raw in (
            f"GET /x?own={key} HTTP/9\r\n\r\n",
            f"GET http://u:{wrong}@h/ HTTP/1.1\r\nHost: h\r\nX-Own-Key:{key}\0\r\n\r\n",
        ):
            with socket.create_connection((parts.hostname or "", parts.port or 80), 5) as connection:
                connection.sendall(raw.encode())
                with contextlib.suppress(ConnectionError):
                    self.answers.append(("answer to a broken request", Reply(400, {}, connection.recv(65536))))
        bad = {"Authorization": f"Bearer {wrong}"}
        for path in ("/apis", "/../x", f"/apis?access_token={wrong}"):
            self.answers.append(("the plane's refusal", request(f"{self.house.info['management']}{path}", headers=bad)))
        url = f"{self.house.info['management']}/configuration/passerelle/gateways/gw/events"
        for token in (f"GatewayKey gw&209901010000&{wrong}", f"GatewayKey {wrong}"):
            self.answers.append(("the feed's refusal", request(url, headers={"Authorization": token})))

    def _trace(self, api: str, gateway: str, headers: dict[str, str]) -> None:
        house = self.house
        scope = f"{house.info['service']}/apis/{api}"
        body = {"apiId": scope, "purposes": ["tracing"], "credentialsExpireAfter": "PT10M"}
        token = house.arm("/gateways/managed/listDebugCredentials", "POST", body).json["token"]
        self.secrets.know(f"debug token of {api} {self._loads}", token.rpartition("&sn=")[2][:40])
        reply = request(
            f"{gateway}/{api}/x?code={self.keys['good']}", headers={**headers, "Apim-Debug-Authorization": token}
        )
        if (trace := reply.headers.get("apim-trace-id")) is not None:
            told = wait_until(
                lambda: (
                    found
                    if (found := house.arm("/gateways/managed/listTrace", "POST", {"traceId": trace})).status == 200
                    else None
                ),
                10,
                what=f"the trace of {api}",
            )
            self.answers.append((f"the trace of {api}", told))

    def told(self) -> bool:
        """Whether every receiver has something to be searched."""
        sent = self.collector.requests
        return bool(sent["trace"] and sent["logs"] and sent["metrics"] and self.insights.items and self.syslog.got)

    def collect(self) -> None:
        """Load while the collector listens, and again while it does not, so that much waits on the disk."""
        self.load()
        wait_until(self.told, 20, what="telemetry to arrive")
        self.collector.mode = "unavailable"
        self.load()
        wait_until(lambda: any((self.house.data / "telemetry").rglob("*")), 10, what="telemetry to wait on the disk")

    def export(self, folder: Path) -> None:
        """What `passerelle export` writes, which goes into repositories."""
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [
            sys.executable,
            "-m",
            "passerelle",
            "export",
            str(folder),
            "--management",
            self.house.info["management"],
        ]
        command += ["--token", f"@{self.house.data / 'admin.token'}", "--service", self.house.info["service"]]
        ran = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr[-2000:]
        self.answers.append(("the words of an export", Reply(ran.returncode, {}, ran.stdout + ran.stderr)))
        for path in folder.rglob("*"):
            if path.is_file():
                self.answers.append((f"export {path.relative_to(folder)}", Reply(200, {}, path.read_bytes())))

    # searching

    def search(self) -> tuple[list[Hit], int]:
        """Every place but those where a secret belongs; the hits, and how many bytes were looked at."""
        hits: list[Hit] = []
        looked = 0

        def look(where: str, content: bytes, known: tuple[str, ...] = ()) -> None:
            nonlocal looked
            looked += len(content)
            hits.extend(self.secrets.hits(where, content, known))

        self._read_everything()
        for where, reply in self.answers:
            look(where, "\n".join(f"{n}: {v}" for n, v in reply.headers.items()).encode() + b"\n" + reply.body)
        for signal, sent in self.collector.requests.items():
            for each in list(sent):
                look(f"OTLP {signal}", each.SerializeToString())
        # what a diagnostic wants to see of bodies it gets, whatever a client or a backend writes there
        bodies = (
            *(f"posted password {each + 1}" for each in range(self._loads)),
            *(name for name in self.secrets.planted if name.startswith(("key of", "second key"))),
        )
        look("Application Insights", json.dumps(self.insights.items).encode(), bodies)
        for datagram in list(self.syslog.got):
            look("syslog", datagram)
        assert self.house.up is not None
        for process in [*descendants(self.house.up.pid)]:
            look(f"arguments of {process.module}", "\0".join(process.argv).encode())
            look(f"environment of {process.module}", repr(process.environment).encode())
        known = dict(FILES)
        for path in sorted(self.house.data.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    content = path.read_bytes()
                    look(f"file {path.relative_to(self.house.data)}", content, known.get(path.name, ()))
        return hits, looked

    def open_files(self) -> list[str]:
        """Files that others than their owner may read."""
        found = []
        for path in self.house.data.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mode & 0o077 and path.suffix not in (".pem",):
                    found.append(str(path.relative_to(self.house.data)))
        return [each for each in found if not each.startswith("up.")]

    def _read_everything(self) -> None:
        """What people and programs read without asking for a secret: lists of the plane, exports, pages, status."""
        house = self.house
        for name in [
            "apis",
            "namedValues",
            "backends",
            "certificates",
            "loggers",
            "identityProviders",
            "openidConnectProviders",
            "authorizationServers",
            "authorizationProviders",
            "caches",
            "users",
            "subscriptions",
            "products",
            "gateways",
            "diagnostics",
            "policies",
            "portalsettings",
            "tenant",
        ]:
            self.answers.append((f"the list of {name}", house.arm(f"/{name}")))
        for path in (
            "/namedValues/nv-header", "/backends/keyed", "/certificates/c", "/loggers/hub", "/users/ada",
            "/subscriptions/good", "/caches/westeurope", "/authorizationProviders/grants", "/identityProviders/aad",
            "/apis/good?export=true&format=openapi-link", "/apis/jwt/policies/policy",
            "/portalsettings/delegation",
            "/reports/byRequest?$filter=timestamp%20ge%20datetime%272020-01-01T00:00:00%27",
        ):  # fmt: skip
            self.answers.append((path, house.arm(path)))
        for gateway in house.gateways:
            for path in ("/status-0123456789abcdef", "/", "/status", "/metrics", "/internal-status-0123456789abcdef"):
                self.answers.append((f"status {path}", request(gateway + path)))
        for process in house.processes("proxy"):
            address = process.environment["telemetry.metrics.local.prometheus.endpoint"]
            self.answers.append(("Prometheus", request(f"http://{address}/metrics")))
        (agent,) = house.processes("syncagent")
        for path in ("/ready", "/live"):
            self.answers.append(
                (f"agent {path}", request(f"http://127.0.0.1:{agent.environment['health.http.port']}{path}"))
            )
        self._pages()

    def _pages(self) -> None:
        portal = str(self.house.info["portal"])
        token = (self.house.data / "admin.token").read_text().strip()
        jar = Jar(portal)
        jar.get("/console/sign-in")
        jar.post("/console/sign-in", {"token": token})
        for path in ("/", "/products", "/console", "/console/apis", "/console/apis/good", "/console/products",
                     "/console/subscriptions", "/console/subscriptions/good", "/console/activity", "/console/requests",
                     "/console/policy"):  # fmt: skip
            self.answers.append((f"page {path}", jar.get(path)))
        requests = jar.get("/console/requests").body.decode()
        for link in list(dict.fromkeys(re.findall(r'href="(/console/requests/[^"]+)"', requests)))[:20]:
            self.answers.append(("page of a request", jar.get(link)))


class Jar:
    """A browser's cookies, without the browser."""

    def __init__(self, origin: str) -> None:
        self.origin, self.cookies = origin.rstrip("/"), ""

    def get(self, path: str) -> Reply:
        return request(self.origin + path, headers={"Cookie": self.cookies} if self.cookies else {})

    def post(self, path: str, form: dict[str, str]) -> None:
        parts = urlsplit(self.origin)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin, "Cookie": self.cookies}
        connection.request("POST", path, urlencode(form), headers)
        answer = connection.getresponse()
        answer.read()
        made = [each.partition(";")[0] for name, each in answer.getheaders() if name.lower() == "set-cookie"]
        self.cookies = "; ".join(made)
        connection.close()


@contextlib.contextmanager
def planted(data: Path, backend: str) -> Iterator[Planted]:
    """A house with everything in its place."""
    with Sink("http") as collector, breeze() as insights, Datagrams.open() as syslog:
        environment = {
            **collector.settings,
            "observability.opentelemetry.metrics.interval": "1",
            "observability.opentelemetry.collector.compression": "gzip",
            "telemetry.logs.local": "rfc5424",
            "telemetry.logs.local.rfc5424.endpoint": f"127.0.0.1:{syslog.port}",
            "telemetry.logs.std.level": "all",
            "config.service.heartbeat.interval": "1",
            "telemetry.spool.path": str(data / "telemetry"),
        }
        house = House(data, environment=environment)
        try:
            it = Planted(house.start(), backend, collector, insights, syslog)
            it.plant()
            house.everywhere("/certified/x", lambda reply: reply.status != 404)
            yield it
        finally:
            house.stop()
