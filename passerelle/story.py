"""A trace, as `listTrace` answers it, told to a person: sections, steps, what they read and changed."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

WIDTH = 100
SOURCE_WIDTH = 34


def tell(trace: dict[str, Any], outcome: str, milliseconds: float) -> None:
    """`outcome` is the status line that the client got."""
    console = Console(highlight=False, soft_wrap=True)
    for section, entries in trace.get("traceEntries", {}).items():
        console.print()
        console.print(Rule(Text(section, "bold cyan"), align="left", style="dim"), width=min(WIDTH, console.width))
        for entry in entries:
            _entry(console, entry)
    console.print()
    console.print(Text.assemble((outcome, "bold"), (f"   in {milliseconds:.1f} ms", "dim")))
    console.print(Text(f"trace {trace.get('traceId')}, sidecar {trace.get('instanceId')}", "dim"))


def _entry(console: Console, entry: dict[str, Any]) -> None:
    data = entry.get("data")
    if not isinstance(data, dict):
        data = {"message": data}
    indent = "  " * int(data.get("depth", 0))
    failed = bool(data.get("error") or data.get("reason"))
    place = f"{data['document']}, line {data['line']}" if data.get("line") else ""
    mark, colour = ("✗", "red") if failed else ("•", "green")
    name = f"{indent}{mark} {entry['source']}".ljust(SOURCE_WIDTH)
    style = f"bold {colour}" if failed else "bold"
    console.print(Text.assemble((name, style), (f"{entry['elapsed'][6:]} s  {place}".rstrip(), "dim")))
    for line in _lines(data):
        console.print(Text.assemble(f"{indent}    ", *line))


def _lines(data: dict[str, Any]) -> list[list[str | tuple[str, str]]]:
    lines: list[list[str | tuple[str, str]]] = []
    for each in data.get("expressions", ()):
        made = (f"✗ {each['error']}", "red") if "error" in each else (str(each.get("value")), "magenta")
        lines.append([(" ".join(str(each["expression"]).split())[:WIDTH], "dim"), (" → ", "dim"), made])
    lines += [[("? ", "cyan"), (f"{each['asked']}: ", "dim"), each["answer"]] for each in data.get("reads", ())]
    messages = data.get("message") or []
    lines += [[str(each)] for each in (messages if isinstance(messages, list) else [messages])]
    if request := data.get("request"):
        lines.append([(f"{request['method']} {request['url']}", "bold")])
        lines += _headers(request)
    if response := data.get("response"):
        status = response["status"]
        took = (f"   {data.get('duration', '')}", "dim")
        lines.append([(f"{status['code']} {status['reason']}".rstrip(), "bold"), took])
        lines += _headers(response)
    if configuration := data.get("configuration"):
        api, operation = configuration["api"], configuration.get("operation")
        version = f", version {api['version']}" if api["version"] else ""
        lines.append([f"API '{api['id']}' at {api['from']}, revision {api['revision']}{version}"])
        if operation:
            lines.append([f"operation '{operation['id']}': {operation['method']} {operation['uriTemplate']}"])
        lines.append([f"product {configuration['product']}, subscription {configuration.get('subscription', '-')}"])
    for name in ("error", "reason", "detail"):
        if told := data.get(name):
            lines.append([(str(told), "red")])
    return lines


def _headers(message: dict[str, Any]) -> list[list[str | tuple[str, str]]]:
    return [[(f"  {each['name']}: ", "dim"), str(each["value"])] for each in message.get("headers", ())]
