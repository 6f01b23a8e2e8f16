"""The tables. Everything the plane knows is in them; keys are lower-case because ARM paths have no case.

A `key` is the path below the service, lower-case ("/apis/orders/operations/get"); "/" is the service itself. An `id` is
the same path as it was written when the resource was created.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

SCHEMA_VERSION = "1"

metadata = MetaData()

meta = Table("meta", metadata, Column("name", String, primary_key=True), Column("value", Text, nullable=False))

# `revision` is the number of the last change; `horizon` the newest revision whose log entry is gone.
services = Table(
    "services",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False, unique=True),
    Column("id", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("horizon", Integer, nullable=False),
    sqlite_autoincrement=True,
)

# `body` is canonical JSON without secrets, `sealed` the secrets; `wire` is what gateways get where that differs from
# `body`, `digest` its SHA-256; both are NULL beside secrets, because a digest would let one guess them.
# `audience` says which gateways see it: "*", "-", "gateway:<id>", "api:<id>". `lookup` is a second name to find it by.
resources = Table(
    "resources",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("key", String, primary_key=True),
    Column("id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("collection", String, nullable=False),
    Column("audience", String, nullable=False),
    Column("lookup", String),
    Column("body", Text, nullable=False),
    Column("wire", Text),
    Column("digest", String),
    Column("sealed", LargeBinary),
    Column("revision", Integer, nullable=False),
    Index("resources_by_collection", "service", "collection", "key"),
    Index("resources_by_audience", "service", "audience"),
    Index("resources_by_lookup", "service", "lookup"),
)

log = Table(
    "log",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("id", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("audience", String, nullable=False),
    Column("op", String, nullable=False),
    Column("time", String, nullable=False),
)

# Who refers to whom. `rule` says what happens to the source when the target goes: restrict, cascade.
links = Table(
    "links",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("source", String, primary_key=True),
    Column("target", String, primary_key=True),
    Column("rule", String, nullable=False),
    Index("links_by_target", "service", "target"),
)

# The fingerprint of everything with one audience; sealed, because it is made of digests of secrets too.
sums = Table(
    "sums",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("audience", String, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("gateway", String, primary_key=True),
    Column("instance", String, primary_key=True),
    Column("received", String, nullable=False),
    Column("document", Text, nullable=False),
)

# Traces of requests, as gateways sent them; sealed, because they tell of other people's requests.
traces = Table(
    "traces",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("id", String, primary_key=True),
    Column("gateway", String, nullable=False),
    Column("received", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
