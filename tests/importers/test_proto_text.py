"""Protobuf definitions -> gRPC APIs."""

from __future__ import annotations

import pytest

from management.importers.imported import ImportRefused
from management.importers.proto_text import import_proto
from tests.cpu import cpu

TEXT = """syntax = "proto3"; // service Not { rpc A (B) returns (C); }
package shop.v1; import "a.proto"; option java_package = "service {";
/* service Not {} */
message Order { message Line { string service = 1; } repeated Line lines = 2 [deprecated = true]; stream stream = 3; }
service Orders {
  option (x) = { a: "}" };
  rpc Get (Order) returns (.shop.v1.Order);
  rpc Watch (Order) returns (stream Order) { option (google.api.http) = { get: "/v1/{name}" }; }
  rpc Send (stream Order) returns (Order) {}
  rpc Talk (stream stream) returns (stream Order);
}
service Prices { rpc Get (Order) returns (Order); }
"""


def test_services_become_operations() -> None:
    api = import_proto(TEXT)
    assert (api.type, api.display_name) == ("grpc", "Orders")
    found = {each.id: (each.properties["urlTemplate"], each.properties["description"]) for each in api.operations}
    assert found == {
        "orders-get": ("/shop.v1.Orders/Get", "Unary"),
        "orders-watch": ("/shop.v1.Orders/Watch", "Server streaming"),
        "orders-send": ("/shop.v1.Orders/Send", "Client streaming"),
        "orders-talk": ("/shop.v1.Orders/Talk", "Bidirectional streaming"),
        "prices-get": ("/shop.v1.Prices/Get", "Unary"),
    }
    get = api.operations[0].properties
    assert get["method"] == "POST"
    assert get["request"]["representations"][0]["typeName"] == "Order"
    assert get["responses"][0]["representations"][0]["typeName"] == "shop.v1.Order"
    (schema,) = api.documents
    assert (schema.content_type, schema.text) == ("text/protobuf", TEXT)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("message A {}", "nothing to call"),
        ("", "nothing to call"),
        ("service A {\n rpc B (C) return (D); }", "'returns' is expected, not 'return' on line 2, column 12"),
        ("service A { rpc B (C) returns (D)", "ends too early"),
        ("service 1 { }", "cannot be the name of a service"),
        ("/* service", "not closed on line 1, column 1"),
        ('option a = "b\n', "not closed"),
        ("service A { rpc B (C) returns (D); } }", "too many"),
        ("é", "not understood"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(ImportRefused, match=why):
        import_proto(text)


def test_hostile_text_costs_its_length() -> None:
    with cpu(5):
        for text in ('"' + '\\"' * 200_000, "/" * 400_000, "{" * 200_000, "service A {" * 20_000, "/* " * 100_000):
            with pytest.raises(ImportRefused):
                import_proto(text)
