"""A process for tests of the house: says it is there, and ends as told. `python -m tests.cli.stand_in HOW`."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType


def main(how: str, notes: str = "") -> None:
    def note(_number: int, _frame: FrameType | None) -> None:
        with Path(notes).open("a") as file:
            file.write(f"{how}\n")
        sys.exit(0)

    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif notes:
        signal.signal(signal.SIGTERM, note)
    print(f"{how} is here", flush=True)
    if how == "ends":
        sys.exit(3)
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
