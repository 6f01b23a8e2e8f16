"""`python -m telemetry`: the child; started by a journal, not by hand."""

from telemetry.child import main

main()
