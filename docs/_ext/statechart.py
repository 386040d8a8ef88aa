"""Draws the part of Mermaid's ``stateDiagram-v2`` that docs/states.md uses.

One column of states. A change to the next one is an arrow down; every other goes right
on the line of its state, to the lane of its target (a dot joins them), and the lane
leads into the target. So any number of changes stays readable.
"""

from __future__ import annotations

import re
from typing import Final

from drawing import box, dot, head, line, svg, text

STEP: Final = 58
WIDE: Final = 130
HIGH: Final = 34
LANE: Final = 66
LEFT: Final = 12
TOP: Final = 34
#: three to one, at least, against white and against black
COLOURS: Final = ("#4a90e2", "#e0574a", "#b8860b", "#a678e8", "#2f9b62", "#1e9aab")
_EDGE = re.compile(r"(\[\*\]|\w+) --> (\w+)")


def draw(source: str) -> str:
    edges = [pair for pair in _EDGE.findall(source) if pair[0] != "[*]"]
    if not edges:
        raise ValueError("no changes of state in the diagram")
    places = _order(edges)
    far = [(a, b) for a, b in edges if places[b] != places[a] + 1]
    targets = sorted({b for _, b in far}, key=lambda name: places[name])
    lanes = {name: LEFT + WIDE + 34 + LANE * n for n, name in enumerate(targets)}
    hues = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(targets)}
    parts: list[str] = []
    for a, b in edges:
        if (a, b) not in far:
            y, x = TOP + STEP * places[a] + HIGH, LEFT + WIDE / 2
            end = TOP + STEP * places[b]
            parts += [line([(x, y), (x, end)]), head(x, end, "down")]
    for name in places:
        parts += _exits(name, far, places, lanes, hues)
    for name, x in lanes.items():
        parts += _lane(name, x, far, places, hues[name])
    for name, place in places.items():
        y = TOP + STEP * place
        parts += [box(LEFT, y, WIDE, HIGH), text(LEFT + WIDE / 2, y + 22, name)]
    width = max(lanes.values(), default=LEFT + WIDE) + 40
    return svg(width, TOP + STEP * len(places), parts, "States", said(edges))


def said(edges: list[tuple[str, str]]) -> str:
    after: dict[str, list[str]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    return "; ".join(f"{a} may become {', '.join(b)}" for a, b in after.items())


def _order(edges: list[tuple[str, str]]) -> dict[str, int]:
    """States as they first appear on the left side, then those without a way out."""
    names = dict.fromkeys([*(a for a, _ in edges), *(b for _, b in edges)])
    return {name: place for place, name in enumerate(names)}


def _out(place: int) -> float:
    return TOP + STEP * place + HIGH - 9


def _in(place: int) -> float:
    return TOP + STEP * place + 9


def _exits(
    name: str,
    far: list[tuple[str, str]],
    places: dict[str, int],
    lanes: dict[str, int],
    hues: dict[str, str],
) -> list[str]:
    mine = [b for a, b in far if a == name]
    if not mine:
        return []
    y = _out(places[name])
    end = max(lanes[b] for b in mine)
    dots = [dot(lanes[b], y, f"fill:{hues[b]}") for b in mine]
    return [line([(LEFT + WIDE, y), (end, y)], "line back"), *dots]


def _lane(
    name: str, x: float, far: list[tuple[str, str]], places: dict[str, int], hue: str
) -> list[str]:
    entry = _in(places[name])
    ys = [*(_out(places[a]) for a, b in far if b == name), entry]
    paint = f"stroke:{hue}"
    return [
        line([(x, min(ys)), (x, max(ys))], style=paint),
        line([(x, entry), (LEFT + WIDE, entry)], style=paint),
        head(LEFT + WIDE, entry, "left", f"fill:{hue}"),
        text(x, 18, name.replace("awaiting_", ""), kind="quiet"),
    ]
