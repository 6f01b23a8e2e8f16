"""express-gateway. https://www.npmjs.com/package/express-gateway"""

from __future__ import annotations

from benchmarks.peers.fast_gateway import FOLDER
from benchmarks.peers.peer import Job, Peer, on_path

GATEWAY = """
http: {{ port: {port}, hostname: 127.0.0.1 }}
apiEndpoints: {{ all: {{ host: '*', paths: ['/*'] }} }}
serviceEndpoints: {{ backend: {{ url: 'http://127.0.0.1:{backend}' }} }}
policies: [proxy]
pipelines:
  all:
    apiEndpoints: [all]
    policies: [{{ proxy: [{{ action: {{ serviceEndpoint: backend }} }}] }}]
"""
SYSTEM = """
db: { redis: { emulate: true } }
crypto: { cipherKey: key, algorithm: aes256, saltRounds: 10 }
session: { secret: key }
"""


def program() -> str | None:
    return on_path("node")() if (FOLDER / "node_modules" / "express-gateway").is_dir() else None


def launch(job: Job) -> list[str]:
    config = FOLDER / "express-gateway-config"
    (config / "models").mkdir(parents=True, exist_ok=True)
    job.write("gateway.config.yml", GATEWAY.format(port=job.port, backend=job.backend), config)
    job.write("system.config.yml", SYSTEM, config)
    models = FOLDER / "node_modules" / "express-gateway" / "lib" / "config" / "models"
    for model in models.glob("*.json"):
        (config / "models" / model.name).write_bytes(model.read_bytes())
    script = FOLDER / "express-gateway.js"
    script.write_text(f"require('express-gateway')().load('{config.resolve()}').run()\n")
    return [program() or "node", str(script)]


peer = Peer("express-gateway", program, "make peers", launch, cost=4, environment={"LOG_LEVEL": "error"})
