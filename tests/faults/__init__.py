"""Faults against real processes under load, and an oracle that knows each right answer: `python -m tests.faults`.

`row.py` says how a row is written, `place.py` what it finds, `line.py` how a connection is made to misbehave, `load.py`
who asks and who judges. A row is one file in `rows/`.
"""
