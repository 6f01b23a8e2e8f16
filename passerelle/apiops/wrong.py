"""How a folder is refused."""

from __future__ import annotations


class FolderWrong(Exception):
    """`findings` are sentences, each with the file that it is about, and the line and column where they are known."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings
