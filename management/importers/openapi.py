"""OpenAPI 2.0, 3.0 and 3.1 -> an API with operations. Read first: `import_document`.

Rules: https://learn.microsoft.com/azure/api-management/api-management-api-import-restrictions
- Names and display names: see `naming.py`. Order is that of the document, `paths` before `x-ms-paths`.
- Parameters of the path item hold for each of its operations unless an operation has its own of that name and place.
- Required query parameters become part of the URL template; names must be unique within the template.
- The first https server is the service URL; none, if there is none (2.0 falls back to http, its only other scheme).
- The body is dropped for GET, HEAD and OPTIONS; security, cookies, callbacks, links, TRACE and the servers of paths
  and operations are ignored.
- ARM's status codes are numbers: "2XX" stands for 200 (and so on) where that code is not described itself, and
  "default" is taken, as 200, only where it is the whole description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from management.importers import swagger
from management.importers.document import read
from management.importers.imported import ImportedApi, ImportedOperation, ImportRefused
from management.importers.naming import Names
from management.importers.parameters import Parameters, described
from management.importers.references import References
from management.importers.samples import examples
from management.importers.types import Types

# ARM format -> syntax of the text. Which OpenAPI version it is, the document itself says.
FORMATS = {"openapi": "yaml", "openapi+json": "json", "swagger-json": "json"}

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
WITHOUT_BODY = frozenset({"get", "head", "options"})
LONGEST_DISPLAY_NAME = 300
LONGEST_TEMPLATE = 1000

_LOOPBACK = re.compile(r"http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?:[:/]|$)", re.IGNORECASE)
_VARIABLE = re.compile(r"\{([^{}]+)\}")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|XX)")


def import_document(
    document: str | bytes | dict[str, Any], format: str, *, required_query: str = "template"
) -> ImportedApi:
    """The API that `document` describes. Raises ImportRefused.

    `format` is one of FORMATS; `required_query` is ARM's `translateRequiredQueryParameters`: "template" puts required
    query parameters into the URL template, "query" leaves them among the query parameters.
    """
    if format not in FORMATS:
        raise ImportRefused(f'The format "{format}" is not one of {", ".join(FORMATS)}', "format")
    source = read(document, FORMATS[format])
    references = References(source)
    described_in = str(source.get("openapi") or source.get("swagger") or "")
    if "openapi" in source and described_in.startswith(("3.0", "3.1")):
        api, schemas = source, references.object(source.get("components", {}), "#/components").get("schemas", {})
    elif "swagger" in source and described_in.startswith("2"):
        api, schemas = swagger.upgraded(source, references), source.get("definitions", {})
    else:
        raise ImportRefused('The document says neither "openapi": "3.0.x" or "3.1.x" nor "swagger": "2.0"', "#/openapi")
    if "paths" not in source and not described_in.startswith("3.1"):
        # half a document; imported over an API it would take away all operations
        raise ImportRefused('The document has no "paths"', "#/paths")
    info = references.object(api.get("info", {}), "#/info")
    types = Types(references.object(schemas, "#/schemas"), references)
    operations = list(_operations(api, references, types, required_query == "template"))
    return ImportedApi(
        display_name=str(info.get("title") or "")[:LONGEST_DISPLAY_NAME],
        description=str(info.get("description") or ""),
        service_url=_service_url(api, plain_http=api is not source),
        operations=operations,
        schemas=types.schemas,
        older=api is not source,
    )


def _service_url(api: Mapping[str, Any], plain_http: bool) -> str | None:
    """The first https server, as documented. Plain http counts in Swagger 2, and on the loopback of a local plane."""
    servers = api.get("servers")
    urls = [_server(server) for server in (servers if isinstance(servers, list) else []) if isinstance(server, Mapping)]
    secure = (url for url in urls if url.lower().startswith("https://"))
    plain = (url for url in urls if url.lower().startswith("http://") and (plain_http or _LOOPBACK.match(url)))
    return next(chain(secure, plain), None)


def _server(server: Mapping[str, Any]) -> str:
    """The URL of a server object with each variable at its default."""
    variables = server.get("variables")

    def default(match: re.Match[str]) -> str:
        variable = variables.get(match[1]) if isinstance(variables, Mapping) else None
        return str(variable.get("default", match[0])) if isinstance(variable, Mapping) else match[0]

    return _VARIABLE.sub(default, str(server.get("url") or ""))


def _operations(
    api: Mapping[str, Any], references: References, types: Types, required_in_template: bool
) -> Iterator[ImportedOperation]:
    names = Names()
    for collection in ("paths", "x-ms-paths"):
        for path, entry in references.object(api.get(collection) or {}, f"#/{collection}").items():
            if not path.startswith("/"):
                continue
            place = f"#/{collection}/{path.replace('~', '~0').replace('/', '~1')}"
            item = references.object(entry, place)
            for method in METHODS:
                if method not in item:
                    continue
                target = f"{place}/{method}"
                operation = references.object(item[method], target)
                parameters = Parameters(item, operation, references, types, path, method, target)
                media = Media(references, types, (path, method))
                template = parameters.template(path, required_in_template)
                if len(template) > LONGEST_TEMPLATE:
                    raise ImportRefused(f"The URL template has more than {LONGEST_TEMPLATE} characters", target)
                operation_id = str(operation.get("operationId") or "")
                name = names.give(operation_id, method, path, target)
                yield ImportedOperation(
                    name,
                    {
                        "displayName": (str(operation.get("summary") or "") or operation_id or name)[
                            :LONGEST_DISPLAY_NAME
                        ],
                        "method": method.upper(),
                        "urlTemplate": template,
                        "description": described(operation),
                        "templateParameters": parameters.of_template,
                        "request": _request(method, operation, parameters, media, target),
                        "responses": list(_responses(operation, parameters, media, f"{target}/responses")),
                    },
                )


def _request(
    method: str, operation: Mapping[str, Any], parameters: Parameters, media: Media, target: str
) -> dict[str, Any]:
    body: Mapping[str, Any] = {}
    if method not in WITHOUT_BODY and operation.get("requestBody"):
        body = media.references.object(operation["requestBody"], f"{target}/requestBody")
    return {
        "description": described(body),
        "queryParameters": parameters.of_query,
        "headers": parameters.of_headers,
        "representations": media.representations(body, f"{target}/requestBody", "Request"),
    }


def _responses(
    operation: Mapping[str, Any], parameters: Parameters, media: Media, target: str
) -> Iterator[dict[str, Any]]:
    references = media.references
    described_codes = references.object(operation.get("responses") or {}, target)
    codes = {str(code).upper(): response for code, response in described_codes.items()}
    if set(codes) == {"DEFAULT"}:
        codes = {"200": codes["DEFAULT"]}
    for code, entry in codes.items():
        number = code.replace("X", "0")
        if not _STATUS.fullmatch(code) or (number != code and number in codes):
            continue
        response = references.object(entry, f"{target}/{code}")
        headers = references.object(response.get("headers") or {}, f"{target}/{code}/headers")
        yield {
            "statusCode": int(number),
            "description": described(response),
            "headers": [
                parameters.contract(name, references.object(header, f"{target}/{code}/headers"), target)
                for name, header in headers.items()
            ],
            "representations": media.representations(response, f"{target}/{code}", number, "Response"),
        }


@dataclass(slots=True, frozen=True)
class Media:
    """What the bodies of one operation are; `place` is its path and method."""

    references: References
    types: Types
    place: tuple[str, ...]

    def representations(self, holder: Mapping[str, Any], target: str, *part: str) -> list[dict[str, Any]]:
        """What a request body or a response may carry, by content type; `part` is "Request", or a status and
        "Response"."""
        listed = []
        for content_type, entry in self.references.object(holder.get("content") or {}, f"{target}/content").items():
            media = self.references.object(entry or {}, f"{target}/content")
            representation: dict[str, Any] = {"contentType": content_type}
            representation |= self.types.of_body(media.get("schema"), *self.place, *part[:-1], content_type, part[-1])
            shown = examples(content_type, media, self.references, f"{target}/content")
            if shown:
                representation["examples"] = shown
            listed.append(representation)
        return listed
