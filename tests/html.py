"""A page as tests look at it: its tags, its words, its links."""

from __future__ import annotations

from html.parser import HTMLParser

NO_WORDS = {"script", "style", "title"}


class Html(HTMLParser):
    """The tags of a page with their attributes, and what is written on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._within: list[str] = []
        self._words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._within = [tag]

    def handle_endtag(self, tag: str) -> None:
        self._within = []

    def handle_data(self, data: str) -> None:
        if not NO_WORDS & {*self._within}:
            self._words.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self._words).split())

    def tags(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.found
            if name == tag and all(attributes.get(attribute) == value for attribute, value in wanted.items())
        ]

    def links(self) -> list[str]:
        return [attributes["href"] or "" for attributes in self.tags("a")]
