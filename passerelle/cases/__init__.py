"""Policy tests without a server: the world in memory, tables of cases, and what must come of them."""
