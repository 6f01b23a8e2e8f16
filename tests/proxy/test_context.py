"""Every member of `context`, from the ARM resources through a real request to an expression."""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID
from sidecar_harness import Backend, Harness, api, operation, policy, resource

from proxy.adapters.errands import BackgroundErrands
from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer.example")])
START = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(NAME)
    .issuer_name(NAME)
    .public_key(KEY.public_key())
    .serial_number(0x1234)
    .not_valid_before(START)
    .not_valid_after(START + datetime.timedelta(days=36500))
    .sign(KEY, hashes.SHA256())
)
THUMBPRINT = CERTIFICATE.fingerprint(hashes.SHA1()).hex().upper()
PFX = base64.b64encode(serialize_key_and_certificates(b"k", KEY, CERTIFICATE, None, NoEncryption())).decode()
RESOURCES = (
    resource("/", {"id": "svc-1", "name": "contoso", "location": "West Europe"}),
    resource("/gateways/gw-1", {"locationData": {"name": "Rack 7"}}),
    api(
        "shop;rev=2",
        "http://backend.example:8080/v1",
        "shop",
        displayName="Shop API",
        apiRevision="2",
        isCurrent=True,
        apiVersion="v1",
        subscriptionRequired=True,
        subscriptionKeyParameterNames={"header": "X-Key", "query": "key"},
        protocols=["https", "http"],
    ),
    resource(
        "/apis/shop;rev=2/operations/get-order",
        {
            "displayName": "Get order",
            "method": "POST",
            "urlTemplate": "/orders/{id}",
            "templateParameters": [{"name": "id", "required": True, "type": "string"}],
        },
    ),
    resource("/groups/buyers", {"displayName": "Buyers"}),
    resource("/groups/buyers/users/ada", {}),
    resource("/products/starter/groups/buyers", {}),
    resource(
        "/products/starter",
        {
            "displayName": "Starter",
            "state": "published",
            "approvalRequired": True,
            "subscriptionRequired": True,
            "subscriptionsLimit": 3,
        },
    ),
    resource("/products/starter/apis/shop", {}),
    resource(
        "/users/ada",
        {
            "email": "ada@example.com",
            "firstName": "Ada",
            "lastName": "Lovelace",
            "note": "first",
            "registrationDate": "2024-01-02T03:04:05Z",
            "identities": [{"id": "ada@x", "provider": "Aad"}],
        },
    ),
    resource(
        "/subscriptions/sub-1",
        {
            "displayName": "First",
            "scope": "/products/starter",
            "state": "active",
            "primaryKey": "k1",
            "secondaryKey": "k2",
            "ownerId": "/users/ada",
            "createdDate": "2024-01-02T03:04:05Z",
            "startDate": "2024-02-03T00:00:00Z",
            "endDate": "2999-01-01T00:00:00Z",
        },
    ),
    resource("/certificates/signer", {"data": PFX, "password": ""}),
    resource("/backends/pool-1", {"url": "http://backend.example", "protocol": "http"}),
)
# (member, expected); a pattern stands between slashes
TABLE: tuple[tuple[str, str], ...] = (
    ("context.Api.Id", "shop"),
    ("context.Api.Name", "Shop API"),
    ("context.Api.Path", "shop"),
    ("context.Api.Revision", "2"),
    ("context.Api.Version", "v1"),
    ("context.Api.IsCurrentRevision", "True"),
    ("context.Api.ServiceUrl.Scheme", "http"),
    ("context.Api.ServiceUrl.Host", "backend.example"),
    ("context.Api.ServiceUrl.Port", "8080"),
    ("context.Api.ServiceUrl.Path", "/v1"),
    ("context.Api.ServiceUrl.QueryString", ""),
    ("context.Api.ServiceUrl.ToString()", "http://backend.example:8080/v1"),
    ('string.Join(",", context.Api.Protocols)', "https,http"),
    ("context.Api.SubscriptionKeyParameterNames.Header", "X-Key"),
    ("context.Api.SubscriptionKeyParameterNames.Query", "key"),
    ("context.Backend.Id", "pool-1"),
    ("context.Backend.Type", "Single"),
    ("context.Backend.AzureRegion", ""),
    ("context.Deployment.Gateway.Id", "gw-1"),
    ("context.Deployment.Gateway.InstanceId", "test"),
    ("context.Deployment.Gateway.IsManaged", "False"),
    ("context.Deployment.GatewayId", "gw-1"),
    ("context.Deployment.Region", "Rack 7"),
    ("context.Deployment.ServiceId", "svc-1"),
    ("context.Deployment.ServiceName", "contoso"),
    ("context.Deployment.SustainabilityInfo.CurrentCarbonIntensity", "NotAvailable"),
    ("context.Deployment.Certificates.Count", "1"),
    ("context.Deployment.Certificates.First().Key", "signer"),
    ('context.Deployment.Certificates["signer"].Thumbprint', THUMBPRINT),
    (f'context.Deployment.Certificates["{THUMBPRINT}"].Subject', "CN=signer.example"),
    ('context.Deployment.Certificates["signer"].HasPrivateKey', "True"),
    (
        'context.Deployment.Certificates["signer"].GetRSAPrivateKey().SignData(Encoding.UTF8.GetBytes("x"), '
        "HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).Length",
        "256",
    ),
    ("context.Elapsed < TimeSpan.FromMinutes(1)", "True"),
    ("context.Elapsed > TimeSpan.Zero", "True"),
    ("context.GraphQL == null", "True"),
    ("context.LastError == null", "True"),
    ("context.Operation.Id", "get-order"),
    ("context.Operation.Method", "POST"),
    ("context.Operation.Name", "Get order"),
    ("context.Operation.UrlTemplate", "/orders/{id}"),
    ("context.Product.Id", "starter"),
    ("context.Product.Name", "Starter"),
    ("context.Product.ApprovalRequired", "True"),
    ("context.Product.SubscriptionRequired", "True"),
    ("context.Product.SubscriptionsLimit", "3"),
    ("context.Product.SubscriptionLimit", "3"),
    ("context.Product.State", "Published"),
    ("context.Product.State == ProductState.Published", "True"),
    ('string.Join(",", context.Product.Groups.Select(g => g.Id + "=" + g.Name))', "buyers=Buyers"),
    ("context.Product.Apis.First().Id", "shop"),
    ("context.Request.Method", "POST"),
    ("context.Request.IpAddress", "127.0.0.1"),
    ('context.Request.Headers.GetValueOrDefault("x-two")', "1,2"),
    ('context.Request.Headers["X-Two"].Length', "2"),
    ('context.Request.MatchedParameters["id"]', "7"),
    ('context.Request.MatchedParameters.GetValueOrDefault("no", "none")', "none"),
    ("context.Request.Certificate == null", "True"),
    ("context.Request.PrivateEndpointConnection == null", "True"),
    ("context.Request.Body.As<string>(preserveContent: true)", "a=x+y&b=%C3%A9&a=2"),
    ('context.Request.Body.AsFormUrlEncodedContent(true)["a"].Count', "2"),
    ("context.Request.Body.AsFormUrlEncodedContent(preserveContent: true).ToQueryString()", "a=x+y&a=2&b=%C3%A9"),
    ("context.Request.Body.AsFormUrlEncodedContent(true).ToFormUrlEncodedContent()", "a=x+y&a=2&b=%C3%A9"),
    ("context.Request.OriginalUrl.Scheme", "http"),
    ("context.Request.OriginalUrl.Host", "127.0.0.1"),
    ("context.Request.OriginalUrl.Path", "/shop/orders/7"),
    ("context.Request.OriginalUrl.QueryString", "?q=1&q=2&r=a%20b"),
    ('context.Request.OriginalUrl.Query.GetValueOrDefault("r")', "a b"),
    ('context.Request.OriginalUrl.Query["q"].Length', "2"),
    ("context.Request.OriginalUrl.ToUri().AbsolutePath", "/shop/orders/7"),
    ("context.Request.OriginalUrl.ToString()", r"/http:\/\/127\.0\.0\.1:\d+\/shop\/orders\/7\?q=1&q=2&r=a%20b/"),
    ("context.Request.Url.Path", "/orders/7"),
    ('context.Request.Url.Query.GetValueOrDefault("q")', "1,2"),
    ("context.RequestId", "/[0-9a-f-]{36}/"),
    ("context.Response == null", "True"),
    ("context.Subscription.Id", "sub-1"),
    ("context.Subscription.Name", "First"),
    ("context.Subscription.Key", "k1"),
    ("context.Subscription.PrimaryKey", "k1"),
    ("context.Subscription.SecondaryKey", "k2"),
    ('context.Subscription.CreatedDate.ToString("s")', "2024-01-02T03:04:05"),
    ('context.Subscription.StartDate.Value.ToString("s")', "2024-02-03T00:00:00"),
    ("context.Subscription.EndDate?.Year", "2999"),
    ("context.Timestamp.Kind == DateTimeKind.Utc", "True"),
    ("(DateTime.UtcNow - context.Timestamp).TotalSeconds < 60", "True"),
    ("context.Tracing", "False"),
    ("context.User.Id", "ada"),
    ("context.User.Email", "ada@example.com"),
    ("context.User.FirstName", "Ada"),
    ("context.User.LastName", "Lovelace"),
    ("context.User.Note", "first"),
    ('context.User.RegistrationDate.ToString("s")', "2024-01-02T03:04:05"),
    ("context.User.Groups.Single().Name", "Buyers"),
    ("context.User.Identities.Single().Provider + context.User.Identities.Single().Id", "Aadada@x"),
    ('context.Variables.ContainsKey("v0")', "True"),
    ('context.Variables.GetValueOrDefault("missing", 5)', "5"),
    ('context.Variables.GetValueOrDefault<string>("missing") == null', "True"),
    ('context.Variables.GetValueOrDefault("v0")', "shop"),
    ("context.Workspace == null", "True"),
    ("JsonConvert.SerializeObject(context.Product.Groups)", '[{"Id":"buyers","Name":"Buyers"}]'),
    ('JObject.Parse(JsonConvert.SerializeObject(context.Api))["SubscriptionKeyParameterNames"]["Header"]', "X-Key"),
)


