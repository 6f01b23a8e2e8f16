"""SOAP services as a team brings them: the WSDL through the ARM API, then calls of a SOAP client, or plain JSON."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from house import House, Reply, request, wait_until

from tests.importers.test_edmx import V4 as EDMX
from tests.importers.test_proto_text import TEXT as PROTO
from tests.soap.shop import Shop, serving

pytestmark = pytest.mark.e2e
ODATA = """<policies><inbound><base /><validate-odata-request /></inbound><backend><base /></backend>
<outbound><base /></outbound></policies>"""
SERVICE = "shop.v1.Orders"
TENANT = """<policies><inbound><base />
<set-header name="x-tenant" exists-action="override"><value>acme</value></set-header></inbound>
<backend><base /></backend><outbound><base /></outbound></policies>"""
ENVELOPE = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><Add xmlns="urn:shop"><intA>1</intA>'
    b"<intB>1</intB></Add></e:Body></e:Envelope>"
)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with serving() as it:
        yield it


def bring(house: House, shop: Shop, name: str, kind: str, endpoint: str) -> None:
    selector = {"wsdlServiceName": "Shop", "wsdlEndpointName": endpoint}
    house.put(
        f"/apis/{name}",
        {"path": name, "format": "wsdl", "value": shop.wsdl, "apiType": kind, "wsdlSelector": selector,
         "protocols": ["http", "https"], "subscriptionRequired": False},
    )  # fmt: skip
    house.link(name)


def client_of(shop: Shop, tmp_path: Path, binding: str, address: str) -> Any:
    """zeep, with the gateway's address in place of the service's."""
    logging.getLogger("zeep").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import zeep

        file = tmp_path / "shop.wsdl"
        file.write_text(shop.wsdl)
        return zeep.Client(str(file)).create_service(f"{{urn:shop}}{binding}", address)


@pytest.mark.parametrize("binding", ["Shop11", "Shop12"])
def test_a_soap_client_through_the_gateway(house: House, shop: Shop, tmp_path: Path, binding: str) -> None:
    name = binding.lower()
    bring(house, shop, name, "soap", binding)
    stored = house.arm(f"/apis/{name}").json["properties"]
    assert (stored["type"], stored["serviceUrl"]) == ("soap", f"{shop.url}/shop.asmx")
    address = f"{house.gateways[0]}/{name}"
    known = {"Content-Type": "text/xml", "SOAPAction": '"urn:shop/Add"'}
    wait_until(lambda: request(address, "POST", known, ENVELOPE).status == 200, what="the API")

    service = client_of(shop, tmp_path, binding, address)
    assert service.Add(2, 3, "n")["AddResult"] == 5
    assert [item["Name"] for item in service.ListGoods()] == ['a "b" \\ c & d', "two\nlines"]
    assert service.Ping().year == 2020  # SOAP 1.1: without an action, so its body says what it is
    actions = [action for _, action, _, _ in shop.seen[-3:]]
    assert actions == ['"urn:shop/Add"', '"urn:shop/ListGoods"', '""' if binding == "Shop11" else '"urn:shop/Ping"']
    assert {path for path, _, _, _ in shop.seen[-3:]} == {"/shop.asmx"}
    unknown = {"Content-Type": "text/xml", "SOAPAction": '"urn:other"'}
    assert request(address, "POST", unknown, ENVELOPE).status == 404
    assert request(f"{address}/below", "POST", known, ENVELOPE).status == 404
    assert request(address, "GET").status == 404


@pytest.mark.parametrize("binding", ["Shop11", "Shop12"])
def test_json_instead_of_soap(house: House, shop: Shop, binding: str) -> None:
    name = f"rest-{binding.lower()}"
    bring(house, shop, name, "http", binding)
    address = f"{house.gateways[0]}/{name}"

    def call(operation: str, **body: Any) -> Reply:
        return request(f"{address}/{operation}", "POST", body=body)

    added = wait_until(lambda: (r := call("Add", add={"intA": 2, "intB": 3})).status == 200 and r, what="the API")
    assert added.headers["content-type"] == "application/json"
    assert added.json == {"addResponse": {"addResult": 5, "note": None}}
    path, action, kind, _ = shop.seen[-1]
    assert path == "/shop.asmx"
    assert (action, kind) == (
        ('"urn:shop/Add"', "text/xml; charset=utf-8")
        if binding == "Shop11"
        else (None, 'application/soap+xml; charset=utf-8; action="urn:shop/Add"')
    )
    answer = call("Add", add={"intA": 1, "intB": -1, "note": '<b> & "co"\n\\'})
    assert answer.json == {"addResponse": {"addResult": 0, "note": '<b> & "co"\n\\'}}
    goods = call("ListGoods", listGoods={"filter": {"maxPrice": 10.5, "exact": True}, "tag": ["t1", "t<2"]})
    assert goods.json == {
        "listGoodsResponse": {"listGoodsResult": {"item": [
            {"id": 1, "name": 'a "b" \\ c & d', "price": {"currency": "EUR", "value": 1.5}, "inStock": True,
             "tag": ["x", "y"]},
            {"id": 2, "name": "two\nlines", "price": {"currency": None, "value": 3}, "inStock": False, "tag": []},
        ]}}
    }  # fmt: skip
    sent = re.sub(r">\s+<", "><", shop.seen[-1][3].decode())
    assert '<ns1:filter exact="true"><MaxPrice>10.5</MaxPrice></ns1:filter>' in sent
    assert "<ns1:tag>t1</ns1:tag><ns1:tag>t&lt;2</ns1:tag>" in sent
    one = call("ListGoods", listGoods={"filter": {"maxPrice": 2}}).json["listGoodsResponse"]["listGoodsResult"]["item"]
    assert [item["id"] for item in one] == [1]
    assert call("Ping").json == {"pingResponse": {"at": "2020-05-06T07:08:09Z"}}
    fault = call("Add", add={"intA": "x", "intB": 1})
    assert fault.status == 500
    if binding == "Shop11":
        assert fault.json == {"error": {"code": "s:Client", "message": 'no "number"'}}


def test_an_odata_api(house: House, backend: str) -> None:
    names = {"path": "trips", "displayName": "Trips", "protocols": ["http", "https"], "subscriptionRequired": False}
    house.put("/apis/trips", names | {"serviceUrl": f"{backend}/v4", "format": "odata", "value": EDMX})
    house.policy("/apis/trips", ODATA)
    house.link("trips")
    address = f"{house.gateways[0]}/trips"
    people = f"{address}/People('x')/Trips?$top=1&$select=Name"
    answer = wait_until(lambda: (r := request(people)).status == 200 and r, what="the OData API")
    assert answer.json["path"] == "/v4/People('x')/Trips?$top=1&$select=Name"
    assert request(f"{address}/$batch", "POST", body={}).json["method"] == "POST"
    wait_until(lambda: request(f"{address}/Animals").status == 400, what="the policy")
    assert request(f"{address}/People?$filter=a%20eq").status == 400


class Orders(grpc.GenericRpcHandler):
    def service(self, details: Any) -> Any:
        tenant = dict(details.invocation_metadata).get("x-tenant", "").encode()
        if details.method == f"/{SERVICE}/Get":
            return grpc.unary_unary_rpc_method_handler(lambda request, _: tenant + b" gets " + request)
        if details.method == f"/{SERVICE}/Talk":
            return grpc.stream_stream_rpc_method_handler(lambda requests, _: (tenant + b" " + r for r in requests))
        return None


@pytest.fixture(scope="module")
def orders() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), handlers=(Orders(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None).wait()


def test_an_imported_service_is_called(house: House, orders: str) -> None:
    names = {"path": "", "displayName": "Calls", "protocols": ["http", "https"], "subscriptionRequired": True}
    house.put("/apis/calls", names | {"serviceUrl": orders, "format": "grpc", "value": PROTO})
    house.policy("/apis/calls", TENANT)
    house.link("calls")
    house.put("/subscriptions/all", {"displayName": "all", "scope": "/apis", "primaryKey": "k" * 32})
    key = (("ocp-apim-subscription-key", "k" * 32),)
    authority = grpc.ssl_channel_credentials(Path(str(house.info["ca"])).read_bytes())
    plain = grpc.insecure_channel(house.gateways[0].removeprefix("http://"))
    secure = grpc.secure_channel(house.info["gateways_tls"][0].removeprefix("https://"), authority)
    with plain, secure:
        for channel in (plain, secure):

            def answered(channel: grpc.Channel = channel) -> bytes | None:
                try:
                    return channel.unary_unary(f"/{SERVICE}/Get")(b"one", metadata=key)  # type: ignore[no-any-return]
                except grpc.RpcError:
                    return None

            assert wait_until(answered, what="the gRPC API") == b"acme gets one"
            talk = channel.stream_stream(f"/{SERVICE}/Talk")(iter((b"a", b"b")), metadata=key)
            assert list(talk) == [b"acme a", b"acme b"]
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(f"/{SERVICE}/Get")(b"one")
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
            with pytest.raises(grpc.RpcError) as unknown:
                channel.unary_unary(f"/{SERVICE}/Steal")(b"one", metadata=key)
            assert unknown.value.code() == grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]
