"""The states of a payment as a drawing: the law of ``states.TRANSITIONS``, with the way
that one payment took. No colour is written here: the style sheet gives them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from nexi_payments import states

_WIDE: Final = 94
_HIGH: Final = 26
_SIZE: Final = (344, 344)
#: The middle of each box. The road straight down is the one that is hoped for.
_PLACES: Final = {
    states.INIT: (172, 16),
    states.AWAITING_3DS: (172, 62),
    states.VALIDATED: (172, 108),
    states.PAYING: (172, 154),
    states.FAILED: (54, 188),
    states.REVIEW: (290, 188),
    states.AUTHORIZED: (172, 226),
    states.PAID: (172, 278),
    states.VOIDED: (290, 278),
    states.REFUNDED: (172, 328),
}
#: Changes that would run through another box: the way around it, as a sideways bow.
_BOWS: Final = {
    (states.INIT, states.PAYING): 92,
    (states.AWAITING_3DS, states.PAYING): 66,
    (states.PAYING, states.PAID): -76,
}


def draw(state: str, way: Collection[tuple[str, str]], said: str) -> SafeString:
    """``way`` are the changes that were made; ``said`` is the drawing in words."""
    every = [(a, b) for a in states.STATES for b in sorted(states.TRANSITIONS[a])]
    every.sort(key=lambda pair: pair in way)  # what was taken lies on top
    lines = format_html_join(
        "", '<path class="{}" d="{}"/>', ((_kind(p, way), _line(*p)) for p in every)
    )
    been = {one for pair in way for one in pair}
    boxes = format_html_join(
        "",
        '<g class="{}"><rect x="{}" y="{}" width="{}" height="{}" rx="6"/>'
        '<text x="{}" y="{}">{}</text></g>',
        (
            (_look(name, state, been), *_box(x, y), x, y + 4, name)
            for name, (x, y) in _PLACES.items()
        ),
    )
    return format_html(
        '<svg class="states" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>',
        *_SIZE,
        said,
        lines,
        boxes,
    )


def _kind(pair: tuple[str, str], way: Collection[tuple[str, str]]) -> str:
    return "taken" if pair in way else "law"


def _look(name: str, state: str, been: Collection[str]) -> str:
    if name == state:
        return f"now {name}"
    return "been" if name in been else "box"


def _box(x: int, y: int) -> tuple[int, int, int, int]:
    return x - _WIDE // 2, y - _HIGH // 2, _WIDE, _HIGH


def _line(a: str, b: str) -> str:
    """From the edge of one box to the edge of the other."""
    (x1, y1), (x2, y2) = _PLACES[a], _PLACES[b]
    if (a, b) in _BOWS:
        side = x1 + _WIDE // 2 * (1 if _BOWS[a, b] > 0 else -1)
        return f"M{side} {y1}Q{x1 + _BOWS[a, b]} {(y1 + y2) // 2} {side} {y2}"
    if x1 == x2:
        down = _HIGH // 2
        return f"M{x1} {y1 + down}L{x2} {y2 - down}"
    if abs(y2 - y1) < _HIGH:
        out = _WIDE // 2 if x2 > x1 else -_WIDE // 2
        return f"M{x1 + out} {y1}L{x2 - out} {y2}"
    out = _WIDE // 2 if x2 > x1 else -_WIDE // 2
    down = _HIGH // 2 if y2 > y1 else -_HIGH // 2
    if a == states.REVIEW or a == states.FAILED:
        return f"M{x1} {y1 + down}L{x2 - out} {y2}"
    return f"M{x1 + out} {y1}L{x2} {y2 - down}"
