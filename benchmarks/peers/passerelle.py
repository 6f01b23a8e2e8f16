"""Ours: one agent, and sidecars with one worker each, one for each way in which telemetry is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping

from benchmarks import configuration
from benchmarks.peers.peer import Job

TOKEN_POLICY = """<validate-jwt header-name="Authorization">
      <issuer-signing-keys><key id="one" n="{modulus}" e="AQAB" /></issuer-signing-keys>
      <audiences><audience>benchmark</audience></audiences>
      <issuers><issuer>{issuer}</issuer></issuers>
    </validate-jwt>"""
OFF = {"telemetry.enabled": "false", "telemetry.logs.std": "none"}
DEFAULT: Mapping[str, str] = {}


def everything(collector: int) -> dict[str, str]:
    """A line of log a request, and logs, spans and metrics to a collector."""
    return {
        "telemetry.logs.std": "text",
        "observability.opentelemetry.enabled": "true",
        "observability.opentelemetry.protocol": "http/protobuf",
        "observability.opentelemetry.collector.uri": f"http://127.0.0.1:{collector}",
        "observability.opentelemetry.metrics.interval": "00:00:05",
    }


def policy(job: Job) -> str:
    """What /shaped has, after the token was verified."""
    token = TOKEN_POLICY.format(modulus=job.issuer.modulus, issuer=job.issuer.name)
    return configuration.API_POLICY.replace("<base />", f"<base />\n    {token}", 1)


def resources(job: Job) -> dict[str, object]:
    """The usual configuration, and an API at /full with the full job."""
    origin = f"http://127.0.0.1:{job.backend}"
    return {
        **configuration.resources(origin),
        "/apis/full": configuration.api("full", origin, key=True),
        "/apis/full/operations/item": configuration.operation("/item"),
        "/apis/full/policies/policy": {"format": "rawxml", "value": policy(job)},
        "/products/starter/apis/full": {},
    }


def written(job: Job, settings: Mapping[str, str]) -> None:
    """What others would see of a configuration: settings, and the policies of the full job."""
    name = "full" if job.full else "plain"
    job.write(f"passerelle-{name}.settings.json", json.dumps(dict(settings), indent=1) + "\n")
    if job.full:
        job.write("passerelle-product.xml", configuration.PRODUCT_POLICY + "\n")
        job.write("passerelle-api.xml", policy(job) + "\n")
