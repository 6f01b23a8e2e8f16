"""The page that `up` prints: what to try. Every command on it can be pasted into a shell as it stands."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.resources import files
from pathlib import Path
from string import Template

from passerelle.demo import seed
from passerelle.listening import LOOPBACK
from passerelle.plan import GATEWAY, Plan, Source
from passerelle.plane import API_VERSION

LIMIT = 5  # calls per period, of policies/search.xml


def write_page(plan: Plan) -> str:
    """The page, after writing the files that it names into DIR/demo."""
    if plan.source is not None:
        return write_directory_page(plan, plan.source)
    lines = [
        "",
        "Passerelle is running.",
        "",
        f"  management plane  {plan.management_url}   {plan.management_tls_url}  (CA: {plan.home.ca})",
        f"  gateways          {'   '.join((*plan.gateway_urls, *plan.gateway_tls_urls))}",
        f"  developer portal  {plan.portal_url}",
        f"  operator console  {plan.portal_url}/console   (sign in with the admin token)",
        f"  logs              {plan.home.logs}/*.log",
        f"  metrics           {'   '.join(plan.metrics_urls)}",
        f"  admin token       {plan.home.admin_token}",
    ]
    if plan.demo:
        lines += demo_part(plan)
    else:
        lines += [
            "",
            "Nothing is served yet. Open the operator console, and drop an OpenAPI file there or load the sample; or:",
            f"  {shlex.quote(str(Path(sys.executable).with_name('passerelle')))} import openapi FILE "
            f"--gateway {GATEWAY} --data {shlex.quote(str(plan.home.root))}",
            f"The gateways serve the APIs that are assigned to gateway '{GATEWAY}'. For an API 'orders':",
            f'  curl -X PUT -H "Authorization: Bearer $(cat {shlex.quote(str(plan.home.admin_token))})" '
            f"'{plan.management_url}{plan.service}/gateways/{GATEWAY}/apis/orders?api-version={API_VERSION}'",
        ]
    lines += ["", "Ctrl-C ends it all.", ""]
    return "\n".join(lines)


def write_directory_page(plan: Plan, source: Source) -> str:
    """The page of a folder that is served without a plane."""
    lines = [
        "",
        "Passerelle is running, without a management plane.",
        "",
        f"  folder            {source.directory}",
        f"  gateways          {'   '.join((*plan.gateway_urls, *plan.gateway_tls_urls))}",
        f"  logs              {plan.home.logs}/*.log",
        f"  metrics           {'   '.join(plan.metrics_urls)}",
        f"  status            http://{LOOPBACK}:{plan.health_port}/ready",
        "",
        f"What changes in the folder is live within {plan.poll_interval:g} s. While something in it is wrong, the last",
        "good configuration goes on; what is wrong is told here, in the agent's log, and in lastError of the status.",
        "To find it before:",
        f"  passerelle check {shlex.quote(str(source.directory))}",
        "",
        "Ctrl-C ends it all.",
        "",
    ]
    return "\n".join(lines)


def demo_part(plan: Plan) -> list[str]:
    """What to try with the book shop."""
    key = f'-H "{seed.KEY_HEADER}: {seed.read_state(plan.home).key}"'
    gateway, last = plan.gateway_urls[0], plan.gateway_urls[-1]
    body, snippet = write_files(plan)
    operation = f"{plan.management_url}{plan.service}{seed.API}/operations/get-book"
    calls = LIMIT * plan.workers + 1
    return [
        "",
        "A call that works:",
        f"  curl -i {key} {gateway}/shop/books",
        "What the backend got, after the policies:",
        f"  curl {key} {last}/shop/echo",
        "Without a key: 401",
        f"  curl -i {gateway}/shop/books",
        f"Too often: 429 after {LIMIT} calls in 30 seconds",
        f'  for call in $(seq {calls}); do curl -s -o /dev/null -w "%{{http_code}}\\n" {key} '
        f'"{gateway}/shop/search?q=wa"; done',
        "A policy answers in place of the backend: 422 for more than ten copies",
        f"  curl -i {key} -H 'Content-Type: application/json' "
        f'-d \'{{"book": 1, "quantity": 11}}\' {gateway}/shop/orders',
        "",
        f"Change the configuration; the new policy is live on every gateway within {plan.poll_interval:g} s:",
        f'  curl -i -X PUT -H "Authorization: Bearer $(cat {shlex.quote(str(plan.home.admin_token))})" '
        f"-H 'Content-Type: application/json' --data @{shlex.quote(str(body))} "
        f"'{operation}/policies/policy?api-version={API_VERSION}'",
        f"  curl -i {key} {last}/shop/books/1        # now with the header X-Changed-At",
        "The same with Microsoft's SDK:",
        f"  {shlex.quote(sys.executable)} -m pip install azure-mgmt-apimanagement==5.0.0",
        f"  {shlex.quote(sys.executable)} {shlex.quote(str(snippet))}",
        f"  curl -i {key} {last}/shop/books        # X-Served-By now says who changed it",
    ]


def write_files(plan: Plan) -> tuple[str, str]:
    """The request body of the PUT, and the script that uses the SDK."""
    body = plan.home.demo / "policy.json"
    policy = {"properties": {"format": "rawxml", "value": seed.document("policies/changed-book.xml")}}
    body.write_text(json.dumps(policy, indent=1), encoding="utf-8")
    _, subscription, _, group, *_, service = plan.service.strip("/").split("/")
    script = plan.home.root / "change_policy.py"
    script.write_text(
        Template(files("passerelle.demo").joinpath("change_policy.txt").read_text(encoding="utf-8")).substitute(
            token_file=repr(str(plan.home.admin_token)),
            ca=repr(str(plan.home.ca)),
            url=repr(plan.management_tls_url),
            subscription=repr(subscription),
            group=repr(group),
            service=repr(service),
        ),
        encoding="utf-8",
    )
    return str(body), str(script)
