"""The `context` variable: the exchange and its resources, read-only.

Null rules: Product, Subscription, User, LastError and Response are null when there is none; so is an empty Body.
Source: https://learn.microsoft.com/azure/api-management/api-management-policy-expressions#ContextVariables
"""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import urlsplit

from proxy.config.resources import Api, Backend, Deployment, Group, Identity, Operation, Product, Subscription, User
from proxy.errors import LastError
from proxy.exchange import Exchange
from proxy.expressions.dotnet import context_headers as maps
from proxy.expressions.dotnet import datetime as dates
from proxy.expressions.dotnet.collections import Dictionary
from proxy.expressions.dotnet.enums import enum_value, enumeration
from proxy.expressions.dotnet.guid import Guid
from proxy.expressions.dotnet.json_reader import wrap
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, List, stands_for
from proxy.expressions.table import attribute, constant, define, members
from proxy.expressions.types import Native, generic, type_of_name
from proxy.messages import Request, Response, Url
from proxy.pipeline.resolution import Resolution

_SPACE = "Microsoft.Azure.ApiManagement"
_OBJECT = type_of_name("object")


def _type(name: str, python: type | None = None) -> Any:
    made = define(name, f"{_SPACE}.{name}", aliases=(name.removeprefix("I"),) if name == "IResponse" else ())
    if python is not None:
        stands_for(python, name)
    return made


CONTEXT = _type("IProxyRequestContext", Exchange)
URL = _type("IUrl", Url)
REQUEST = _type("IRequest", Request)
RESPONSE = _type("IResponse", Response)
BODY = _type("IMessageBody")
API = _type("IApi", Api)
NAMES = _type("ISubscriptionKeyParameterNames")
OPERATION = _type("IOperation", Operation)
PRODUCT = _type("IProduct", Product)
GROUP = _type("IGroup", Group)
SUBSCRIPTION = _type("ISubscription", Subscription)
USER = _type("IUser", User)
IDENTITY = _type("IUserIdentity", Identity)
DEPLOYMENT = _type("IDeployment", Deployment)
GATEWAY = _type("IGateway")
BACKEND = _type("IBackend", Backend)
LAST_ERROR = _type("ILastError", LastError)
WORKSPACE = _type("IWorkspace")
ENDPOINT = _type("IPrivateEndpointConnection")
SUSTAINABILITY = _type("ISustainabilityInfo")
GRAPHQL = _type("IGraphQL", Resolution)
CERTIFICATE = define(
    "X509Certificate2", "System.Security.Cryptography.X509Certificates.X509Certificate2", aliases=("X509Certificate",)
)


enumeration("ProductState", f"{_SPACE}.ProductState", {"NotPublished": 0, "Published": 1})
enumeration("BackendType", f"{_SPACE}.BackendType", {"Single": 0, "Pool": 1})
enumeration("CarbonIntensityCategory", f"{_SPACE}.CarbonIntensityCategory", {name: number for number, name in enumerate(
    ("NotAvailable", "VeryLow", "Low", "Medium", "High", "VeryHigh")
)})  # fmt: skip
_STATES, _BACKENDS, _CARBON = (
    type_of_name(name) for name in ("ProductState", "BackendType", "CarbonIntensityCategory")
)


def _moment(value: datetime.datetime | None) -> Any:
    return None if value is None else dates.from_python(value)


def _elapsed(exchange: Exchange) -> Any:
    return dates.TimeSpan(int((exchange.ports.clock.monotonic() - exchange.started) * 10_000_000))


def _trace(exchange: Exchange, message: str | None) -> None:
    exchange.traces.append(("context.Trace", "information", message or "", {}))


def _matched(exchange: Exchange) -> Dictionary:
    return Dictionary(maps.TEXT_MAP, exchange.matched_parameters, str.lower)


