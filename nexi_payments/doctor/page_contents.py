"""What a delivered page would run: its scripts, styles, forms and frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

#: Elements that run or show something of another place. Our pages have none.
_FOREIGN_ELEMENTS: Final = frozenset(
    {"iframe", "frame", "object", "embed", "applet", "portal", "base"}
)
_STYLE_RELATIONS: Final = frozenset({"stylesheet"})
#: Of <link>: they load nothing that runs.
_HARMLESS_RELATIONS: Final = frozenset({"icon", "canonical", "alternate"})


@dataclass
class PageContents:
    """``scripts`` and ``styles``: addresses with their ``integrity`` attribute, "" for
    none. ``oddities``: what the release has nowhere, in words without its text."""

    scripts: list[tuple[str, str]] = field(default_factory=list)
    styles: list[tuple[str, str]] = field(default_factory=list)
    form_actions: list[str] = field(default_factory=list)
    input_names: set[str] = field(default_factory=set)
    oddities: list[str] = field(default_factory=list)


def read_page(text: str) -> PageContents:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.contents


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.contents = PageContents()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # of an attribute that is there twice, browsers take the first
        attributes: dict[str, str] = {}
        for name, value in attrs:
            attributes.setdefault(name, value or "")
        found = self.contents
        integrity = attributes.get("integrity", "")
        if tag == "script":
            if "src" in attributes:
                found.scripts.append((attributes["src"], integrity))
            else:
                found.oddities.append("an inline script")
        elif tag == "style":
            found.oddities.append("an inline stylesheet")
        elif tag == "link":
            self._link(attributes, integrity)
        elif tag in _FOREIGN_ELEMENTS:
            found.oddities.append(f"an element <{tag}>")
        elif tag == "meta" and attributes.get("http-equiv"):
            found.oddities.append("a <meta http-equiv>")
        elif tag == "form":
            found.form_actions.append(attributes.get("action", ""))
        elif tag == "input":
            found.input_names.add(attributes.get("name", ""))
        self._attributes(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def _link(self, attributes: dict[str, str], integrity: str) -> None:
        relations = set(attributes.get("rel", "").lower().split())
        if relations & _STYLE_RELATIONS:
            self.contents.styles.append((attributes.get("href", ""), integrity))
        elif not relations <= _HARMLESS_RELATIONS:
            self.contents.oddities.append(f"a <link rel={' '.join(sorted(relations))}>")

    def _attributes(self, tag: str, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            if name.startswith("on"):
                self.contents.oddities.append(f"a handler {name} of <{tag}>")
            elif name == "style":
                self.contents.oddities.append(f"a style attribute of <{tag}>")
            elif name == "formaction":
                self.contents.form_actions.append(value)
            elif value.strip().lower().startswith("javascript:"):
                self.contents.oddities.append(f"a javascript: address of <{tag}>")
