"""Record the README's terminal session: docs/pictures/session.cast (asciicast v2), and session.svg made of it.

    python -m tests.pictures.session

A real shell in a pseudo terminal runs real commands against a real `passerelle up`; only waiting is shortened. The
ports 9080, 8080, 8081 and 9090 must be free. The drawing is done by svg-term-cli, fetched by npx.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
COLUMNS, ROWS = 104, 30
PROMPT = "\x1b[1;36m$\x1b[0m "
TYPING = 0.035  # seconds a key
PAUSE = 1.6  # seconds after a command's output
LONGEST_GAP = 0.7  # seconds; longer ones are cut
FIRST_HEARTBEATS = 7.0  # seconds until the plane has heard of the sidecars
PATIENCE = 90.0  # seconds for one command
DRAW = ["npx", "--yes", "svg-term-cli@2.1.1", "--window", "--width", str(COLUMNS), "--height", str(ROWS)]

KEY = '-H "Ocp-Apim-Subscription-Key: $KEY"'
SAID = [
    "# an open gateway for Azure API Management's configuration. Everything starts with one command:",
    "(passerelle up > up.log 2>&1 &)",
    "until grep -qs Ctrl-C up.log; do sleep 0.2; done; KEY=$(grep -o 'Key: [0-9a-f]*' up.log | head -1 | cut -c6-)",
    "passerelle gateways",
    f"curl -si localhost:8080/shop/books/1 {KEY} | grep -v '^Date\\|^Server'",
    "# a service is a folder, too. Break a policy in it:",
    "passerelle export folder",
    'sed -i \'s/<set-header name="X-Shop"/<set-heade name="X-Shop"/\' folder/apis/shop/policy.xml',
    "passerelle apply folder",
    "# refused, with its place. Mend it, and change something:",
    "sed -i 's/<set-heade /<set-header /; s/X-Shop/X-Store/' folder/apis/shop/policy.xml",
    "passerelle apply folder && passerelle diff 12",
    "# the management plane dies. The gateways do not care:",
    "kill -9 $(pgrep -P $(cat .passerelle/run/up.lock) -f management); sleep 1; "
    f"curl -s -o /dev/null -w '%{{http_code}}\\n' localhost:8080/shop/books/1 {KEY}",
    "passerelle doctor",
    "(passerelle start management >> up.log 2>&1 &); sleep 4; passerelle rollback 12 && passerelle revisions --last 2",
]


class Recorder:
    """A shell in a pseudo terminal, and what it wrote, each piece with its time."""

    def __init__(self, home: Path) -> None:
        self._home, self._clock, self.events = home, 0.0, list[tuple[float, str]]()
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.chdir(home)
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            environment = {"PATH": path, "HOME": str(home), "TERM": "xterm-256color", "PS1": "", "LANG": "C.UTF-8"}
            if "PYTHONPATH" in os.environ:
                environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
            environment |= {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "+m"], environment)
        self.pid = pid
        self._ask("stty -echo; bind 'set enable-bracketed-paste off'; echo READY", "READY")

    def say(self, command: str) -> None:
        """Type a command, as a person would, and wait until it is done."""
        self._show(PROMPT)
        for word in re.findall(r"\S+\s*", command):
            self._clock += TYPING * len(word)
            self._show(word)
        self._clock += 0.3
        self._show("\r\n")
        if not command.startswith("#"):
            mark = f"DONE-{time.monotonic_ns()}"
            self._ask(f"{command}{'' if command.endswith('&') else ';'} echo {mark}", mark, show=True)
            self._clock += PAUSE

    def _ask(self, line: str, mark: str, show: bool = False) -> None:
        os.write(self._terminal, f"{line}\n".encode())
        text, shown, end = "", 0, time.monotonic() + PATIENCE
        last = time.monotonic()
        while mark not in text.replace(f"echo {mark}", ""):
            if time.monotonic() > end:
                raise TimeoutError(f"{line}\n{text}")
            if not select.select([self._terminal], [], [], 0.1)[0]:
                continue
            text += os.read(self._terminal, 65_536).decode("utf-8", "replace")
            now = time.monotonic()
            ready = text.rfind("\n") + 1
            if show and ready > shown and mark not in text[shown:ready]:
                self._clock += min(now - last, LONGEST_GAP)
                self._show(text[shown:ready])
                shown = ready
            last = now
        if show:
            self._show(text[shown : text.index(mark)])

    def _show(self, text: str) -> None:
        """What is about this machine is not shown."""
        text = text.replace(str(self._home), "~")
        if text:
            self.events.append((round(self._clock, 3), text))


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="session-"))
    recorder = Recorder(home)
    try:
        for command in SAID:
            recorder.say(command)
            if "until" in command:
                time.sleep(FIRST_HEARTBEATS)
    finally:
        holder = home / ".passerelle" / "run" / "up.lock"
        if holder.exists():
            os.kill(int(holder.read_text()), signal.SIGTERM)
        os.kill(recorder.pid, signal.SIGHUP)
    PICTURES.mkdir(exist_ok=True)
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "Passerelle"}
    lines = [json.dumps(head), *(json.dumps([at, "o", text], ensure_ascii=False) for at, text in recorder.events)]
    cast = PICTURES / "session.cast"
    cast.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if shutil.which("npx") is None:
        print("no npx here: install node to draw session.svg")
        return
    subprocess.run([*DRAW, "--in", str(cast), "--out", str(PICTURES / "session.svg")], check=True)
    print(f"{cast} and session.svg: {recorder.events[-1][0]:.0f} s, {(PICTURES / 'session.svg').stat().st_size} bytes")


if __name__ == "__main__":
    main()
