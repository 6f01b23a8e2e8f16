"""An operator, from an empty plane and a file to a policy that is live, in a real browser; curl asks the gateway."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Eyes
from tests.e2e.house import House, wait_until

DOCUMENT = """openapi: 3.0.3
info:
  title: Tea house
  version: "1"
servers:
  - url: {backend}
paths:
  /teas:
    get:
      operationId: list-teas
      summary: All teas
      responses: {{"200": {{description: The teas}}}}
  /teas/{{name}}:
    get:
      operationId: get-tea
      parameters:
        - {{name: name, in: path, required: true, schema: {{type: string}}, example: oolong}}
      responses: {{"200": {{description: The tea}}}}
"""
ASIDE = """<set-header name="X-Tea" exists-action="override">
            <value>@("hot " + context.Operation.Id)</value>
        </set-header>"""


class Teas(BaseHTTPRequestHandler):
    """The backend: says what it was asked for, and which tea header came."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "tea": self.headers.get("X-Tea")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Teas)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def house(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Nothing in it, as on the first day."""
    found = House(tmp_path_factory.mktemp("empty"), extra=("--sidecars", "1", "--no-demo"))
    try:
        yield found.start()
    finally:
        found.stop()


def curl(command: str) -> tuple[int, str]:
    """Status and body of a line that a person would paste."""
    arguments = [
        *shlex.split(command.replace("\\\n", " ")),
        "--silent",
        "--max-time",
        "10",
        "--write-out",
        "\n%{http_code}",
    ]
    told = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False).stdout
    body, _, status = told.rpartition("\n")
    return int(status or 0), body


def sign_in(page: Page, house: House) -> None:
    page.goto(f"{house.info['portal']}/console")
    page.get_by_label("Admin token of the management plane").fill(house.info["token"])
    page.get_by_label("Your name").fill("Olga Operator")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()  # the browser has its cookie


def text_of(page: Page) -> Locator:
    return page.get_by_label("Policy document")


@pytest.mark.timeout(600)  # with photographs and axe-core of twenty pages
def test_from_a_file_to_a_policy_that_is_live_and_back(eyes: Eyes, house: House, backend: str, tmp_path: Path) -> None:
    page, portal = eyes.page, house.info["portal"]
    page.goto(f"{portal}/console")
    eyes.see("console-sign-in")
    sign_in(page, house)
    expect(page.get_by_text("Drop an OpenAPI file here")).to_be_visible()
    eyes.see("console-empty")
    command = imported(eyes, backend, tmp_path)

    # a policy, from the list beside the editor
    page.get_by_role("link", name="Give it a policy").click()
    page.get_by_label("Insert a policy").fill("set-header")
    page.get_by_role("button", name="set-header", exact=True).click()
    expect(text_of(page)).to_have_value(re.compile("<set-header"))
    text = text_of(page).input_value()
    inserted = re.search(r"<set-header.*?</set-header>", text, re.DOTALL)
    assert inserted is not None
    broken = text.replace(inserted[0], ASIDE.replace("exists-action", "exist-action"))
    text_of(page).fill(broken)
    finding = page.locator("#findings li")
    expect(finding).to_contain_text("line 4, column 34")
    expect(finding).to_contain_text("Did you mean 'exists-action'?")
    expect(page.locator(".gutter .error")).to_have_text("4")
    expect(page.locator(".paint .t-error")).to_have_text("exist-action")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Not saved: the document has errors.")).to_be_visible()
    assert page.evaluate("document.getElementById('text').selectionStart") == broken.index("exist-action")
    eyes.see("console-policy-broken")
    assert json.loads(curl(command)[1])["tea"] is None

    text_of(page).fill(broken.replace("exist-action", "exists-action"))
    expect(page.locator("#state")).to_contain_text("It is sound.")
    page.keyboard.press("Control+s")
    expect(page.get_by_text(re.compile(r"Saved as revision \d+\. Live on 1 of 1 sidecar\."))).to_be_visible()
    wait_until(lambda: json.loads(curl(command)[1])["tea"] == "hot list-teas", 10, 0.2)
    eyes.see("console-policy")
    debugged(eyes, house)
    rolled_back(eyes, house, command)
    looked_at(eyes, portal)


def imported(eyes: Eyes, backend: str, tmp_path: Path) -> str:
    """The command that the page shows, which works."""
    page = eyes.page
    bad = tmp_path / "tea-house.yaml"
    bad.write_text(DOCUMENT.format(backend=backend).replace("  version:", "   version:"))
    page.set_input_files("#first-file", bad)
    expect(page.get_by_text("line 4, column")).to_be_visible()
    expect(page.locator(".around .here")).to_contain_text("version")
    forget(eyes, "400")
    eyes.see("console-import-refused")
    good = tmp_path / "good" / "tea-house.yaml"
    good.parent.mkdir()
    good.write_text(DOCUMENT.format(backend=backend))
    page.set_input_files("#file", good)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Tea house is there")).to_be_visible()
    expect(page.get_by_text("Live on 1 of 1 sidecar.")).to_be_visible()
    eyes.see("console-ready")
    command = page.locator("#command").inner_text()
    status, body = wait_until(lambda: found if (found := curl(command))[0] == 200 else None, 15, 0.3)
    assert (status, json.loads(body)["path"]) == (200, "/teas")
    return command


