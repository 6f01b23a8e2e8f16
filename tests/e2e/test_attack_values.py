"""E16 through a real house: what an expression does to a value is gone with its request."""

from __future__ import annotations

import pytest

from tests.e2e.house import House, request

pytestmark = pytest.mark.e2e

POLICY = """<policies><inbound>
<set-variable name="list" value="@(JArray.Parse(&quot;{{frozen}}&quot;))" />
<set-variable name="n" value="@{ var l = (JArray)context.Variables[&quot;list&quot;]; l.Add(1); return l.Count; }" />
<return-response><set-body>@(context.Variables["n"].ToString() + "{{frozen}}")</set-body></return-response>
</inbound></policies>"""


def test_e16_a_named_value_and_a_variable_of_one_request_are_not_the_next_ones(house: House, backend: str) -> None:
    house.put("/namedValues/frozen", {"displayName": "frozen", "value": "[1,2]"})
    house.api("frozen", backend)
    house.policy("/apis/frozen", POLICY)
    house.everywhere("/frozen/x", lambda reply: reply.body == b"3[1,2]")
    answers = {request(f"{house.gateways[0]}/frozen/x").body for _ in range(20)}
    assert answers == {b"3[1,2]"}
