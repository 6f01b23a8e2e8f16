"""What is wrong with a template, and where."""

from __future__ import annotations


class TemplateWrong(Exception):
    """`place` grows from the inside out: "resources/2/properties/value". No message holds a value of the template."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place

    def at(self, place: str) -> TemplateWrong:
        return TemplateWrong(self.message, f"{place}/{self.place}" if self.place else place)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message
