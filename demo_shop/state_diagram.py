"""State diagram of a payment as SVG: ``enums.TRANSITIONS`` and the path of one payment.

The stylesheet sets the colours.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from nexi_payments import enums
from nexi_payments.enums import OrderState

_BOX_WIDTH: Final = 94
_BOX_HEIGHT: Final = 26
_SIZE: Final = (344, 344)
#: Centre of each box. The vertical line is the path of a successful payment.
_POSITIONS: Final[dict[str, tuple[int, int]]] = {
    OrderState.INIT: (172, 16),
    OrderState.AWAITING_3DS: (172, 62),
    OrderState.AWAITING_HOSTED_PAGE: (54, 62),
    OrderState.VALIDATED: (172, 108),
    OrderState.PAYING: (172, 154),
    OrderState.FAILED: (54, 188),
    OrderState.REVIEW: (290, 188),
    OrderState.AUTHORIZED: (172, 226),
    OrderState.PAID: (172, 278),
    OrderState.VOIDED: (290, 278),
    OrderState.REFUNDED: (172, 328),
}
#: Transitions that would cross another box: sideways bend of the curve around it.
_CURVES: Final[dict[tuple[str, str], int]] = {
    (OrderState.INIT, OrderState.PAYING): 92,
    (OrderState.AWAITING_3DS, OrderState.PAYING): 66,
    (OrderState.PAYING, OrderState.PAID): -76,
}

#: Transitions that run between the boxes: their whole path.
_FROM_HOSTED_PAGE: Final[dict[str, str]] = {
    OrderState.AUTHORIZED: "M101 71Q104 226 125 226",
    OrderState.PAID: "M101 66Q106 278 125 278",
    OrderState.REVIEW: "M101 62L122 85L222 85L268 175",
    OrderState.VOIDED: "M101 69Q110 206 243 270",
    OrderState.REFUNDED: "M101 64Q100 328 125 328",
}
#: Names that are too long for their box.
_NAMES: Final[dict[str, str]] = {OrderState.AWAITING_HOSTED_PAGE: "hosted_page"}


def draw(state: str, path: Collection[tuple[str, str]], description: str) -> SafeString:
    """``path``: the transitions that were made. ``description``: the diagram as
    text."""
    transitions = [
        (a, b) for a in OrderState.values for b in sorted(enums.TRANSITIONS[a])
    ]
    transitions.sort(key=lambda pair: pair in path)  # the path is drawn on top
    lines = format_html_join(
        "",
        '<path class="{}" d="{}"/>',
        ((_edge_class(p, path), _edge_path(*p)) for p in transitions),
    )
    visited = {one for pair in path for one in pair}
    boxes = format_html_join(
        "",
        '<g class="{}"><rect x="{}" y="{}" width="{}" height="{}" rx="6"/>'
        '<text x="{}" y="{}">{}</text></g>',
        (
            (
                _box_class(name, state, visited),
                *_box(x, y),
                *(x, y + 4),
                _NAMES.get(name, name),
            )
            for name, (x, y) in _POSITIONS.items()
        ),
    )
    return format_html(
        '<svg class="states" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>',
        *_SIZE,
        description,
        lines,
        boxes,
    )


def _edge_class(pair: tuple[str, str], path: Collection[tuple[str, str]]) -> str:
    return "used" if pair in path else "allowed"


def _box_class(name: str, state: str, visited: Collection[str]) -> str:
    if name == state:
        return f"now {name}"
    return "visited" if name in visited else "box"


def _box(x: int, y: int) -> tuple[int, int, int, int]:
    return x - _BOX_WIDTH // 2, y - _BOX_HEIGHT // 2, _BOX_WIDTH, _BOX_HEIGHT


def _edge_path(a: str, b: str) -> str:
    """SVG path from the edge of one box to the edge of the other."""
    if a == OrderState.AWAITING_HOSTED_PAGE and b in _FROM_HOSTED_PAGE:
        return _FROM_HOSTED_PAGE[b]
    (x1, y1), (x2, y2) = _POSITIONS[a], _POSITIONS[b]
    if (a, b) in _CURVES:
        side = x1 + _BOX_WIDTH // 2 * (1 if _CURVES[a, b] > 0 else -1)
        return f"M{side} {y1}Q{x1 + _CURVES[a, b]} {(y1 + y2) // 2} {side} {y2}"
    if x1 == x2:
        down = _BOX_HEIGHT // 2
        return f"M{x1} {y1 + down}L{x2} {y2 - down}"
    if abs(y2 - y1) < _BOX_HEIGHT:
        out = _BOX_WIDTH // 2 if x2 > x1 else -_BOX_WIDTH // 2
        return f"M{x1 + out} {y1}L{x2 - out} {y2}"
    out = _BOX_WIDTH // 2 if x2 > x1 else -_BOX_WIDTH // 2
    down = _BOX_HEIGHT // 2 if y2 > y1 else -_BOX_HEIGHT // 2
    if a == OrderState.REVIEW or a == OrderState.FAILED:
        return f"M{x1} {y1 + down}L{x2 - out} {y2}"
    return f"M{x1 + out} {y1}L{x2} {y2 - down}"