members(
    CONTEXT,
    {
        "IRequest Request": attribute("request"),
        "IResponse? Response": attribute("response"),
        "Variables Variables": attribute("variables"),
        "IApi Api": attribute("api"),
        "IOperation Operation": attribute("operation"),
        "IProduct? Product": attribute("product"),
        "ISubscription? Subscription": attribute("subscription"),
        "IUser? User": attribute("user"),
        "IBackend? Backend": attribute("backend"),
        "IDeployment Deployment": attribute("deployment"),
        "ILastError? LastError": attribute("last_error"),
        "IGraphQL? GraphQL": attribute("resolution"),
        "IWorkspace? Workspace": constant(None),
        "Guid RequestId": lambda exchange: Guid(exchange.request_id.int),
        "DateTime Timestamp": lambda exchange: dates.from_python(exchange.timestamp),
        "TimeSpan Elapsed": _elapsed,
        "bool Tracing": lambda exchange: exchange.watch is not None,
        "void Trace(string message)": _trace,
        "void Trace(object message)": lambda exchange, message: _trace(exchange, str(message)),
    },
)


def _query(url: Url) -> Dictionary:
    string = type_of_name("string")
    return Dictionary(maps.VALUES, {k: Array(string, v) for k, v in url.query_values().items()}, str.lower)


TEXTS[Url] = Url.__str__
members(
    URL,
    {
        "string Scheme": attribute("scheme"),
        "string Host": attribute("host"),
        "int Port": attribute("port"),
        "string Path": attribute("path"),
        "string QueryString": lambda url: f"?{url.query}" if url.query else "",
        "IReadOnlyDictionary<string, string[]> Query": _query,
        "string ToString()": str,
        "Uri ToUri()": lambda url: _to_uri(url),
    },
)


def _to_uri(url: Url) -> Any:
    from proxy.expressions.dotnet.uri import Uri

    return Uri(str(url))


def _request_body(exchange_request: Request) -> Any:
    body = exchange_request.body
    return None if body.empty and not body.consumed else body


members(
    REQUEST,
    {
        "string Method": attribute("method"),
        "IUrl Url": attribute("url"),
        "IUrl OriginalUrl": attribute("original_url"),
        "HeaderDictionary Headers": attribute("headers"),
        "string IpAddress": attribute("client_ip"),
        "IMessageBody? Body": Native(_request_body, reads="request"),
        "IPrivateEndpointConnection? PrivateEndpointConnection": constant(None),
    },
)
# MatchedParameters hangs on the exchange, not on the message
members(
    REQUEST,
    {
        "IReadOnlyDictionary<string, string> MatchedParameters": Native(
            lambda exchange, _: _matched(exchange), exchange=True
        )
    },
)
members(
    RESPONSE,
    {
        "int StatusCode": attribute("status"),
        "string StatusReason": attribute("reason"),
        "HeaderDictionary Headers": attribute("headers"),
        "IMessageBody? Body": Native(lambda response: response.body, reads="response"),
    },
)


def _service_url(api: Api) -> Any:
    if not api.service_url:
        return None
    parts = urlsplit(api.service_url)
    scheme = parts.scheme or "https"
    return Url(
        scheme, parts.hostname or "", parts.port or (443 if scheme == "https" else 80), parts.path or "/", parts.query
    )


members(
    API,
    {
        "string Id": attribute("id"),
        "string Name": attribute("name"),
        "string Path": attribute("path"),
        "string Revision": attribute("revision"),
        "string Version": attribute("version"),
        "bool IsCurrentRevision": attribute("is_current"),
        "IUrl? ServiceUrl": _service_url,
        "IEnumerable<string> Protocols": lambda api: List(type_of_name("string"), api.protocols),
        "ISubscriptionKeyParameterNames SubscriptionKeyParameterNames": lambda api: api,
    },
)
members(NAMES, {"string Header": attribute("key_header"), "string Query": attribute("key_query")})
members(
    OPERATION,
    {
        "string Id": attribute("id"),
        "string Method": attribute("method"),
        "string Name": attribute("name"),
        "string UrlTemplate": attribute("url_template"),
    },
)


