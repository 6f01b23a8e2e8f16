"""FastAPI with httpx on uvicorn: what Python emulators of the service are built of. https://fastapi.tiangolo.com"""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.peer import Job, Peer

FOLDER = Path("build/peers/python")

APP = """
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import Response

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url="http://127.0.0.1:%(backend)d") as client:
        app.state.client = client
        yield

app = FastAPI(lifespan=lifespan)

@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def forward(request: Request, path: str):
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    answer = await app.state.client.request(request.method, "/" + path, headers=headers, content=await request.body())
    return Response(answer.content, answer.status_code, {"Content-Type": answer.headers["Content-Type"]})
"""


def program() -> str | None:
    found = FOLDER / "bin" / "uvicorn"
    return str(found) if found.exists() else None


def launch(job: Job) -> list[str]:
    job.write("fastapi_httpx_app.py", APP % {"backend": job.backend})
    options = ["--host", "127.0.0.1", "--port", str(job.port), "--no-access-log", "--log-level", "warning"]
    return [program() or "uvicorn", "--app-dir", str(job.directory), "fastapi_httpx_app:app", *options]


peer = Peer("FastAPI + httpx", program, "make peers", launch, cost=8)