def collecting(rows: tuple[tuple[str, str], ...], before: str = "") -> str:
    """A policy that answers with the text of every row."""
    steps = "".join(
        f'<set-variable name="v{index}" value="@(string.Format("{{0}}", {member}))" />'
        for index, (member, _) in enumerate(rows)
    )
    lines = "".join(f'o["v{index}"] = (string)context.Variables["v{index}"]; ' for index in range(len(rows)))
    return (
        f"<policies><inbound>{before}{steps}<return-response><set-body>@{{ var o = new JObject(); {lines}"
        "return o.ToString(); }</set-body></return-response></inbound><backend/><outbound/><on-error/></policies>"
    )


def differing(rows: tuple[tuple[str, str], ...], found: dict[str, str]) -> list[tuple[str, str, str]]:
    wrong = []
    for index, (member, wanted) in enumerate(rows):
        value = found[f"v{index}"]
        pattern = wanted[1:-1] if len(wanted) > 2 and wanted[0] == wanted[-1] == "/" else re.escape(wanted)
        if not re.fullmatch(pattern, value):
            wrong.append((member, wanted, value))
    return wrong


async def test_every_member_says_what_the_resources_say(harness: Harness) -> None:
    backend = '<set-backend-service backend-id="pool-1" />'
    issues = harness.configure(*RESOURCES, policy("/apis/shop;rev=2", collecting(TABLE, backend)))
    assert not issues
    headers = {"X-Key": "k1", "X-Two": "1", "x-two": "2"}
    answer = await harness.request("POST", "/shop/orders/7?q=1&q=2&r=a%20b", headers, b"a=x+y&b=%C3%A9&a=2")
    assert answer.status == 200, answer.body
    assert not differing(TABLE, json.loads(answer.body))


