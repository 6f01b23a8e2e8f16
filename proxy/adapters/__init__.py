"""The world behind the ports: connections from clients, connections to backends, time, counters."""
