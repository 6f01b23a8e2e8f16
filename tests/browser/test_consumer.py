"""A consumer of APIs, from the first look to a call that succeeds with a key of their own, in a real browser."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Eyes
from tests.e2e.house import API_VERSION, House, request

PASSWORD = "correct horse battery"


def manage(house: House, method: str, path: str, properties: dict[str, object]) -> None:
    url = f"{house.info['management']}{house.info['service']}{path}?{API_VERSION}"
    headers = {"Authorization": f"Bearer {house.info['token']}"}
    reply = request(url, method, headers, {"properties": properties})
    assert reply.status in (200, 201), reply.body


@pytest.mark.timeout(600)
def test_from_the_first_look_to_a_call(eyes: Eyes, house: House) -> None:
    page, portal = eyes.page, house.info["portal"]
    terms = {"terms": "Be kind to the shop.\nIt is small.", "approvalRequired": False, "state": "published"}
    more = {"displayName": "Starter", "description": "The book shop, for whoever has a key."}
    manage(house, "PUT", "/products/starter", {**more, **terms})
    manage(house, "PUT", "/tags/books", {"displayName": "Books"})
    manage(house, "PUT", "/apis/shop/tags/books", {})
    release = {"apiId": "/apis/shop;rev=1", "notes": "The first revision: books, orders, and a search."}
    manage(house, "PUT", "/apis/shop/releases/first", release)

    page.goto(f"{portal}/")
    expect(page.get_by_role("link", name="Book shop")).to_be_visible()
    eyes.see("apis")
    page.get_by_label("Search by name, path or description").fill("nothing like this")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("0 of 1 APIs match")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="Book shop").click()
    eyes.see("api")
    page.get_by_role("link", name="One book").click()
    eyes.see("operation")
    page.get_by_role("link", name="Products").click()
    eyes.see("products")
    page.get_by_role("link", name="Starter").click()
    eyes.see("product")
    page.get_by_role("link", name="Sign in to subscribe").click()
    eyes.see("sign-in")
    sign_up(page, eyes)

    page.get_by_label("A name for your subscription").fill("My reading list")
    page.get_by_label("I agree to the terms of use").check()
    eyes.see("subscribe")
    page.get_by_role("button", name="Get a key").click()
    expect(page.get_by_text("My reading list is active")).to_be_visible()
    eyes.see("profile")
    page.get_by_role("button", name="Show keys of My reading list").click()
    key = page.locator("code.secret").first.inner_text()
    assert re.fullmatch(r"[0-9a-f]{32}", key)
    eyes.see("keys")
    key = another_key(page, eyes, key)

    page.get_by_role("link", name="APIs", exact=True).click()
    page.get_by_role("link", name="Book shop").click()
    page.get_by_role("link", name="One book").click()
    page.get_by_role("link", name="Python", exact=True).click()
    page.get_by_role("button", name="Put it in").click()
    expect(page.locator("#sample")).to_contain_text(key)
    eyes.see("operation-own-key")
    assert key not in page.request.get(page.url).text(), "the key is in the page by a script, and in no HTML"
    called(page, eyes, key)
    usage(page, eyes, portal)
    cancelled(page, eyes, portal)
    page.goto(f"{portal}/nowhere")
    eyes.problems = [each for each in eyes.problems if "404" not in each]  # the browser notes the status
    eyes.see("problem")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def sign_up(page: Page, eyes: Eyes) -> None:
    page.get_by_role("main").get_by_role("link", name="Sign up").click()
    eyes.see("sign-up")
    email = f"ann-{time.time_ns()}@example.com"
    page.get_by_label("First name").fill("Ann")
    page.get_by_label("Last name").fill("O'Hara")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("If this address had no account before")).to_be_visible()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Ann O'Hara")).to_be_visible()
    expect(page.get_by_role("heading", name="Starter")).to_be_visible()  # where the way to a key had been left


def called(page: Page, eyes: Eyes, key: str) -> None:
    """With the console, whose calls take the portal's relay. A key of a minute ago must have reached the gateway."""
    page.get_by_role("link", name="Try it").click()
    block = page.locator(".opblock.is-open")
    expect(block).to_be_visible()
    page.get_by_role("button", name="Use my key").click()
    expect(page.get_by_text("Calls carry your key.")).to_be_visible()
    block.get_by_placeholder("id").fill("1")
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response").first
    expect(answer).to_contain_text("Walden")
    expect(answer).to_contain_text("200")
    expect(block.locator(".curl-command")).to_contain_text(key)
    eyes.see("try")


def another_key(page: Page, eyes: Eyes, key: str) -> str:
    """With the keyboard, and not before a second question."""
    link = page.get_by_role("link", name="Regenerate the primary key")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="A new primary key?")).to_be_visible()
    eyes.see("sure")
    page.get_by_role("link", name="No, go back").click()
    page.get_by_role("button", name="Show keys of My reading list").click()
    expect(page.locator("code.secret").first).to_have_text(key)
    link.click()
    button = page.get_by_role("button", name="Make a new primary key")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("My reading list has a new primary key")).to_be_visible()
    page.get_by_role("button", name="Show keys of My reading list").click()
    other = page.locator("code.secret").first.inner_text()
    assert other != key
    return other


def cancelled(page: Page, eyes: Eyes, portal: str) -> None:
    page.goto(f"{portal}/profile")
    page.get_by_text("Rename or cancel My reading list").click()
    page.get_by_role("link", name="Cancel the subscription").click()
    expect(page.get_by_role("heading", name="Cancel the subscription?")).to_be_visible()
    page.get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_text("My reading list is cancelled")).to_be_visible()


def usage(page: Page, eyes: Eyes, portal: str) -> None:
    """Gateways tell about every ten seconds; that they do is tested elsewhere, so nobody waits for it here."""
    page.goto(f"{portal}/profile/usage")
    expect(page.get_by_role("heading", name="Your usage")).to_be_visible()
    if eyes.axe:
        expect(page.locator(".chart, .empty").first).to_be_visible()
        for _ in range(30):
            if page.locator(".chart").count():
                break
            page.wait_for_timeout(1000)
            page.reload()
        expect(page.locator(".chart")).to_be_visible()
    eyes.see("usage")


def test_with_the_keyboard_alone(eyes: Eyes, house: House) -> None:
    page = eyes.page
    page.goto(f"{house.info['portal']}/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_id("content")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_id("q")
    page.keyboard.type("book")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 1 APIs match")).to_be_visible()
