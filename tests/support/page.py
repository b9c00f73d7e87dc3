"""The page of `recon report`, as a reader finds its parts."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


class Page(HTMLParser):
    """What is in a page: figures by their name, scripts by their id, table cells, and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: dict[str, str] = {}
        self.scripts: dict[str | None, str] = {}
        self.state = ""
        self.rows: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._table = self._figure = ""
        self._script: str | None = None
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append((tag, given))
        self._in.append(tag)
        self._figure = given.get("data-figure") or ""
        self._script = given.get("id") if tag == "script" else None
        if tag == "tr" and self._table:
            self.rows[self._table].append([])
        if tag in ("td", "th") and self._table:
            self.rows[self._table][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._figure = ""
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._figure:
            self.figures[self._figure] = data
        elif self._in and self._in[-1] == "script":
            self.scripts[self._script] = data
        elif self._in and self._in[-1] == "h1":
            self.state += data
        elif self._in and self._in[-1] == "caption":
            self._table = data
            self.rows[data] = []
        elif self._table and data.strip() and {"td", "th"} & set(self._in):
            self.rows[self._table][-1][-1] += data.strip()

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.scripts["document"])
