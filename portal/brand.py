"""Whose portal this is: a name, a colour and a logo, from the settings. Pure.

One colour is given; what text and buttons need of it is reckoned: it is moved towards black on light pages and towards
white on dark ones until text in it can be read (WCAG 2.2 AA, a contrast of 4.5 to 1).
"""

from __future__ import annotations

from dataclasses import dataclass

READABLE = 4.5
# the lightest and the darkest ground that coloured text stands on, as portal.css has them
LIGHT_GROUND, DARK_GROUND = "#f1f1ed", "#262e34"
WHITE, BLACK = "#ffffff", "#0e1a22"

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Shades:
    """A colour as accent: on light pages and on dark ones, and the text upon it."""

    light: str
    light_ink: str
    dark: str
    dark_ink: str


def shades(colour: str) -> Shades:
    """Of `#rrggbb`."""
    light, dark = _until_readable(colour, LIGHT_GROUND, "#000000"), _until_readable(colour, DARK_GROUND, WHITE)
    return Shades(light, _ink(light), dark, _ink(dark))


def sheet(colour: str) -> str:
    """The style sheet that brings the colour in."""
    found = shades(colour)
    return (
        f":root {{ --accent: light-dark({found.light}, {found.dark}); "
        f"--accent-ink: light-dark({found.light_ink}, {found.dark_ink}); }}\n"
    )


def contrast(one: str, other: str) -> float:
    """Of two colours, from 1 to 21, as WCAG reckons it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _until_readable(colour: str, ground: str, towards: str) -> str:
    mixed = colour
    for step in range(1, 101):
        if contrast(mixed, ground) >= READABLE:
            break
        mixed = _mix(colour, towards, step / 100)
    return mixed


def _ink(ground: str) -> str:
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, ground))


def _mix(one: str, other: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_channels(one), _channels(other), strict=True))
    return "#" + "".join(f"{each:02x}" for each in mixed)


def _channels(colour: str) -> Colour:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def _luminance(colour: str) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (each / 255 for each in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
