"""HAProxy. https://www.haproxy.org"""

from __future__ import annotations

from benchmarks.peers.peer import KEY_HEADER, Job, Peer, on_path


def launch(job: Job) -> list[str]:
    rules = ""
    if job.full:
        public = job.write("haproxy.pem", job.issuer.public_pem)
        rules = f"""
  log global
  option httplog
  stick-table type string len 64 size 1m expire 60s store http_req_rate(60s)
  http-request deny deny_status 401 unless {{ req.hdr({KEY_HEADER}) -m str {job.key} }}
  http-request track-sc0 req.hdr({KEY_HEADER})
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000000 }}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify("RS256","{public}") 1 }}
  http-request set-header X-Tenant contoso
  http-request set-header X-Api full
  http-response set-header X-Served-By haproxy"""
    text = f"""global
  nbthread 1
  maxconn 9000
  {"log stdout format raw local0" if job.full else ""}
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 300s
frontend front
  bind 127.0.0.1:{job.port}{rules}
  default_backend back
backend back
  http-reuse always
  server one 127.0.0.1:{job.backend}
"""
    return [on_path("haproxy")() or "haproxy", "-db", "-f", str(job.write(f"haproxy-{job.full}.cfg", text))]


peer = Peer("HAProxy", on_path("haproxy"), "apt-get install haproxy", launch, "no trace, no spans, no metrics sent")