ANONYMOUS: tuple[tuple[str, str], ...] = (
    ("context.Product == null", "True"),
    ("context.Subscription == null", "True"),
    ("context.User == null", "True"),
    ("context.Backend == null", "True"),
    ("context.Request.Body == null", "True"),
    ('context.User?.Id ?? "nobody"', "nobody"),
    ('context.Product?.Name ?? "none"', "none"),
    ("context.Deployment.Certificates.Count", "0"),
    ('context.Deployment.Certificates.ContainsKey("x")', "False"),
    ("context.Deployment.ServiceName", ""),
    ("context.Api.Version", ""),
)


async def test_what_there_is_not_is_null(harness: Harness) -> None:
    harness.configure(
        api("open", "http://backend.example"),
        operation("open", "GET", "/*"),
        policy("/apis/open", collecting(ANONYMOUS)),
    )
    answer = await harness.request("GET", "/open/x")
    assert answer.status == 200, answer.body
    assert not differing(ANONYMOUS, json.loads(answer.body))


CLIENT: tuple[tuple[str, str], ...] = (
    ("context.Request.Certificate.Thumbprint", THUMBPRINT),
    ("context.Request.Certificate.Subject", "CN=signer.example"),
    ("context.Request.Certificate.GetNameInfo(X509NameType.SimpleName, false)", "signer.example"),
    ("context.Request.Certificate.HasPrivateKey", "False"),
    ("context.Request.Certificate.Verify()", "True"),
    ("context.Request.Certificate.NotAfter > DateTime.Now", "True"),
)


def forms(der: bytes) -> list[str]:
    """The ways in which proxies write a certificate."""
    plain = base64.b64encode(der).decode()
    lines = "\n".join(plain[at : at + 64] for at in range(0, len(plain), 64))
    pem = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
    return [plain, quote(pem, safe=""), f'By=x;Hash=y;Cert="{quote(pem, safe="")}";Subject="CN=x"']


