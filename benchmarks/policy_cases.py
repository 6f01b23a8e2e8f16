"""What `policies.py` measures: one document for each policy, as short as it may be."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from passerelle.cases.tokens import SECRETS, token

JSON = b'{"id": 7, "name": "tea", "tags": ["a", "b"], "price": 4.5}'
CHAT = b'{"model": "m", "messages": [{"role": "user", "content": "Say hello to everybody."}]}'
SAID = (
    b'{"choices": [{"message": {"content": "Hello!"}}],'
    b'"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}'
)
GOOD = token({"aud": "shop", "iss": "https://issuer.example", "exp": 4_102_444_800, "scope": "read"})
FRAGMENT = '<fragment><set-header name="X-Fragment"><value>yes</value></set-header></fragment>'


@dataclass(frozen=True)
class Case:
    """One policy in a section; `beside` is what the document has also without it."""

    name: str
    inbound: str = ""
    backend: str = "<forward-request />"
    outbound: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    answer: bytes = JSON
    beside: str = "<forward-request />"  # the backend section without the policy
    scope: str = "api"  # of the document

    def text(self) -> str:
        return _document(self.inbound, self.backend, self.outbound)

    def without(self) -> str:
        return _document("", self.beside, "")


def _document(inbound: str, backend: str, outbound: str) -> str:
    return (
        f"<policies><inbound>{inbound}</inbound><backend>{backend}</backend>"
        f"<outbound>{outbound}</outbound><on-error /></policies>"
    )


# In the order in which published policy files need them.
CASES = (
    Case("set-backend-service (by id)", '<set-backend-service backend-id="other" />'),
    Case("rewrite-uri", '<rewrite-uri template="/v2/orders/{id}" />'),
    Case("set-header", '<set-header name="X-A" exists-action="override"><value>a</value></set-header>'),
    Case("set-variable (expression)", '<set-variable name="a" value="@(context.Request.Method + context.Api.Id)" />'),
    Case(
        "choose (second branch)",
        """<choose><when condition="@(context.Request.Method == "POST")" />
        <when condition="@(context.Request.Headers.GetValueOrDefault("X-Kind", "") == "plain")" /></choose>""",
        headers={"X-Kind": "plain"},
    ),
    Case(
        "set-body (JSON in and out)",
        """<set-body>@{ var body = context.Request.Body.As<JObject>();
        body["seen"] = true; return body.ToString(); }</set-body>""",
        method="POST",
        body=JSON,
    ),
    Case(
        "validate-jwt (HS256, seen before)",
        f"""<validate-jwt header-name="Authorization" require-scheme="Bearer">
        <issuer-signing-keys><key>{base64.b64encode(SECRETS["secret"]).decode()}</key></issuer-signing-keys>
        <audiences><audience>shop</audience></audiences></validate-jwt>""",
        headers={"Authorization": f"Bearer {GOOD}"},
    ),
    Case("authentication-managed-identity", '<authentication-managed-identity resource="https://vault.example/" />'),
    Case("set-query-parameter", '<set-query-parameter name="v"><value>1</value></set-query-parameter>'),
    Case("include-fragment (a set-header)", '<include-fragment fragment-id="shared" />'),
    Case(
        "cors (a simple request)",
        """<cors><allowed-origins><origin>https://app.example</origin></allowed-origins>
        <allowed-methods><method>GET</method></allowed-methods></cors>""",
        headers={"Origin": "https://app.example"},
    ),
    Case("forward-request", beside='<return-response><set-status code="200" reason="OK" /></return-response>'),
    Case(
        "rate-limit-by-key",
        '<rate-limit-by-key calls="1000000000" renewal-period="60" counter-key="@(context.Request.IpAddress)" />',
    ),
    Case("trace", '<trace source="here" severity="information"><message>hello</message></trace>'),
    Case("ip-filter (4 ranges)", '<ip-filter action="allow">' + "".join(
        f'<address-range from="203.0.{n}.0" to="203.0.{n}.255" />' for n in (110, 111, 112, 113)) + "</ip-filter>"),
    Case(
        "retry (not needed)",
        backend='<retry condition="@(context.Response.StatusCode == 500)" count="3" interval="1">'
        "<forward-request /></retry>",
    ),
    Case(
        "azure-openai-emit-token-metric",
        '<azure-openai-emit-token-metric><dimension name="API ID" /></azure-openai-emit-token-metric>',
        method="POST",
        body=CHAT,
        answer=SAID,
    ),
    Case(
        "check-header",
        """<check-header name="X-Kind" failed-check-httpcode="400" failed-check-error-message="no" ignore-case="true">
        <value>plain</value></check-header>""",
        headers={"X-Kind": "plain"},
    ),
    Case(
        "mock-response",
        '<mock-response status-code="200" content-type="application/json" />',
        beside='<return-response><set-status code="200" reason="OK" /></return-response>',
    ),
    Case(
        "azure-openai-token-limit",
        """<azure-openai-token-limit counter-key="@(context.Request.IpAddress)" tokens-per-minute="1000000000"
        estimate-prompt-tokens="false" />""",
        method="POST",
        body=CHAT,
        answer=SAID,
    ),
)  # fmt: skip


PRICES = '<prices><price currency="EUR">4.5</price><price currency="USD">4.9</price></prices>'
SHEET = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/prices">
  <all><xsl:for-each select="price"><one><xsl:value-of select="."/></one></xsl:for-each></all>
</xsl:template></xsl:stylesheet>"""

