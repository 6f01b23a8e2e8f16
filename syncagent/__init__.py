"""The sync agent: restore, poll, persist, publish, heartbeat. Start reading at `agent.py`."""
