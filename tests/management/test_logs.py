"""The plane's log: one event, one line, whatever a client put into its path, and nobody waits for its reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CODE = """
import logging, os
from telemetry.log import configure
configure(os.environ, "management")
log = logging.getLogger("management.app")
log.info("GET %s failed", "/a\\r\\n2026 info management: all is well")
try:
    raise OSError("disk")
except OSError:
    log.exception("it\\nbroke")
log.debug("quiet")
"""


def test_a_client_cannot_forge_an_event() -> None:
    root = str(Path(__file__).resolve().parents[2])
    for shape in ("text", "json"):
        environment = {**os.environ, "PYTHONPATH": root, "telemetry.logs.std": shape}
        ran = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
        failed, broke = ran.stdout.splitlines()
        if shape == "text":
            assert failed.startswith("[Info] ")
            assert "[management.app], message: GET /a\\r\\n2026 info management: all is well failed" in failed
            assert "OSError: disk" in broke
        else:
            assert json.loads(failed)["message"] == "GET /a\r\n2026 info management: all is well failed"
            assert "OSError: disk" in json.loads(broke)["exception"]
