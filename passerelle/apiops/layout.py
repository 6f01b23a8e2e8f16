"""Where a resource stands in an artifact folder. Pure.

    named values/<id>/namedValueInformation.json          {"properties": {...}}, ids in it relative to the service
    apis/<id>/specification.yaml                          what the API's operations are imported from
    apis/<id>/operations/<id>/policy.xml                  a policy document, as rawxml
    apis/<id>/operations/<id>/operationInformation.json   an operation that the specification cannot say; ours alone
    tags/<id>/apis/<id>/tagApiInformation.json            an association: {}
    products/<id>/apis.json                               the same in one file: [{"name": "<id>"}]
    workspaces/<id>/apis/<id>/...                         everything once more, inside a workspace

A folder's path alternates collections and names, as ids do; a few collections have names of their own, and those have
changed: `named values` is `namedValues` in what Azure/apiops-cli writes. All are read, the first ones are written.
What it is says the folder; the name of an information file only has to end with `Information.json`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

# collection of an id -> folder
FOLDERS = {
    "namedValues": "named values",
    "apiVersionSets": "version sets",
    "policyFragments": "policy fragments",
    "policyRestrictions": "policy restrictions",
    "tagDescriptions": "tag descriptions",
}
# folder without spaces, in lower case -> collection of an id
COLLECTIONS = {name.lower(): name for name in FOLDERS} | {"versionsets": "apiVersionSets"}
# collection path -> name of the file that holds the properties
INFORMATION = {
    "namedValues": "namedValueInformation.json",
    "tags": "tagInformation.json",
    "loggers": "loggerInformation.json",
    "backends": "backendInformation.json",
    "groups": "groupInformation.json",
    "gateways": "gatewayInformation.json",
    "apiVersionSets": "versionSetInformation.json",
    "schemas": "schemaInformation.json",
    "policyFragments": "policyFragmentInformation.json",
    "policyRestrictions": "policyRestrictionInformation.json",
    "diagnostics": "diagnosticInformation.json",
    "products": "productInformation.json",
    "subscriptions": "subscriptionInformation.json",
    "apis": "apiInformation.json",
    "apis/diagnostics": "diagnosticInformation.json",
    "apis/releases": "apiReleaseInformation.json",
    "apis/operations": "operationInformation.json",
    "apis/operations/tags": "operationTagInformation.json",
    "apis/schemas": "apiSchemaInformation.json",
    "apis/resolvers": "resolverInformation.json",
    "apis/tagDescriptions": "tagDescriptionInformation.json",
    "apis/wikis": "wikiInformation.json",
    "products/apis": "productApiInformation.json",
    "products/groups": "productGroupInformation.json",
    "products/wikis": "wikiInformation.json",
    "gateways/apis": "gatewayApiInformation.json",
    "tags/apis": "tagApiInformation.json",
    "tags/products": "tagProductInformation.json",
    # what APIOps does not know, named in its manner
    "authorizationServers": "authorizationServerInformation.json",
    "caches": "cacheInformation.json",
    "certificates": "certificateInformation.json",
    "openidConnectProviders": "openidConnectProviderInformation.json",
    "workspaces": "workspaceInformation.json",
}
# of a resource with another one, by nothing but their names
ASSOCIATIONS = frozenset(
    {"products/apis", "products/groups", "gateways/apis", "tags/apis", "tags/products", "apis/operations/tags"}
)
# a file of associations -> their collection
LISTS = {"apis.json": "apis", "groups.json": "groups", "tags.json": "tags"}
POLICY = "policy.xml"
# file -> format of the import, which brings that document back with an export. A GraphQL API has its schema instead
FORMATS = {
    "specification.yaml": "openapi",
    "specification.yml": "openapi",
    "specification.json": "openapi+json",
    "specification.wsdl": "wsdl",
    "specification.wadl": "wadl-xml",
    # what APIOps leaves out
    "specification.edmx": "odata",
    "specification.proto": "grpc",
}
SPECIFICATIONS = {format: file for file, format in FORMATS.items() if file != "specification.yml"}
GRAPHQL, GRAPHQL_SCHEMA = "specification.graphql", "application/vnd.ms-azure-apim.graphql.schema"
# what every service has and no folder says
BUILT_IN = {
    *("/groups/administrators", "/groups/developers", "/groups/guests"),
    *("/subscriptions/master", "/users/1"),
}


def folder_of(id: str) -> PurePosixPath:
    """`named values/n` of `/namedValues/n`; associations of tags stand below the tag."""
    workspace, parts = _in_workspace(tuple(id.strip("/").split("/")))
    parts = _turned(parts) if len(parts) == 4 and parts[2] == "tags" else parts
    return PurePosixPath(*workspace, *(FOLDERS.get(part, part) if n % 2 == 0 else part for n, part in enumerate(parts)))


def id_of(folder: PurePosixPath) -> str:
    """The other way round; "" for the root. ValueError for a folder that is no resource's."""
    named = tuple(collection(part) if n % 2 == 0 else part for n, part in enumerate(folder.parts))
    if len(named) % 2:
        raise ValueError(f"{folder} is the folder of a collection")
    workspace, parts = _in_workspace(named)
    parts = _turned(parts) if len(parts) == 4 and parts[0] == "tags" else parts
    return "".join(f"/{part}" for part in (*workspace, *parts))


def collection(folder: str) -> str:
    """As ids have it: `namedValues` of `named values`."""
    return COLLECTIONS.get(folder.replace(" ", "").lower(), folder)


def collection_path(id: str) -> str:
    """`apis/operations` of `/apis/a/operations/o`, as the layout sees it; that of a workspace's is the same."""
    _, parts = _in_workspace(folder_of(id).parts)
    return "/".join(collection(part) for part in parts[0::2])


def _in_workspace(parts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    inside = len(parts) > 2 and parts[0] == "workspaces"
    return (parts[:2], parts[2:]) if inside else ((), parts)


def _turned(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (*parts[2:], *parts[:2])