@pytest.mark.parametrize("form", range(3))
async def test_the_certificate_that_a_proxy_in_front_tells(harness: Harness, form: int) -> None:
    harness.sidecar.certificate_header = "X-Client-Cert"
    harness.configure(
        api("open", "http://backend.example"), operation("open", "GET", "/*"), policy("/apis/open", collecting(CLIENT))
    )
    told = forms(CERTIFICATE.public_bytes(Encoding.DER))[form]
    answer = await harness.request("GET", "/open/x", {"X-Client-Cert": told})
    assert answer.status == 200, answer.body
    assert not differing(CLIENT, json.loads(answer.body))


@pytest.mark.parametrize("told", ["", "nope", "%", "Cert=", "MIIC", "-----BEGIN CERTIFICATE-----"])
async def test_what_is_no_certificate_is_none_and_without_the_setting_there_never_is_one(
    harness: Harness, told: str
) -> None:
    rows = (("context.Request.Certificate == null", "True"),)
    harness.configure(
        api("open", "http://backend.example"), operation("open", "GET", "/*"), policy("/apis/open", collecting(rows))
    )
    good = forms(CERTIFICATE.public_bytes(Encoding.DER))[0]
    for header, text in (("", good), ("X-Client-Cert", told)):
        harness.sidecar.certificate_header = header
        answer = await harness.request("GET", "/open/x", {"X-Client-Cert": text} if text else {})
        assert not differing(rows, json.loads(answer.body))


FAILED: tuple[tuple[str, str], ...] = (
    ("context.LastError.Source", "set-header"),
    ("context.LastError.Reason", "ExpressionValueEvaluationFailure"),
    (
        "context.LastError.Message",
        "Expression evaluation failed. Object reference not set to an instance of an object.",
    ),
    ("context.LastError.Scope", "api"),
    ("context.LastError.Section", "inbound"),
    ("context.LastError.Path", r"/.*set-header.*/"),
    ("context.LastError.PolicyId", "first"),
    ("context.Response.StatusCode", "500"),
)


async def test_the_last_error_and_the_response_in_on_error(harness: Harness) -> None:
    collected = collecting(FAILED)
    steps = collected[collected.index("<inbound>") + 9 : collected.index("</inbound>")]
    text = (
        '<policies><inbound><set-header id="first" name="X" exists-action="override"><value>@(context.User.Id)</value>'
        f"</set-header></inbound><backend/><outbound/><on-error>{steps}</on-error></policies>"
    )
    harness.configure(api("open", "http://backend.example"), operation("open", "GET", "/*"), policy("/apis/open", text))
    answer = await harness.request("GET", "/open/x")
    assert answer.body
    assert not differing(FAILED, json.loads(answer.body))


ANSWERED: tuple[tuple[str, str], ...] = (
    ("context.Response.StatusCode", "200"),
    ("context.Response.StatusReason", "OK"),
    ('context.Response.Headers.GetValueOrDefault("content-length")', "2"),
    ("context.Response.Body.As<string>(true)", "ok"),
    ('((IResponse)context.Variables["sent"]).StatusCode', "200"),
    ('((IResponse)context.Variables["sent"]).Body.As<string>(preserveContent: true)', "ok"),
    ("context.Request.Url.Host", "127.0.0.1"),
)


@pytest.fixture
async def calling(harness: Harness) -> AsyncIterator[Harness]:
    """A sidecar whose policies may call loopback."""
    transport = HttpTransport(reach=Reach(loopback=True))
    errands = BackgroundErrands(transport)
    harness.sidecar.ports = replace(harness.sidecar.ports, transport=transport, errands=errands)
    yield harness
    await errands.close(1)
    await transport.close()


async def test_responses_of_the_backend_and_of_send_request(calling: Harness, backend: Backend) -> None:
    collected = collecting(ANSWERED)
    steps = collected[collected.index("<inbound>") + 9 : collected.index("</inbound>")]
    text = (
        f'<policies><inbound><send-request mode="new" response-variable-name="sent"><set-url>{backend.url}/s</set-url>'
        "<set-method>GET</set-method></send-request></inbound><backend><forward-request /></backend>"
        f"<outbound>{steps}</outbound><on-error/></policies>"
    )
    calling.configure(api("open", backend.url), operation("open", "GET", "/*"), policy("/apis/open", text))
    answer = await calling.request("GET", "/open/x")
    assert not differing(ANSWERED, json.loads(answer.body))
