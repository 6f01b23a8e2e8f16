"""fast-gateway, the quickest gateway on Node. https://www.npmjs.com/package/fast-gateway"""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.peer import KEY_HEADER, Job, Peer, on_path

FOLDER = Path("build/peers/node")

PLAIN = """
const gateway = require('fast-gateway')
const routes = [{ prefix: '', pathRegex: '*', target: 'http://127.0.0.1:%(backend)d' }]
gateway({ routes }).start(%(port)d, '127.0.0.1')
"""
FULL = """
const gateway = require('fast-gateway')
const verify = require('fast-jwt').createVerifier({ key: `%(pem)s`, cache: true, algorithms: ['RS256'] })
const log = require('fs').createWriteStream('%(directory)s/fast-gateway-access.log')
const counters = new Map()
function deny (res, status) { res.statusCode = status; res.end() }
function admit (req, res, next) {
  const key = req.headers['%(header)s']
  if (key !== '%(key)s') return deny(res, 401)
  const count = (counters.get(key) || 0) + 1
  counters.set(key, count)
  if (count > 1e9) return deny(res, 429)
  try { verify((req.headers.authorization || '').slice(7)) } catch (problem) { return deny(res, 401) }
  req.headers['x-tenant'] = 'contoso'
  req.headers['x-api'] = 'full'
  res.setHeader('X-Served-By', 'fast-gateway')
  const began = process.hrtime.bigint()
  res.on('finish', () => {
    const spent = process.hrtime.bigint() - began
    log.write(`${new Date().toISOString()} ${req.method} ${req.url} ${res.statusCode} ${spent}\\n`)
  })
  return next()
}
const routes = [{ prefix: '', pathRegex: '*', target: 'http://127.0.0.1:%(backend)d' }]
gateway({ middlewares: [admit], routes }).start(%(port)d, '127.0.0.1')
"""


def program() -> str | None:
    return on_path("node")() if (FOLDER / "node_modules" / "fast-gateway").is_dir() else None


def launch(job: Job) -> list[str]:
    values = {
        "backend": job.backend, "port": job.port, "key": job.key, "header": KEY_HEADER.lower(),
        "pem": job.issuer.public_pem, "directory": job.directory,
    }  # fmt: skip
    text = (FULL if job.full else PLAIN) % values
    script = job.write(f"fast-gateway-{job.full}.js", text, FOLDER)  # beside its modules, where Node looks for them
    return [program() or "node", str(script)]


peer = Peer("fast-gateway", program, "make peers", launch, "no trace, no spans, no metrics")
