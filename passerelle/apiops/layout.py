"""Where a resource stands in an artifact folder. Pure.

    named values/<id>/namedValueInformation.json          {"properties": {...}}, ids in it relative to the service
    apis/<id>/specification.yaml                          what the API's operations are imported from
    apis/<id>/operations/<id>/policy.xml                  a policy document, as rawxml
    apis/<id>/operations/<id>/operationInformation.json   an operation that the specification cannot say; ours alone
    tags/<id>/apis/<id>/tagApiInformation.json            an association: {}

A folder's path alternates collections and names, as ids do; a few collections have names of their own.
"""

from __future__ import annotations

from pathlib import PurePosixPath

FOLDERS = {
    "namedValues": "named values",
    "apiVersionSets": "version sets",
    "policyFragments": "policy fragments",
}
COLLECTIONS = {folder: collection for collection, folder in FOLDERS.items()}
# collection path -> name of the file that holds the properties
INFORMATION = {
    "namedValues": "namedValueInformation.json",
    "tags": "tagInformation.json",
    "loggers": "loggerInformation.json",
    "backends": "backendInformation.json",
    "groups": "groupInformation.json",
    "gateways": "gatewayInformation.json",
    "apiVersionSets": "versionSetInformation.json",
    "policyFragments": "policyFragmentInformation.json",
    "diagnostics": "diagnosticInformation.json",
    "products": "productInformation.json",
    "subscriptions": "subscriptionInformation.json",
    "apis": "apiInformation.json",
    "apis/diagnostics": "diagnosticInformation.json",
    "apis/releases": "apiReleaseInformation.json",
    "apis/operations": "operationInformation.json",
    "apis/schemas": "apiSchemaInformation.json",
    "apis/resolvers": "resolverInformation.json",
    "products/apis": "productApiInformation.json",
    "products/groups": "productGroupInformation.json",
    "gateways/apis": "gatewayApiInformation.json",
    "tags/apis": "tagApiInformation.json",
    "tags/products": "tagProductInformation.json",
}
POLICY = "policy.xml"
# file -> format of the import, which brings that document back with an export. A GraphQL API has its schema instead
FORMATS = {
    "specification.yaml": "openapi",
    "specification.yml": "openapi",
    "specification.json": "openapi+json",
    "specification.wsdl": "wsdl",
    "specification.wadl": "wadl-xml",
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
    parts = id.strip("/").split("/")
    if len(parts) == 4 and parts[2] == "tags":
        parts = [*parts[2:], *parts[:2]]
    return PurePosixPath(*(FOLDERS.get(part, part) if n % 2 == 0 else part for n, part in enumerate(parts)))


def id_of(folder: PurePosixPath) -> str:
    """The other way round; "" for the root. ValueError for a folder that is no resource's."""
    parts = [COLLECTIONS.get(part, part) if n % 2 == 0 else part for n, part in enumerate(folder.parts)]
    if len(parts) % 2:
        raise ValueError(f"{folder} is the folder of a collection")
    if len(parts) == 4 and parts[0] == "tags":
        parts = [*parts[2:], *parts[:2]]
    return "".join(f"/{part}" for part in parts)


def collection_path(id: str) -> str:
    """`apis/operations` of `/apis/a/operations/o`, as the layout sees it."""
    parts = [COLLECTIONS.get(part, part) for part in folder_of(id).parts[0::2]]
    return "/".join(parts)