def _groups(owner: Any) -> List:
    return List(generic("IGroup"), owner.groups)


def _apis(exchange: Exchange, product: Product) -> List:
    return List(generic("IApi"), [exchange.api] if exchange.api else [])


members(
    PRODUCT,
    {
        "string Id": attribute("id"),
        "string Name": attribute("name"),
        "bool ApprovalRequired": attribute("approval_required"),
        "bool SubscriptionRequired": attribute("subscription_required"),
        "IEnumerable<IGroup> Groups": _groups,
        "IEnumerable<IApi> Apis": Native(_apis, exchange=True),
        "ProductState State": lambda product: enum_value(_STATES, int(product.published)),
        "int? SubscriptionsLimit": attribute("subscriptions_limit"),
        "int? SubscriptionLimit": attribute("subscriptions_limit"),
    },
)
members(GROUP, {"string Id": attribute("id"), "string Name": attribute("name")})
members(
    SUBSCRIPTION,
    {
        "string Id": attribute("id"),
        "string Name": attribute("name"),
        "string Key": attribute("primary_key"),
        "string PrimaryKey": attribute("primary_key"),
        "string SecondaryKey": attribute("secondary_key"),
        "DateTime CreatedDate": lambda s: _moment(s.created) or dates.MIN,
        "DateTime? StartDate": lambda s: _moment(s.start),
        "DateTime? EndDate": lambda s: _moment(s.end),
    },
)
members(
    USER,
    {
        "string Id": attribute("id"),
        "string Email": attribute("email"),
        "string FirstName": attribute("first_name"),
        "string LastName": attribute("last_name"),
        "string Note": attribute("note"),
        "DateTime RegistrationDate": lambda user: _moment(user.registration_date) or dates.MIN,
        "IEnumerable<IGroup> Groups": _groups,
        "IEnumerable<IUserIdentity> Identities": lambda user: List(generic("IUserIdentity"), user.identities),
    },
)
members(IDENTITY, {"string Id": attribute("id"), "string Provider": attribute("provider")})
members(
    DEPLOYMENT,
    {
        "string GatewayId": attribute("gateway_id"),
        "string Region": attribute("region"),
        "string ServiceId": attribute("service_id"),
        "string ServiceName": attribute("service_name"),
        "IGateway Gateway": lambda deployment: deployment,
        "ISustainabilityInfo SustainabilityInfo": lambda deployment: deployment,
    },
)
# only the managed gateways of some regions know how much carbon their electricity costs
members(
    SUSTAINABILITY,
    {"CarbonIntensityCategory CurrentCarbonIntensity": lambda _: enum_value(_CARBON, 0)},
)

members(
    GATEWAY,
    {
        "string Id": attribute("gateway_id"),
        "string InstanceId": attribute("instance_id"),
        "bool IsManaged": attribute("is_managed"),
    },
)
members(
    BACKEND,
    {
        "string Id": attribute("id"),
        "BackendType Type": lambda backend: enum_value(_BACKENDS, int(backend.type == "Pool")),
        "string AzureRegion": constant(""),
    },
)
members(ENDPOINT, {f"string {name}": constant("") for name in ("Name", "GroupId", "MemberName")})
members(
    LAST_ERROR,
    {
        "string Source": attribute("source"),
        "string Reason": attribute("reason"),
        "string Message": attribute("message"),
        "string Scope": attribute("scope"),
        "string Section": attribute("section"),
        "string Path": attribute("path"),
        "string PolicyId": attribute("policy_id"),
    },
)
members(WORKSPACE, {"string Id": lambda _: "", "string Name": lambda _: ""})
members(
    GRAPHQL,
    {
        "JObject Arguments": lambda resolution: wrap(resolution.arguments),
        "JObject Parent": lambda resolution: wrap(resolution.parent),
    },
)
