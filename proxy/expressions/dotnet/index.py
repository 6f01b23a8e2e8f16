"""The explicit list of tables; importing this fills the allow-list."""

from proxy.expressions.dotnet import (
    bodies,
    builder,
    characters,
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
    json_containers,
    linq,
    numbers,
    primitives,
    random,
    regex,
    strings,
    web,
    xml_linq,
)

TABLES = (
    primitives, enums, exceptions, strings, numbers, collections, dictionaries, linq, datetime, datetext, guid, convert,
    json, json_containers, builder, characters, web, encoding, regex, random, context_headers, context, bodies,
    credentials, ciphers, xml_linq,
)  # fmt: skip
