"""crossdomain.xml belongs to no operation, and a global cross-domain policy serves it nevertheless."""

from __future__ import annotations

from sidecar_harness import Backend, Harness, open_api, policy

DOCUMENT = """<policies><inbound><cross-domain><cross-domain-policy>
  <allow-access-from domain="*" /></cross-domain-policy></cross-domain></inbound></policies>"""


async def test_the_file_is_served_without_an_operation_or_a_key(harness: Harness, backend: Backend) -> None:
    assert not harness.configure(*open_api("shop", backend.url), policy("", DOCUMENT))
    answer = await harness.request("GET", "/crossdomain.xml")
    assert answer.status == 200
    assert b'<allow-access-from domain="*" />' in answer.body
    assert (await harness.request("GET", "/other.xml")).status == 404
    assert (await harness.request("GET", "/crossdomain.xml2")).status == 404
    assert not backend.requests


async def test_without_the_policy_there_is_no_such_file(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("shop", backend.url))
    assert (await harness.request("GET", "/crossdomain.xml")).status == 404
