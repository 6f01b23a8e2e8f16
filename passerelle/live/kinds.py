"""What is read of a service: collection by collection, with the group of the official client that lists it. Pure.

A kind whose path has a slash is read for every resource of the kind above it. `whole`: the list leaves something out
that a GET of each shows. `secrets`: the call that tells them, and what it tells.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    path: str
    group: str
    method: str = "list_by_service"
    association: bool = False
    whole: bool = False
    secrets: str = ""

    @property
    def above(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def collection(self) -> str:
        return self.path.rpartition("/")[2]


SERVICE = (
    Kind("namedValues", "named_value", secrets="list_value"),
    Kind("tags", "tag"),
    Kind("loggers", "logger"),
    Kind("groups", "group"),
    Kind("users", "user"),
    Kind("groups/users", "group_user", "list", association=True),
    Kind("apiVersionSets", "api_version_set"),
    Kind("schemas", "global_schema", whole=True),
    Kind("certificates", "certificate"),
    Kind("backends", "backend"),
    Kind("caches", "cache"),
    Kind("authorizationServers", "authorization_server", secrets="list_secrets"),
    Kind("openidConnectProviders", "open_id_connect_provider", secrets="list_secrets"),
    Kind("identityProviders", "identity_provider", secrets="list_secrets"),
    Kind("policyFragments", "policy_fragment", whole=True),
    Kind("policyRestrictions", "policy_restriction"),
    Kind("policies", "policy", whole=True),
    Kind("diagnostics", "diagnostic"),
    Kind("products", "product"),
    Kind("products/apis", "product_api", "list_by_product", association=True),
    Kind("products/groups", "product_group", "list_by_product", association=True),
    Kind("products/policies", "product_policy", "list_by_product", whole=True),
    Kind("products/tags", "tag", "list_by_product", association=True),
    Kind("subscriptions", "subscription", "list", secrets="list_secrets"),
    Kind("gateways", "gateway"),
    Kind("gateways/apis", "gateway_api", association=True),
    Kind("apis", "api"),
    Kind("apis/policies", "api_policy", "list_by_api", whole=True),
    Kind("apis/operations", "api_operation", "list_by_api"),
    Kind("apis/schemas", "api_schema", "list_by_api", whole=True),
    Kind("apis/diagnostics", "api_diagnostic"),
    Kind("apis/resolvers", "graph_ql_api_resolver", "list_by_api"),
    Kind("apis/releases", "api_release"),
    Kind("apis/tags", "tag", "list_by_api", association=True),
    Kind("apis/tagDescriptions", "api_tag_description"),
    Kind("apis/operations/policies", "api_operation_policy", "list_by_operation", whole=True),
    Kind("apis/resolvers/policies", "graph_ql_api_resolver_policy", "list_by_resolver", whole=True),
    Kind("workspaces", "workspace"),
)
WORKSPACE = (
    Kind("namedValues", "workspace_named_value", secrets="list_value"),
    Kind("tags", "workspace_tag"),
    Kind("loggers", "workspace_logger", "list_by_workspace"),
    Kind("groups", "workspace_group"),
    Kind("groups/users", "workspace_group_user", "list", association=True),
    Kind("apiVersionSets", "workspace_api_version_set"),
    Kind("schemas", "workspace_global_schema", whole=True),
    Kind("certificates", "workspace_certificate", "list_by_workspace"),
    Kind("backends", "workspace_backend", "list_by_workspace"),
    Kind("policyFragments", "workspace_policy_fragment", whole=True),
    Kind("policies", "workspace_policy", "list_by_api", whole=True),
    Kind("diagnostics", "workspace_diagnostic", "list_by_workspace"),
    Kind("products", "workspace_product"),
    Kind("products/apiLinks", "workspace_product_api_link", "list_by_product"),
    Kind("products/groupLinks", "workspace_product_group_link", "list_by_product"),
    Kind("products/policies", "workspace_product_policy", "list_by_product", whole=True),
    Kind("subscriptions", "workspace_subscription", "list", secrets="list_secrets"),
    Kind("apis", "workspace_api"),
    Kind("apis/policies", "workspace_api_policy", "list_by_api", whole=True),
    Kind("apis/operations", "workspace_api_operation", "list_by_api"),
    Kind("apis/schemas", "workspace_api_schema", "list_by_api", whole=True),
    Kind("apis/diagnostics", "workspace_api_diagnostic", "list_by_workspace"),
    Kind("apis/releases", "workspace_api_release"),
    Kind("apis/operations/policies", "workspace_api_operation_policy", "list_by_operation", whole=True),
    Kind("tags/apiLinks", "workspace_tag_api_link", "list_by_product"),
    Kind("tags/operationLinks", "workspace_tag_operation_link", "list_by_product"),
    Kind("tags/productLinks", "workspace_tag_product_link", "list_by_product"),
)
# what the ARM API shows and nobody moves: a note for the end
LEFT = (
    "the content of the developer portal, its e-mail templates and its settings",
    "credentials of the credential manager (authorizationProviders): their tokens cannot be read",
    "analytics, backups, network, host names and their certificates",
    "tokens of self-hosted gateways: make new ones with `passerelle token`",
)
