"""Request records leave the hot process here; everything OpenTelemetry. Start at `records.py`, then `child.py`.

The serving process may import `records`, `diagnostics`, `journal`, `log` and `memory` only: none of them knows
OpenTelemetry. All the rest runs in the telemetry child, a process of its own (`python -m telemetry`) at the other end
of a pipe.
"""
