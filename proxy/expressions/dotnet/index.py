"""The explicit list of tables; importing this fills the allow-list."""

from proxy.expressions.dotnet import (
    bodies,
    ciphers,
    collections,
    context,
    context_headers,
    convert,
    credentials,
    datetext,
    datetime,
    dictionaries,
    encoding,
    enums,
    exceptions,
    guid,
    json,
    linq,
    numbers,
    primitives,
    random,
    regex,
    strings,
    web,
)

TABLES = (
    primitives, enums, exceptions, strings, numbers, collections, dictionaries, linq, datetime, datetext, guid, convert, json,
    web, encoding, regex, random, context_headers, context, bodies, credentials, ciphers,
)  # fmt: skip
