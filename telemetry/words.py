"""What every field and dimension of telemetry means, in words for operators, by name: the source of docs/telemetry.md.

A name that telemetry uses and this table does not have fails a test (`tests/house/test_telemetry_page.py`).
"""

from __future__ import annotations

# Fields of the request log (GatewayLogs): unit or kind, meaning
LOG: dict[str, tuple[str, str]] = {
    "isRequestSuccess": ("true, false", "The response's status is below 400"),
    "totalTime": ("ms", "From the first byte received to the last byte sent"),
    "category": ("text", "`GatewayLogs`"),
    "callerIpAddress": ("text", "The address that the request came from"),
    "timeGenerated": ("UTC", "When the request ended"),
    "region": ("text", "Where the gateway says that it is (`locationData.name`)"),
    "correlationId": ("text", "The request's id; `context.RequestId` in policies"),
    "method": ("text", "The client's method"),
    "url": ("text", "The client's URL, without keys that the gateway knows by name"),
    "backendResponseCode": ("status", "What the backend answered last"),
    "responseCode": ("status", "What the client got; 0 when it went away before"),
    "responseSize": ("bytes", "Of the response's body"),
    "cache": ("hit, miss, none", "What the response cache answered"),
    "backendTime": ("ms", "Until the backend's status and headers, all attempts"),
    "cacheTime": ("ms", "With the cache"),
    "requestSize": ("bytes", "Of the request's body"),
    "apiId": ("text", "The API"),
    "operationId": ("text", "The operation"),
    "productId": ("text", "The product whose subscription admitted the request"),
    "userId": ("text", "The owner of that subscription"),
    "apimSubscriptionId": ("text", "That subscription"),
    "clientTime": ("ms", "Sending the response to the client; waiting for the backend's body is backend time"),
    "clientProtocol": ("text", "Such as `HTTP/1.1`"),
    "backendProtocol": ("text", "The same of the backend"),
    "apiRevision": ("text", "The API's revision"),
    "clientTlsVersion": ("text", "Where the gateway itself ends TLS"),
    "backendId": ("text", "The backend resource, where one was used"),
    "backendMethod": ("text", "The method that the backend was called with"),
    "backendUrl": ("text", "The URL that it was called at, without secrets"),
    "lastError": ("object", "The error that the request ended with"),
    "errors": ("list", "All errors on the way, the same fields each"),
    "traceRecords": ("list", "What `trace` policies said: source, severity, message and their metadata"),
}
# Fields of an error in it
ERROR: dict[str, tuple[str, str]] = {
    "elapsed": ("ms", "Since the request came"),
    "source": ("text", "The policy, or the part of the gateway, that raised it"),
    "scope": ("text", "The scope of the policy's document: global, product, api, operation"),
    "path": ("text", "The policy's place in its document"),
    "policyId": ("text", "Its `id`"),
    "reason": ("text", "Why, as a word: `LastError.Reason`"),
    "message": ("text", "Why, as a sentence that clients may read"),
    "section": ("text", "inbound, backend, outbound or on-error"),
    "detail": ("text", "Why, for operators alone: counters, lines, nearest paths"),
}
# Columns of Log Analytics that are no field of the log
COLUMN: dict[str, str] = {
    "OperationName": "`Microsoft.ApiManagement/GatewayLogs`",
    "RequestHeaders": "Headers of the client's request that the diagnostic names",
    "RequestBody": "Its body, as much as the diagnostic says",
    "ResponseHeaders": "The same of the response to the client",
    "ResponseBody": "The same of the response to the client",
    "BackendRequestHeaders": "The same of the request to the backend",
    "BackendRequestBody": "The same of the request to the backend",
    "BackendResponseHeaders": "The same of the backend's response",
    "BackendResponseBody": "The same of the backend's response",
}
# Custom dimensions and measurements of Application Insights
INSIGHTS: dict[str, str] = {
    "API Name": "The API",
    "API Revision": "Its revision",
    "API Type": "http, soap, graphql, websocket, ...",
    "Cache": "`Hit`, `Miss` or `None`",
    "Client Time (in ms)": "Sending the response to the client; waiting for the backend's body is backend time",
    "Error Detail": "Why, for operators alone",
    "Error Path": "The policy's place in its document",
    "Error Scope": "Scope of the policy's document",
    "Error Section": "inbound, backend, outbound or on-error",
    "Error Source": "The policy, or the part of the gateway, that raised the error",
    "HTTP Method": "The client's method",
    "Operation Name": "The operation",
    "Policy Id": "The policy's `id`",
    "Product Name": "The product whose subscription admitted the request",
    "Region": "Where the gateway says that it is",
    "Request Id": "The request's id, as in the log",
    "Request Size": "Bytes of the request's body",
    "Response Size": "Bytes of the response's body",
    "Service ID": "The API Management service",
    "Service Name": "Host that the client asked for",
    "Service Type": "`API Management`",
    "Source": "Source that the `trace` policy gave",
    "Subscription Name": "The subscription",
}
# Dimensions of metrics, attributes of spans and of the resource
ATTRIBUTES: dict[str, str] = {
    "BackendResponseCode": "Status of the backend, `None` when it was not called",
    "BackendResponseCodeCategory": "The same as `2xx`",
    "Cache": "`Hit`, `Miss` or `None`",
    "GatewayId": "The gateway resource",
    "Hostname": "Host that the client asked for, `None` for requests that met no API",
    "LastErrorReason": "Reason of the last error, or `None`",
    "Location": "Where the gateway says that it is",
    "ResponseCode": "Status that the client got",
    "ResponseCodeCategory": "The same as `2xx`",
    "Status": "`Successful`, `Unauthorized` (401, 403, 429), `Failed` (400 and 5xx) or `Other`",
    "apim.api.id": "The API; not there for requests that met none",
    "apim.api.name": "Its display name",
    "apim.api.revision": "Its revision",
    "apim.backend.id": "The backend resource",
    "apim.cache": "`hit`, `miss` or `none`",
    "apim.correlation.id": "The request's id, as in the log",
    "apim.error.path": "The policy's place in its document",
    "apim.error.policy.id": "The policy's `id`",
    "apim.error.scope": "Scope of the policy's document",
    "apim.error.section": "inbound, backend, outbound or on-error",
    "apim.error.source": "The policy, or the part of the gateway, that raised the error",
    "apim.gateway.id": "The gateway resource",
    "apim.last_error.reason": "Why, as `LastError.Reason`",
    "apim.last_error.section": "Section in which the request ended",
    "apim.last_error.source": "The policy, or the part of the gateway, that raised the error",
    "apim.limits.by": "`server`, `local` (the sidecars' own counters) or `none` (refused)",
    "apim.metric.namespace": "The namespace that the policy gave",
    "apim.operation.id": "The operation",
    "apim.operation.name": "Its display name",
    "apim.product.id": "The product whose subscription admitted the request",
    "apim.region": "Where the gateway says that it is",
    "apim.subscription.id": "The subscription",
    "apim.trace.severity": "verbose, information or error",
    "apim.trace.source": "Source that the `trace` policy gave",
    "apim.user.id": "Owner of the subscription",
    "client.address": "The address that the request came from",
    "cpu.mode": "`user` or `system`",
    "destination": "Where the items go, or `journal`: between sidecar and telemetry child",
    "error.type": "Of a server span: the reason of a 5xx; of a client span: the status, or the reason of none",
    "exception.message": "The error's message",
    "exception.type": "The error's reason",
    "http.request.body.size": "Bytes of the request's body",
    "http.request.method": "The method; `_OTHER` for one that is not registered",
    "http.request.method_original": "The method as it came, where it is `_OTHER`",
    "http.response.body.size": "Bytes of the response's body",
    "http.response.status_code": "The status; not there when the client went away before",
    "http.route": "Path of the API and template of the operation",
    "message": "What the `trace` policy said",
    "network.protocol.name": "`http`",
    "network.protocol.version": "Such as `1.1`",
    "process.pid": "The sidecar's process",
    "reason": "Why they were lost",
    "server.address": "Host: on a server span the gateway's, on a client span and metric the backend's",
    "server.port": "Its port",
    "service.instance.id": "The sidecar: `instance.id`, with a number for each worker",
    "service.name": "`passerelle-gateway`",
    "tls.protocol.version": "Where the gateway itself ends TLS",
    "url.full": "The URL of the backend call, without secrets",
    "url.path": "Path of the client's URL",
    "url.query": "Its query, without secrets",
    "url.scheme": "`http` or `https`",
}
# How to wire a destination, by the exporter's module
WIRING: dict[str, str] = {
    "local": """Nothing to wire: it is on. `telemetry.logs.std: json` suits whatever reads containers' output.""",
    "datagram": """```
telemetry.logs.local: rfc5424
telemetry.logs.local.rfc5424.endpoint: 127.0.0.1:514
```""",
    "otlp": """```
observability.opentelemetry.enabled: "true"
observability.opentelemetry.collector.uri: http://collector:4317
```

Any receiver of OTLP will do: a collector ([compose/collector.yaml](../compose/collector.yaml) is one that works), or a
store that takes OTLP itself, such as VictoriaMetrics at `http://store:8428/opentelemetry` with
`observability.opentelemetry.protocol: http/protobuf`, flag `-opentelemetry.usePrometheusNaming`, and, since it takes
metrics only, `observability.opentelemetry.traces.enabled` and `observability.opentelemetry.logs.enabled` `"false"`. A
Prometheus that receives OTLP needs `promote_resource_attributes: [service.instance.id, apim.gateway.id, apim.region]`
for the dashboards.""",
    "official": """```
observability.opentelemetry.exporter: sdk
```

and the settings of OTLP beside it.""",
    "prometheus": """```
telemetry.metrics.local.prometheus.endpoint: 0.0.0.0:9464
```

```yaml
scrape_configs:
  - job_name: passerelle
    static_configs: [{targets: ["sidecar-1:9464", "sidecar-2:9464"]}]
```

A sidecar with several workers has as many ports, from that one on.""",
    "sdk_metrics": """```
telemetry.metrics.sdk: console
```""",
    "statsd": """```
telemetry.metrics.local: statsd
telemetry.metrics.local.statsd.endpoint: 127.0.0.1:8125
```""",
    "application_insights": "Loggers and diagnostics, as in Azure: [application-insights.md](application-insights.md).",
    "monitor_logs": "See [azure-monitor.md](azure-monitor.md).",
    "monitor_metrics": "See [azure-monitor.md](azure-monitor.md).",
    "event_hubs": "Loggers and `log-to-eventhub`, as in Azure: [azure-monitor.md](azure-monitor.md).",
}
