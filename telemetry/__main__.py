"""`python -m telemetry`: the child; started by a journal, not by hand."""

import signal

# First of all, before the imports take their time: only the end of the pipe ends the child.
for _each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_each, signal.SIG_IGN)

from telemetry.child import main  # noqa: E402

main()
