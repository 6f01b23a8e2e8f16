"""What a developer sees, and what not."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient

from portal.plane import NotThere, segment


async def text(client: TestClient, path: str, status: int = 200) -> str:
    response = await client.get(path, allow_redirects=False)
    assert response.status == status
    return await response.text()


async def test_the_catalogue_has_the_current_apis_of_published_products(client: TestClient) -> None:
    body = await text(client, "/")
    assert "Book &lt;shop&gt;" in body
    assert "Books &amp; more" in body
    assert 'href="/apis/shop%3Brev%3D1"' in body
    assert "Hidden" not in body
    assert "Old shop" not in body


@pytest.mark.parametrize(("query", "found"), [("BOOK", True), ("more shop", True), ("book cheese", False)])
async def test_search(client: TestClient, query: str, found: bool) -> None:
    body = await text(client, f"/?q={query}")
    assert ("Book &lt;shop&gt;" in body) is found
    assert f'value="{query}"' in body


async def test_what_is_typed_is_escaped(client: TestClient) -> None:
    assert "<script>" not in await text(client, '/?q="><script>alert(1)</script>')


async def test_an_api_page_says_how_to_call_each_operation(client: TestClient) -> None:
    body = await text(client, "/apis/shop%3Brev%3D1/operations/get")
    for words in ("X-Shop-Key", "One book", "/books/{id}?lang={lang}", "Api-Version", "it&#39;s", "&#34;id&#34;: 7"):
        assert words in body
    assert "http://127.0.0.1:8080/shop/books/1?lang=en&amp;all=all" in body


async def test_the_gateway_of_the_samples_can_be_chosen(client: TestClient) -> None:
    operation = "/apis/shop%3Brev%3D1/operations/get"
    assert "http://127.0.0.1:8081/shop/books/1" in await text(client, f"{operation}?gateway=2")
    assert "http://127.0.0.1:8080/shop/books/1" in await text(client, f"{operation}?gateway=9")


@pytest.mark.parametrize("path", ["/apis/hidden", "/apis/none", "/products/draft"])
async def test_what_is_not_published_is_not_there(client: TestClient, path: str) -> None:
    assert "There is no such page" in (await text(client, path, 404))


async def test_products(client: TestClient) -> None:
    body = await text(client, "/products")
    assert "Starter" in body
    assert "Draft" not in body
    assert "1 API<" in body
    assert "/apis/shop%3Brev%3D1" in await text(client, "/products/starter")


@pytest.mark.parametrize("name", [".", ".."])
def test_no_resource_is_a_step_upwards(name: str) -> None:
    with pytest.raises(NotThere):
        segment(name)
