"""The drawings of the site: what they show, and that odd ones are refused."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import diagrams
import pytest

from nexi_payments import enums
from nexi_payments.enums import OrderState
from tests.support import doc_pages

BLOCKS = [
    block
    for path in doc_pages.pages()
    for block in doc_pages.blocks(path)
    if block.language == "mermaid"
]


def svg_of(source: str) -> ElementTree.Element:
    figure = ElementTree.fromstring(diagrams.figure(source))
    assert figure.tag == "figure"
    return figure[0]


def words_in(svg: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in svg.iter() if one.tag.endswith("}text")]


@pytest.mark.parametrize(
    "block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}"
)
def test_every_diagram_can_be_drawn_and_read_aloud(block: doc_pages.Block) -> None:
    svg = svg_of(block.source)
    said = next(one for one in svg if one.tag.endswith("}desc")).text or ""
    assert svg.get("role") == "img"
    assert len(said) > 100
    width, height = map(float, (svg.get("viewBox") or "").split()[2:])
    for one in svg.iter():
        if one.tag.endswith("}text"):
            assert 0 < float(one.get("x", "")) < width
            assert 0 < float(one.get("y", "")) < height


def test_the_state_diagram_shows_each_change() -> None:
    block = next(one for one in BLOCKS if one.page == "docs/states.md")
    svg = svg_of(block.source)
    order = {name: place for place, name in enumerate(OrderState.values)}
    changes = [(a, b) for a, to in enums.TRANSITIONS.items() for b in to]
    beside = [pair for pair in changes if order[pair[1]] != order[pair[0]] + 1]
    dots = [one for one in svg.iter() if one.tag.endswith("}circle")]
    assert len(dots) == len(beside)
    heads = [one for one in svg.iter() if one.tag.endswith("}polygon")]
    lanes = {b for _, b in beside}
    assert len(heads) == len(changes) - len(beside) + len(lanes)
    assert set(words_in(svg)) >= set(OrderState.values)


def test_a_sequence_keeps_its_order() -> None:
    svg = svg_of(
        "sequenceDiagram\n"
        "    participant A as Ann\n    actor B as Ben\n"
        "    A->>B: hello & <welcome>\n    loop twice\n    B-->>A: yes\n    end\n"
        "    A->>A: thinks\n    B->>B: waits\n"
    )
    said = next(one for one in svg if one.tag.endswith("}desc")).text
    assert said == (
        "Ann to Ben: hello & <welcome>; loop twice; Ben to Ann: yes; Ann: thinks;"
        " Ben: waits"
    )
    assert "hello & <welcome>" in words_in(svg)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("pie\n    a: 1", "pie cannot be drawn"),
        ("stateDiagram-v2\n    nothing", "no changes of state"),
        ("sequenceDiagram\n    A->>B: hello", "A is no participant"),
        (
            "sequenceDiagram\n    participant A\n    A shouts",
            "cannot be drawn: A shouts",
        ),
        ("sequenceDiagram\n    participant A\n    opt x\n    A->>A: y", "has no end"),
        ("sequenceDiagram\n    participant A\n    end", "cannot be drawn: end"),
    ],
)
def test_what_cannot_be_drawn(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        diagrams.figure(source)