def forget(eyes: Eyes, *statuses: str) -> None:
    """The browser notes answers with such a status as errors; they were asked for."""
    eyes.problems = [each for each in eyes.problems if not any(f"status of {status}" in each for status in statuses)]


def debugged(eyes: Eyes, house: House) -> None:
    page = eyes.page
    page.get_by_role("link", name="Debug a request").click()
    page.get_by_label("Operation").select_option(label="GET /teas/{name}")
    expect(page.get_by_label("name path")).to_have_value("oolong")
    page.get_by_label("name path").fill("green tea")
    expect(page.locator(".preview")).to_have_text("GET /tea-house/teas/green%20tea")
    page.get_by_role("button", name="Send").click()
    answer = page.locator("#answer")
    expect(answer.get_by_role("heading", name="200 OK")).to_be_visible()
    expect(answer.locator("pre").first).to_contain_text('"tea": "hot get-tea"')
    step = page.locator(".step").filter(has=page.locator("strong", has_text="set-header"))
    expect(step).to_contain_text('@("hot " + context.Operation.Id)')
    expect(step.locator(".value")).to_have_text('"hot get-tea"')
    expect(step.locator(".changes")).to_contain_text("request header X-Tea")
    expect(step.get_by_role("link", name="/apis/tea-house, line 4")).to_be_visible()
    sent = page.locator(".step").filter(has_text="is being forwarded")
    expect(sent).to_contain_text("/teas/green%20tea")
    eyes.see("console-debugger")
    with page.expect_download() as download:
        page.get_by_role("link", name="as JSON").click()
    trace = json.loads(Path(str(download.value.path())).read_text(encoding="utf-8"))
    assert "inbound" in trace["traceEntries"]
    # without a key it says why not
    page.get_by_label("Key").select_option("")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".cause")).to_contain_text("SubscriptionKeyNotFound")
    eyes.see("console-debugger-refused")
    page.get_by_role("link", name="Link to this trace").click()
    expect(page.locator(".cause")).to_contain_text("It went wrong at authorization")


def rolled_back(eyes: Eyes, house: House, command: str) -> None:
    page = eyes.page
    page.get_by_role("link", name="Revisions").click()
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("Olga Operator")
    expect(row).to_contain_text("/apis/tea-house/policies/policy")
    eyes.see("console-revisions")
    row.get_by_role("link").first.click()
    expect(page.locator(".diff")).to_contain_text('set-header name="X-Tea"')
    eyes.see("console-revision")
    page.get_by_role("link", name="side by side").click()
    eyes.see("console-revision-side")
    page.get_by_role("link", name="Take it back").click()
    expect(page.get_by_text("1 resource changes")).to_be_visible()
    expect(page.locator(".change.delete")).to_contain_text("/apis/tea-house/policies/policy")
    eyes.see("console-rollback")
    page.get_by_role("button", name=re.compile("Go back to revision")).click()
    expect(page.get_by_text("Everything is as it was after revision")).to_be_visible()
    wait_until(lambda: json.loads(curl(command)[1])["tea"] is None, 15, 0.3)


def looked_at(eyes: Eyes, portal: str) -> None:
    for name, path in (
        ("gateways", ""),
        ("apis", "/apis"),
        ("api", "/apis/tea-house"),
        ("effective", "/apis/tea-house/operations/get-tea/effective"),
        ("products", "/products"),
        ("subscriptions", "/subscriptions"),
        ("subscription", "/subscriptions/try-tea-house"),
        ("policies", "/policies"),
        ("activity", "/activity"),
        ("requests", "/requests"),
        ("import", "/import"),
    ):
        eyes.page.goto(f"{portal}/console{path}")
        expect(eyes.page.get_by_role("heading", level=1)).to_be_visible()
        eyes.see(f"console-{name}")


def test_what_is_typed_outlives_a_plane_that_is_away(eyes: Eyes, house: House) -> None:
    page, portal = eyes.page, house.info["portal"]
    sign_in(page, house)
    page.goto(f"{portal}/console/policy")
    typed = text_of(page).input_value().replace("<inbound>", "<inbound>\n        <!-- an hour of work -->")
    plane = house.kill("management")
    text_of(page).fill(typed)
    expect(page.get_by_text("The management plane is away. Go on writing")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("so nothing was saved. Your text is kept here")).to_be_visible()
    eyes.see("console-away")
    again = eyes.page.context.new_page()
    again.goto(f"{portal}/console/apis")
    expect(again.get_by_text("The management plane is away")).to_be_visible()
    house.again(plane)
    expect(again.get_by_role("heading", name="APIs")).to_be_visible(timeout=40_000)
    again.close()
    expect(page.locator("#state")).to_contain_text("It is sound.", timeout=40_000)
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(text_of(page)).to_have_value(typed)
    expect(page.get_by_text("This is your draft, which is not saved yet")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(re.compile("Saved as revision"))).to_be_visible()
    forget(eyes, "503")