# The rest of those that need no one to call, in the order of the alphabet.
MORE = (
    Case("authentication-basic", '<authentication-basic username="ann" password="secret" />'),
    Case("cache-lookup and cache-store (hits)",
         '<cache-lookup vary-by-developer="false" vary-by-developer-groups="false" />',
         outbound='<cache-store duration="60" />'),
    Case("cache-lookup-value", '<cache-lookup-value key="k" default-value="none" variable-name="v" />'),
    Case("cache-store-value", '<cache-store-value key="k" value="v" duration="60" />'),
    Case("emit-metric (two dimensions)", """<emit-metric name="calls" value="1" namespace="shop">
        <dimension name="API ID" /><dimension name="Kind" value="@(context.Request.Method)" /></emit-metric>"""),
    Case("find-and-replace", outbound='<find-and-replace from="tea" to="coffee" />'),
    Case("json-to-xml", outbound='<json-to-xml apply="always" consider-accept-header="false" />'),
    Case("jsonp", outbound='<jsonp callback-parameter-name="callback" />'),
    Case("limit-concurrency",
         '<limit-concurrency key="k" max-count="100000"><set-method>GET</set-method></limit-concurrency>'),
    Case("llm-emit-token-metric", '<llm-emit-token-metric><dimension name="API ID" /></llm-emit-token-metric>',
         method="POST", body=CHAT, answer=SAID),
    Case("quota", '<quota calls="1000000000" renewal-period="3600" />', scope="product"),
    Case("quota-by-key", """<quota-by-key calls="1000000000" renewal-period="3600"
        counter-key="@(context.Request.IpAddress)" />"""),
    Case("rate-limit", '<rate-limit calls="1000000000" renewal-period="60" />'),
    Case("redirect-content-urls", outbound="<redirect-content-urls />"),
    Case("return-response", '<return-response><set-status code="200" reason="OK" /></return-response>'),
    Case("set-method", "<set-method>GET</set-method>"),
    Case("set-status", outbound='<set-status code="200" reason="Fine" />'),
    Case("validate-content (JSON, no schema)", """<validate-content unspecified-content-type-action="ignore"
        max-size="102400" size-exceeded-action="prevent" />""", method="POST", body=JSON,
        headers={"Content-Type": "application/json"}),
    Case("validate-headers",
         outbound='<validate-headers specified-header-action="ignore" unspecified-header-action="ignore" />'),
    Case("validate-parameters", """<validate-parameters specified-parameter-action="ignore"
        unspecified-parameter-action="ignore" />"""),
    Case("validate-status-code", outbound='<validate-status-code unspecified-status-code-action="ignore" />'),
    Case("wait (two look-ups)", """<wait for="all"><cache-lookup-value key="a" variable-name="a" />
        <cache-lookup-value key="b" variable-name="b" /></wait>"""),
    Case("xml-to-json", outbound='<xml-to-json kind="direct" apply="always" consider-accept-header="false" />',
         answer=PRICES.encode()),
    Case("xsl-transform", outbound=f"<xsl-transform>{SHEET}</xsl-transform>", answer=PRICES.encode()),
)  # fmt: skip
