"""The tables. Everything the plane knows is in them; keys are lower-case because ARM paths have no case.

A `key` is the path below the service, lower-case ("/apis/orders/operations/get"); "/" is the service itself. An `id` is
the same path as it was written when the resource was created.

A change here goes with a step in `migrations/versions/`; a test holds the two against each other.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

# keys are compared byte for byte on every database
TEXT = String().with_variant(String(collation="C"), "postgresql")

metadata = MetaData()

# `revision` is the number of the last change; `horizon` the newest revision whose log entry is gone.
services = Table(
    "services",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key", TEXT, nullable=False, unique=True),
    Column("id", TEXT, nullable=False),
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
    Column("key", TEXT, primary_key=True),
    Column("id", TEXT, nullable=False),
    Column("type", String, nullable=False),
    Column("collection", TEXT, nullable=False),
    Column("audience", TEXT, nullable=False),
    Column("lookup", TEXT),
    Column("body", Text, nullable=False),
    Column("wire", Text),
    Column("digest", String),
    Column("sealed", LargeBinary),
    Column("revision", Integer, nullable=False),
    Index("resources_by_collection", "service", "collection", "key"),
    Index("resources_by_audience", "service", "audience"),
    Index("resources_by_lookup", "service", "lookup"),
    Index("resources_by_type", "service", "type", "key"),
)

log = Table(
    "log",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("key", TEXT, nullable=False),
    Column("audience", TEXT, nullable=False),
    Column("op", String, nullable=False),
    Column("time", String, nullable=False),
)

# What a resource was before the revision that changed it (NULL: it was not there): the row as JSON, its secrets as they
# were sealed. Kept as long as the log.
former = Table(
    "former",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("row", Text),
    Column("sealed", LargeBinary),
    Index("former_by_key", "service", "key", "revision"),
)

# Who made a revision, see `author.py`. `restored` is the revision that it went back to, NULL for any other change. Kept
# as long as the log.
authors = Table(
    "authors",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("client", String, nullable=False),
    Column("restored", Integer),
)

# Who refers to whom. `rule` says what happens to the source when the target goes: restrict, cascade.
links = Table(
    "links",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("source", TEXT, primary_key=True),
    Column("target", TEXT, primary_key=True),
    Column("rule", String, nullable=False),
    Index("links_by_target", "service", "target"),
)

# The fingerprint of everything with one audience; sealed, because it is made of digests of secrets too.
sums = Table(
    "sums",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("audience", TEXT, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("gateway", TEXT, primary_key=True),
    Column("instance", TEXT, primary_key=True),
    Column("received", String, nullable=False),
    Column("document", Text, nullable=False),
)

# Traces of requests, as gateways sent them; sealed, because they tell of other people's requests.
traces = Table(
    "traces",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("gateway", TEXT, nullable=False),
    Column("received", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# What gateways counted of requests, per quarter of an hour (`start`, Unix seconds) and what they were for; names are
# empty where none applies. Times are milliseconds, `calls` and `backend_calls` what they were added up from.
figures = Table(
    "figures",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("gateway", TEXT, primary_key=True),
    Column("api", TEXT, primary_key=True),
    Column("operation", TEXT, primary_key=True),
    Column("product", TEXT, primary_key=True),
    Column("subscription", TEXT, primary_key=True),
    Column("user", TEXT, primary_key=True),
    Column("success", BigInteger, nullable=False),
    Column("blocked", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("other", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("misses", BigInteger, nullable=False),
    Column("time", Float, nullable=False),
    Column("shortest", Float, nullable=False),
    Column("longest", Float, nullable=False),
    Column("backend_calls", BigInteger, nullable=False),
    Column("backend_time", Float, nullable=False),
    Column("backend_shortest", Float, nullable=False),
    Column("backend_longest", Float, nullable=False),
)

# The last batch of figures of each instance of a gateway: what comes again is not counted again.
batches = Table(
    "batches",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("gateway", TEXT, primary_key=True),
    Column("instance", TEXT, primary_key=True),
    Column("boot", String, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("received", String, nullable=False),
)

# The last minutes of the same, by what came of the requests: `status` is 0 for a client that went away, `source` and
# `reason` are of the error, empty for none. Times are milliseconds.
minutes = Table(
    "minutes",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("gateway", TEXT, primary_key=True),
    Column("api", TEXT, primary_key=True),
    Column("status", Integer, primary_key=True),
    Column("source", TEXT, primary_key=True),
    Column("reason", TEXT, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("time", Float, nullable=False),
    Column("longest", Float, nullable=False),
    Column("backend_time", Float, nullable=False),
    Column("client_time", Float, nullable=False),
)

# The last requests, as reports show them; sealed, because they tell of other people's requests. What they are looked
# for by is not: `id` is the request's, `failed` 1 for one that did not go well.
requests = Table(
    "requests",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("service", Integer, nullable=False),
    Column("received", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("id", TEXT, nullable=False, server_default=""),
    Column("gateway", TEXT, nullable=False, server_default=""),
    Column("api", TEXT, nullable=False, server_default=""),
    Column("failed", Integer, nullable=False, server_default="0"),
    Index("requests_by_service", "service", "number"),
    Index("requests_by_id", "service", "id"),
    sqlite_autoincrement=True,
)

# Quota counters as each instance of a gateway last told them. A counter key may be somebody's token: `key` is a keyed
# digest of it, `sealed` holds it. `asked` is not empty while the instance has yet to confirm the values that somebody
# set here.
quotas = Table(
    "quotas",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("gateway", TEXT, primary_key=True),
    Column("instance", TEXT, primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("start", Float, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("window", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("asked", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("quotas_by_key", "service", "key"),
)

# Sign-in links that have been used, by their signature, until they would have ended: `ends` as the link says it.
redeemed = Table(
    "redeemed",
    metadata,
    Column("service", Integer, primary_key=True),
    Column("signature", String, primary_key=True),
    Column("ends", String, nullable=False),
)
