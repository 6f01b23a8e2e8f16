"""What the Azure CLI is asked, in order, and what its answer must hold.

`@` stands for the service (`-g local -n passerelle`), `#` for its group with the long name of the service
(`-g local --service-name passerelle`), `DOCS` for the folder of documents, `OUT` for an empty folder, `ARM` for the
address of the service. What is expected: a dict that the answer holds, a list of names that it lists, a number of
items, a text that is in it, None for no answer, and `Fails` for a text in what the CLI says when it gives up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fails:
    text: str


STEPS: tuple[tuple[str, Any], ...] = (
    ("apim list", ["passerelle"]),
    ("apim list -g local", ["passerelle"]),
    ("apim show @", {"name": "passerelle", "provisioningState": "Succeeded"}),
    ("apim check-name -n passerelle", {"nameAvailable": False}),
    ("apim check-name -n another", {"nameAvailable": True}),
    ("apim update @ --set tags.team=a", {"tags": {"team": "a"}}),
    ("apim update @ --publisher-name Somebody", {"publisherName": "Somebody"}),
    ("apim wait @ --exists", None),
    ("apim show -g local -n nothing", Fails("not found")),
    # APIs
    (
        "apim api create # --api-id hand --path hand --display-name Hand --protocols https http"
        " --service-url https://backend.example --subscription-required false",
        {"name": "hand", "displayName": "Hand", "protocols": ["https", "http"], "subscriptionRequired": False},
    ),
    ("apim api show # --api-id hand", {"name": "hand", "isCurrent": True}),
    ("apim api update # --api-id hand --display-name Byhand", {"displayName": "Byhand"}),
    ("apim api update # --api-id hand --set description=made", {"description": "made"}),
    ("apim api list #", ["hand"]),
    ("apim api list # --filter-display-name Byhand", ["hand"]),
    ("apim api list # --filter-display-name Nothing", []),
    ("apim api list # --top 1 --skip 0", ["hand"]),
    ("apim api wait @ --api-id hand --exists", None),
    ("apim api show # --api-id nothing", Fails("Api not found")),
    (
        "apim api import # --api-id yaml --path yaml --specification-format OpenApi"
        " --specification-path DOCS/orders.openapi.yaml",
        {"displayName": "Orders", "serviceUrl": "https://backend.example/v1"},
    ),
    (
        "apim api import # --api-id json --path json --specification-format OpenApiJson"
        " --specification-path DOCS/orders.openapi.json",
        {"name": "json"},
    ),
    (
        "apim api import # --api-id swagger --path swagger --specification-format Swagger"
        " --specification-path DOCS/orders.swagger.json",
        {"serviceUrl": "https://backend.example/v1"},
    ),
    (
        "apim api import # --api-id wadl --path wadl --specification-format Wadl"
        " --specification-path DOCS/orders.wadl.xml",
        {"name": "wadl"},
    ),
    (
        "apim api import # --api-id soap --path soap --specification-format Wsdl --api-type soap"
        " --specification-path DOCS/orders.wsdl.xml",
        {"name": "soap"},
    ),
    (
        "apim api import # --api-id rest --path rest --specification-format Wsdl --api-type http"
        " --specification-path DOCS/orders.wsdl.xml --wsdl-service-name OrdersService --wsdl-endpoint-name OrdersSoap",
        {"name": "rest"},
    ),
    (
        "apim api import # --api-id graph --path graph --specification-format GraphQL --display-name Graph"
        " --specification-path DOCS/orders.graphql",
        {"name": "graph"},
    ),
    ("apim api import # --path bad --specification-format OpenApi --specification-path DOCS/resolver.xml", Fails("")),
    ("apim api export # --api-id yaml --export-format OpenApiYamlFile --file-path OUT", "yaml_openapi.yaml"),
    ("apim api export # --api-id yaml --export-format OpenApiJsonFile --file-path OUT", "yaml_openapi+json.json"),
    ("apim api export # --api-id yaml --export-format SwaggerFile --file-path OUT", "yaml_swagger.json"),
    ("apim api export # --api-id wadl --export-format WadlFile --file-path OUT", "wadl_wadl.xml"),
    ("apim api export # --api-id yaml --export-format OpenApiJsonUrl", "http"),
    ("apim api export # --api-id soap --export-format WsdlFile --file-path OUT", "soap_wsdl.xml"),
    # operations
    ("apim api operation list # --api-id yaml", 2),
    (
        "apim api operation create # --api-id hand --operation-id get --display-name Get --method GET"
        " --url-template /x/{id} --params name=id type=string required=true",
        {"name": "get", "method": "GET", "urlTemplate": "/x/{id}"},
    ),
    ("apim api operation show # --api-id hand --operation-id get", {"displayName": "Get"}),
    (
        "apim api operation update # --api-id hand --operation-id get --description told",
        {"description": "told", "urlTemplate": "/x/{id}"},
    ),
    ("apim api operation delete # --api-id hand --operation-id get", None),
    ("apim api operation list # --api-id hand", []),
    # schemas
    (
        "apim api schema create # --api-id hand --schema-id s --schema-type application/json"
        ' --schema-content \'{"type": "object"}\'',
        {"name": "s"},
    ),
    ("apim api schema show # --api-id hand --schema-id s", {"contentType": "application/json"}),
    ("apim api schema list # --api-id hand", ["s"]),
    ("apim api schema get-etag # --api-id hand --schema-id s", True),
    ("apim api schema delete # --api-id hand --schema-id s --yes", None),
    # revisions, releases, versions
    (
        "apim api revision create # --api-id hand --api-revision 2 --api-revision-description second",
        {"apiRevision": "2"},
    ),
    ("apim api revision list # --api-id hand", 2),
    (
        "apim api release create # --api-id hand --api-revision 2 --release-id r --notes out",
        {"name": "r", "notes": "out"},
    ),
    ("apim api release show # --api-id hand --release-id r", {"notes": "out"}),
    ("apim api release update # --api-id hand --release-id r --notes gone", {"notes": "gone"}),
    ("apim api release list # --api-id hand", ["r"]),
    ("apim api show # --api-id hand", {"apiRevision": "2"}),
    ("apim api release delete # --api-id hand --release-id r", None),
    (
        "apim api versionset create # --version-set-id v --display-name V --versioning-scheme Header"
        " --version-header-name x-version",
        {"name": "v", "versioningScheme": "Header"},
    ),
    ("apim api versionset show # --version-set-id v", {"versionHeaderName": "x-version"}),
    ("apim api versionset update # --version-set-id v --display-name W", {"displayName": "W"}),
    ("apim api versionset list #", ["v"]),
    ("apim api versionset delete # --version-set-id v", None),
    # products
    (
        "apim product create # --product-id p --product-name P --subscription-required true"
        " --approval-required false --subscriptions-limit 5 --state published",
        {"name": "p", "displayName": "P", "subscriptionsLimit": 5},
    ),
    ("apim product show # --product-id p", {"state": "published"}),
    ("apim product update # --product-id p --description d", {"description": "d"}),
    ("apim product list #", ["p"]),
    ("apim product api add # --product-id p --api-id hand", {"name": "hand"}),
    ("apim product api list # --product-id p", ["hand"]),
    ("apim product api check # --product-id p --api-id hand", True),
    ("apim product api delete # --product-id p --api-id hand", None),
    ("apim product delete # --product-id p --yes", None),
    # named values
    (
        "apim nv create # --named-value-id n --display-name n --value hush --secret true --tags a b",
        {"name": "n", "secret": True, "value": None},
    ),
    ("apim nv show # --named-value-id n", {"displayName": "n", "value": None}),
    ("apim nv show-secret # --named-value-id n", {"value": "hush"}),
    ("apim nv update # --named-value-id n --value other", {"name": "n"}),
    ("apim nv show-secret # --named-value-id n", {"value": "other"}),
    ("apim nv list #", ["n"]),
    ("apim nv wait @ --named-value-id n --exists", None),
    ("apim nv delete # --named-value-id n --yes", None),
    # backends
    (
        "apim backend create # --backend-id b --url https://backend.example --protocol http --description d",
        {"name": "b", "protocol": "http"},
    ),
    ("apim backend show # --backend-id b", {"url": "https://backend.example"}),
    ("apim backend update # --backend-id b --description e", {"description": "e"}),
    ("apim backend list #", ["b"]),
    ("apim backend delete # --backend-id b --yes", None),
    # GraphQL
    (
        "apim graphql resolver create # --api-id graph --resolver-id r --display-name R --path Query/orders"
        " --description d",
        {"name": "r", "path": "Query/orders"},
    ),
    ("apim graphql resolver show # --api-id graph --resolver-id r", {"displayName": "R"}),
    ("apim graphql resolver list # --api-id graph", ["r"]),
    (
        "apim graphql resolver policy create # --api-id graph --resolver-id r --policy-format xml"
        " --value-path DOCS/resolver.xml",
        {"name": "policy"},
    ),
    ("apim graphql resolver policy show # --api-id graph --resolver-id r", "http-data-source"),
    ("apim graphql resolver policy list # --api-id graph --resolver-id r", 1),
    ("apim graphql resolver policy delete # --api-id graph --resolver-id r --yes", None),
    ("apim graphql resolver delete # --api-id graph --resolver-id r --yes", None),
    # what has no command of its own
    ('rest --url ARM/tags/t?api-version=2024-05-01 -m put -b \'{"properties": {"displayName": "T"}}\'', {"name": "t"}),
    ("rest --url ARM/tags/t?api-version=2024-05-01", {"properties": {"displayName": "T"}}),
    ("rest --url ARM/gateways/g?api-version=2024-05-01 -m put -b '{\"properties\": {}}'", {"name": "g"}),
    ("rest --url ARM/gateways/g/listKeys?api-version=2024-05-01 -m post", "primary"),
    ("rest --url ARM/subscriptions/master/listSecrets?api-version=2024-05-01 -m post", "primaryKey"),
    ("rest --url ARM/tags/t?api-version=2024-05-01 -m delete --headers If-Match=*", None),
    # the end
    ("apim deletedservice list", []),
    ("apim api delete # --api-id hand --yes --delete-revisions true", None),
    ("apim api show # --api-id hand", Fails("Api not found")),
    (
        "apim create -g second -n second --publisher-name A --publisher-email a@example.com -l local"
        " --sku-name Developer",
        {"name": "second", "provisioningState": "Succeeded"},
    ),
    ("apim delete -g second -n second --yes", None),
    ("apim list", ["passerelle"]),
)
