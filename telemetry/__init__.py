"""Request records leave the hot process here; everything OpenTelemetry. Start at `records.py`, then `child.py`."""
