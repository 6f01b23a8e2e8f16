"""Draws the diagrams of the docs: python docs/pictures/draw.py writes the .svg files beside it.

A picture is boxes, groups and arrows on a grid of pixels. Colours follow the reader's light or dark setting; text is
text, so that it can be searched and read aloud. `tests/docs/test_pictures.py` holds the files to this script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

STYLE = """
  svg { color-scheme: light dark; }
  .paper { fill: #ffffff; }
  text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1b2733; }
  .small { font-size: 12px; fill: #4b5a68; }
  .title { font-weight: 600; }
  .box { fill: #f2f5f8; stroke: #5b6b7a; stroke-width: 1.2; }
  .ours { fill: #dcebf7; stroke: #1f5f8b; }
  .gone { fill: none; stroke: #a33; stroke-dasharray: 5 4; }
  .group { fill: none; stroke: #8a98a5; stroke-dasharray: 2 4; }
  .arrow { fill: none; stroke: #33475b; stroke-width: 1.5; marker-end: url(#tip); }
  .back { stroke-dasharray: 5 4; }
  .tip { fill: #33475b; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0f151b; }
    text { fill: #e6edf3; }
    .small { fill: #a9b7c4; }
    .box { fill: #1a232c; stroke: #8a9aa9; }
    .ours { fill: #16344c; stroke: #6db3e8; }
    .gone { fill: none; stroke: #f0817a; }
    .group { stroke: #6b7a88; }
    .arrow { stroke: #b8c7d5; }
    .tip { fill: #b8c7d5; }
  }
"""


@dataclass
class Picture:
    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: int, y: int, words: str, kind: str = "small", anchor: str = "middle") -> None:
        self.parts.append(f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>')

    def box(self, x: int, y: int, w: int, h: int, title: str, *lines: str, kind: str = "ours") -> None:
        """A part with its name and what it is in small lines, centred."""
        self.parts.append(f'<rect class="box {kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>')
        top = y + h // 2 - 8 * len(lines) + 5
        self.text(x + w // 2, top, title, "title")
        for number, line in enumerate(lines, 1):
            self.text(x + w // 2, top + 17 * number, line)

    def group(self, x: int, y: int, w: int, h: int, title: str) -> None:
        self.parts.append(f'<rect class="group" x="{x}" y="{y}" width="{w}" height="{h}" rx="8"/>')
        self.text(x + 10, y + 18, title, "small", "start")

    def arrow(
        self, *points: tuple[int, int], words: str = "", at: tuple[int, int] = (0, 0), back: bool = False
    ) -> None:
        """A line with a tip at its last point; `words` stand at `at`. `back`: what goes back, or now and then."""
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        self.parts.append(f'<path class="arrow{" back" if back else ""}" d="{path}"/>')
        if words:
            self.text(*at, words)

    def svg(self) -> str:
        inside = "\n".join(f"  {part}" for part in self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-label="{escape(self.title)}">\n'
            f"  <title>{escape(self.title)}</title>\n  <style>{STYLE}  </style>\n"
            '  <defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
            'orient="auto-start-reverse"><path class="tip" d="M0 0 L10 5 L0 10 z"/></marker></defs>\n'
            f'  <rect class="paper" width="{self.width}" height="{self.height}"/>\n{inside}\n</svg>\n'
        )


def parts() -> Picture:
    it = Picture(860, 420, "Clients call sidecars, sidecars call backends; an agent brings what the plane says")
    it.box(20, 50, 110, 60, "clients", kind="")
    it.group(180, 20, 420, 345, "one gateway, on one host or in one pod")
    it.box(200, 50, 180, 60, "proxy sidecars", "one or more")
    it.box(680, 50, 150, 60, "backends", "yours", kind="")
    it.box(420, 165, 160, 60, "telemetry child", "of each sidecar")
    it.box(200, 200, 180, 60, "sync agent")
    it.box(200, 300, 180, 50, "backup", "encrypted, on disk", kind="")
    it.box(680, 165, 150, 60, "collectors, logs", "yours", kind="")
    it.box(650, 355, 190, 50, "portal, console")
    it.box(650, 262, 190, 66, "management plane", "with its store")
    it.arrow((130, 80), (200, 80))
    it.arrow((380, 80), (680, 80), words="calls", at=(640, 72))
    it.arrow((260, 200), (260, 110), words="changes", at=(228, 155))
    it.arrow((320, 110), (320, 200), words="what is held", at=(362, 150), back=True)
    it.arrow((370, 110), (370, 125), (500, 125), (500, 165), words="records", at=(450, 120))
    it.arrow((580, 195), (680, 195))
    it.arrow((290, 260), (290, 300))
    it.arrow((380, 245), (625, 245), (625, 295), (650, 295), words="asks every 10 s, outbound only", at=(490, 262))
    it.arrow((745, 355), (745, 328))
    return it


def change() -> Picture:
    it = Picture(860, 250, "How a change travels: plane, agent, backup, sidecar, and the acknowledgement back")
    names = (
        ("1  you", "SDK, az, apply,", "portal"),
        ("2  plane", "checks, stores,", "numbers it"),
        ("3  agent", "asks, verifies,", "writes the backup"),
        ("4  sidecar", "compiles beside", "the traffic"),
        ("5  in force", "one assignment,", "no request fails"),
    )
    for number, (name, *lines) in enumerate(names):
        x = 15 + 170 * number
        it.box(x, 50, 140, 80, name, *lines, kind="" if number == 0 else "ours")
        if number:
            it.arrow((x - 30, 90), (x, 90))
    it.arrow(
        (765, 130),
        (765, 185),
        (255, 185),
        (255, 130),
        words="acknowledged, with what could not be compiled; told by heartbeat",
        at=(510, 178),
        back=True,
    )
    it.text(255, 35, "a policy that cannot be right is refused here, with line and column")
    it.text(425, 225, "each step is tried again until it is done; the one in force stays until the next one is ready")
    return it


def static() -> Picture:
    it = Picture(860, 330, "Failing static: what is served when the plane, the agent, or everything is gone")
    agents = {"the plane is gone": "agent", "the agent too": "", "all was stopped; plane still gone": "agent + backup"}
    for number, (title, agent) in enumerate(agents.items()):
        x = 15 + 285 * number
        it.group(x, 15, 265, 300, title)
        for row, (name, gone) in enumerate((("plane", True), (agent or "agent", not agent), ("sidecars", False))):
            lines = ("gone",) if gone else ()
            it.box(x + 55, 50 + 75 * row, 155, 48, name, *lines, kind="gone" if gone else "ours")
        it.arrow((x + 132, 248), (x + 132, 272))
        it.text(x + 132, 292, "start from the backup" if "backup" in agent else "serve from memory", "title")
    return it


def _plane(it: Picture, x: int, y: int) -> None:
    it.box(x, y, 150, 60, "plane", "elsewhere", kind="")


def mode_gateway() -> Picture:
    it = Picture(860, 300, "Mode gateway: pods of their own, each with an agent, a sidecar and a volume")
    it.box(20, 110, 100, 60, "clients", kind="")
    it.box(160, 110, 100, 60, "Service", kind="")
    for number in range(2):
        y = 20 + 135 * number
        it.group(310, y, 300, 120, f"pod edge-passerelle-{number}")
        it.box(325, y + 38, 120, 60, "gateway", "serves")
        it.box(480, y + 28, 115, 40, "agent")
        it.box(480, y + 76, 115, 34, "volume", kind="")
        it.arrow((480, y + 48), (445, y + 58))
        it.arrow((260, 140), (325, y + 68))
        it.arrow((595, y + 48), (690, 140), back=True)
    it.arrow((120, 140), (160, 140))
    _plane(it, 690, 110)
    it.text(430, 290, "a StatefulSet; without a backup a Deployment")
    return it


def mode_sidecar() -> Picture:
    it = Picture(860, 220, "Mode sidecar: gateway and agent beside a workload, as native sidecars")
    it.box(20, 80, 100, 60, "clients", kind="")
    it.box(160, 80, 100, 60, "Service", kind="")
    it.group(300, 20, 340, 170, "pod of your workload")
    it.box(315, 70, 110, 60, "gateway", "port 8080")
    it.box(500, 45, 125, 55, "workload", "127.0.0.1:8000", kind="")
    it.box(500, 120, 125, 50, "agent", "with a volume")
    it.arrow((120, 110), (160, 110))
    it.arrow((260, 110), (315, 100))
    it.arrow((425, 90), (500, 75))
    it.arrow((500, 145), (425, 115))
    it.arrow((625, 145), (690, 115), back=True)
    _plane(it, 690, 80)
    return it


def mode_node() -> Picture:
    it = Picture(860, 260, "Mode node: one agent on each node, shared by the gateways there over mutual TLS")
    it.box(20, 90, 100, 60, "clients", kind="")
    it.box(160, 90, 90, 60, "Service", kind="")
    it.group(290, 20, 350, 215, "a node")
    it.box(305, 50, 120, 50, "gateway", "pod")
    it.box(305, 160, 120, 50, "gateway", "pod")
    it.box(490, 85, 135, 55, "agent", "of the DaemonSet")
    it.box(490, 170, 135, 45, "directory", "of the node", kind="")
    it.arrow((120, 120), (160, 120))
    it.arrow((250, 110), (305, 78))
    it.arrow((250, 130), (305, 182))
    it.arrow((490, 105), (425, 78))
    it.arrow((490, 122), (425, 182), words="mutual TLS", at=(425, 135))
    it.arrow((558, 140), (558, 170))
    it.arrow((625, 112), (690, 120), back=True)
    _plane(it, 690, 90)
    return it


PICTURES = {
    "parts": parts,
    "change": change,
    "static": static,
    "mode-gateway": mode_gateway,
    "mode-sidecar": mode_sidecar,
    "mode-node": mode_node,
}


def main() -> None:
    for name, draw in PICTURES.items():
        (Path(__file__).parent / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
