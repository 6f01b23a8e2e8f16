"""Caddy. https://caddyserver.com"""

from __future__ import annotations

from benchmarks.peers.peer import KEY_HEADER, Job, Peer, on_path


def launch(job: Job) -> list[str]:
    rules = ""
    if job.full:
        rules = f"""
  log {{
    output file {job.directory}/caddy-access.log
  }}
  @nokey not header {KEY_HEADER} {job.key}
  respond @nokey 401
  request_header X-Tenant contoso
  request_header X-Api full
  header X-Served-By caddy"""
    text = f"""{{
  admin off
  auto_https off
}}
http://127.0.0.1:{job.port} {{{rules}
  reverse_proxy 127.0.0.1:{job.backend} {{
    transport http {{
      keepalive_idle_conns_per_host 256
    }}
  }}
}}
"""
    config = job.write(f"Caddyfile-{job.full}", text)
    return [on_path("caddy")() or "caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


peer = Peer(
    "Caddy", on_path("caddy"), "apt-get install caddy", launch, "no rate limit, no token, no trace, no spans",
    environment={"GOMAXPROCS": "1"},
)  # fmt: skip
