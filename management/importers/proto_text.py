"""A protobuf definition (the text of one .proto file) -> a gRPC API with one operation for each method.

https://learn.microsoft.com/azure/api-management/grpc-api
Only services are read, messages are the backend's business: the text is split into words, comments and strings are
skipped, and what stands between braces of other kinds is passed over. Imports need not be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from management.importers.imported import ImportedApi, ImportedOperation, ImportedSchema, ImportRefused
from management.importers.naming import Names

SCHEMA, SCHEMA_ID = "text/protobuf", "protobuf"
MOST_METHODS = 2000
_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<name>\.?[A-Za-z_][\w.]*)"""
    r"""|(?P<other>[0-9][\w.+-]*|/(?![*/])|[^\s\w"'/])""",
    re.DOTALL,
)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def import_proto(text: str) -> ImportedApi:
    """Raises ImportRefused with line and column."""
    package, methods, service_names = _Reader(text).read()
    names = Names()
    operations = []
    for service, method, request, response, streams in methods:
        full = f"{package}.{service}" if package else service
        properties = {
            "displayName": method,
            "method": "POST",
            "urlTemplate": f"/{full}/{method}",
            "description": streams,
            "templateParameters": [],
            "request": {
                "description": "", "queryParameters": [], "headers": [],
                "representations": [{"contentType": "application/grpc", "schemaId": SCHEMA_ID, "typeName": request}],
            },
            "responses": [{
                "statusCode": 200, "description": "", "headers": [],
                "representations": [{"contentType": "application/grpc", "schemaId": SCHEMA_ID, "typeName": response}],
            }],
        }  # fmt: skip
        operations.append(ImportedOperation(names.give(f"{service}-{method}", "post", method, "value"), properties))
    return ImportedApi(
        display_name=service_names[0],
        description="",
        service_url=None,
        operations=operations,
        documents=[ImportedSchema(SCHEMA_ID, SCHEMA, text)],
        type="grpc",
    )


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._words = list(self._split())
        self._at = 0

    def _split(self) -> Iterator[tuple[str, int]]:
        place = 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if found is None:
                open = self._text[place] in "\"'/"
                raise self._refused("a comment or a string is not closed" if open else "this is not understood", place)
            if found.lastgroup:
                yield found[0], place
            place = found.end()

    def read(self) -> tuple[str, list[tuple[str, str, str, str, str]], list[str]]:
        """(package, methods, names of services)"""
        package, services = "", []
        methods: list[tuple[str, str, str, str, str]] = []
        depth = 0
        while self._at < len(self._words):
            word = self._next()
            if word == "{":
                depth += 1
            elif word == "}":
                depth -= 1
            elif depth == 0 and word == "package":
                package = self._next()
                self._take(";")
            elif depth == 0 and word == "service":
                services.append(self._name("a service"))
                methods += self._service(services[-1])
            elif depth == 0 and word in ("syntax", "import", "option", "edition"):
                self._statement()
            if depth < 0:
                raise self._refused("there is a } too many", self._words[self._at - 1][1])
        if depth:
            raise self._refused("a { is not closed", len(self._text))
        if not methods:
            raise ImportRefused("The definition has no service with methods, so there is nothing to call")
        if len(methods) > MOST_METHODS:
            raise ImportRefused(f"The definition has more than {MOST_METHODS} methods")
        return package, methods, services

    def _service(self, service: str) -> Iterator[tuple[str, str, str, str, str]]:
        self._take("{")
        while (word := self._next()) != "}":
            if word == "rpc":
                method = self._name("a method")
                incoming, request = self._message()
                self._take("returns")
                outgoing, response = self._message()
                if self._next() == "{":
                    self._block()
                told = {(False, False): "Unary", (False, True): "Server streaming",
                        (True, False): "Client streaming", (True, True): "Bidirectional streaming"}  # fmt: skip
                yield service, method, request, response, told[incoming, outgoing]
            elif word == "{":
                self._block()

    def _message(self) -> tuple[bool, str]:
        """(is it a stream, its type)"""
        self._take("(")
        word = self._next()
        stream = word == "stream" and self._peek() != ")"
        name = self._next() if stream else word
        self._take(")")
        return stream, name.lstrip(".")

    def _statement(self) -> None:
        while (word := self._next()) != ";":
            if word == "{":
                self._block()

    def _block(self) -> None:
        """To the brace that closes the one just read."""
        depth = 1
        while depth:
            word = self._next()
            depth += (word == "{") - (word == "}")

    def _peek(self) -> str:
        return self._words[self._at][0] if self._at < len(self._words) else ""

    def _next(self) -> str:
        if self._at >= len(self._words):
            raise self._refused("the text ends too early", len(self._text))
        self._at += 1
        return self._words[self._at - 1][0]

    def _name(self, what: str) -> str:
        word = self._next()
        if not _IDENTIFIER.fullmatch(word):
            raise self._refused(f"'{word[:40]}' cannot be the name of {what}", self._words[self._at - 1][1])
        return word

    def _take(self, wanted: str) -> None:
        word = self._next()
        if word != wanted:
            raise self._refused(f"'{wanted}' is expected, not '{word[:40]}'", self._words[self._at - 1][1])

    def _refused(self, problem: str, place: int) -> ImportRefused:
        line = self._text.count("\n", 0, place) + 1
        column = place - self._text.rfind("\n", 0, place)
        return ImportRefused(f"The definition cannot be read: {problem}", line=line, column=column)
