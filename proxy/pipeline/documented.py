"""The names of all documented policies. One that is not in the index is unsupported, which is not the same as unknown.

https://learn.microsoft.com/azure/api-management/api-management-policies
"""

from __future__ import annotations

DOCUMENTED = frozenset(
    {
        "authentication-basic", "authentication-certificate", "authentication-managed-identity",
        "authentication-oauth2", "azure-openai-emit-token-metric", "azure-openai-semantic-cache-lookup",
        "azure-openai-semantic-cache-store", "azure-openai-token-limit", "cache-lookup", "cache-lookup-value",
        "cache-remove-value", "cache-store", "cache-store-value", "cache-value", "check-header", "choose", "cors",
        "cosmosdb-data-source", "cross-domain", "emit-metric", "find-and-replace", "forward-request",
        "get-authorization-context", "http-data-source", "include-fragment", "invoke-dapr-binding",
        "invoke-request", "ip-filter", "json-to-xml", "jsonp", "limit-concurrency", "llm-content-safety",
        "llm-emit-token-metric", "llm-semantic-cache-lookup", "llm-semantic-cache-store", "llm-token-limit",
        "log-to-eventhub", "mock-response", "proxy", "publish-event", "publish-to-dapr", "quota", "quota-by-key",
        "rate-limit", "rate-limit-by-key", "redirect-content-urls", "retry", "return-response", "rewrite-uri",
        "send-one-way-request", "send-request", "send-service-bus-message", "set-backend-service", "set-body",
        "set-graphql-resolver", "set-header", "set-method", "set-query-parameter", "set-status", "set-variable",
        "sql-data-source", "trace", "validate-azure-ad-token", "validate-client-certificate", "validate-content",
        "validate-graphql-request", "validate-headers", "validate-jwt", "validate-odata-request",
        "validate-parameters", "validate-status-code", "wait", "xml-to-json", "xsl-transform",
    }
)  # fmt: skip

# why some of them are not there
ABSENT = {
    "cosmosdb-data-source": "the gateway does not speak to Cosmos DB; an http-data-source can ask its REST API",
    "publish-event": "subscriptions are served only where the API has a backend that serves them",
    "set-graphql-resolver": "its preview is over; write a resolver of the API with its http-data-source",
    "sql-data-source": "the gateway has no driver for SQL Server; an http-data-source can ask an API before it",
}
