"""Draws the part of Mermaid's ``sequenceDiagram`` that these pages use:

participant S as Shop        actor C as Clerk
S->>N: a request             N-->>S: its answer
S->>S: does something        Note over S,N: a remark
alt, opt, loop, else, end: frames, with words
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from drawing import box, head, line, svg, text

COLUMN: Final = 168
EDGE: Final = 84
HIGH: Final = 34
ROW: Final = 40
_PARTY = re.compile(r"(?:participant|actor) (\w+)(?: as (.+))?$")
_MESSAGE = re.compile(r"(\w+)(-?->>)(\w+): (.+)$")
_NOTE = re.compile(r"Note over (\w+)(?:, ?(\w+))?: (.+)$")
_FRAME = re.compile(r"(alt|opt|loop|else) (.+)$")


@dataclass
class _Sheet:
    parties: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    frames: list[tuple[float, str, str]] = field(default_factory=list)
    y: float = HIGH + 24

    def x(self, name: str) -> float:
        if name not in self.parties:
            raise ValueError(f"{name} is no participant of the diagram")
        return EDGE + COLUMN * list(self.parties).index(name)

    @property
    def width(self) -> float:
        return 2 * EDGE + COLUMN * (len(self.parties) - 1)


def draw(source: str) -> str:
    sheet = _Sheet()
    for raw in source.strip().splitlines()[1:]:
        if row := raw.strip():
            _row(sheet, row)
    if sheet.frames:
        raise ValueError("a frame of the diagram has no end")
    lives = []
    for name, label in sheet.parties.items():
        x = sheet.x(name)
        lives += [
            line([(x, HIGH), (x, sheet.y)], "life"),
            box(x - 70, 1, 140, HIGH),
            text(x, 22, label),
        ]
    said = "; ".join(sheet.said)
    title = "Messages in order"
    return svg(sheet.width, sheet.y + 6, lives + sheet.parts, title, said)


def _row(sheet: _Sheet, row: str) -> None:
    if found := _PARTY.match(row):
        sheet.parties[found[1]] = found[2] or found[1]
    elif found := _MESSAGE.match(row):
        _message(sheet, found[1], found[3], found[4], back=found[2] == "-->>")
    elif found := _NOTE.match(row):
        _note(sheet, found[1], found[2] or found[1], found[3])
    elif found := _FRAME.match(row):
        _frame(sheet, found[1], found[2])
    elif row == "end" and sheet.frames:
        top, kind, words = sheet.frames.pop()
        depth = 5 * len(sheet.frames)
        frame = box(4 + depth, top, sheet.width - 8 - 2 * depth, sheet.y - top, "line")
        label = text(14 + depth, top + 15, f"{kind} {words}", anchor="start")
        sheet.parts += [frame, label.replace('class=""', 'class="quiet"')]
        sheet.y += 16
    else:
        raise ValueError(f"this row of the diagram cannot be drawn: {row}")


def _message(sheet: _Sheet, a: str, b: str, words: str, *, back: bool) -> None:
    x, to = sheet.x(a), sheet.x(b)
    kind = "line back" if back else "line"
    names = sheet.parties
    if a == b:
        sheet.said.append(f"{names[a]}: {words}")
        y = sheet.y + 4
        loop = [(x, y), (x + 18, y), (x + 18, y + 16), (x, y + 16)]
        anchor, at = ("start", x + 24) if x < sheet.width / 2 else ("end", x - 6)
        sheet.parts += [
            line(loop, kind),
            head(x, y + 16, "left"),
            *_lines(at, y + 8, words, 30, anchor),
        ]
        sheet.y += ROW + 15 * (len(_wrap(words, 30)) - 1)
        return
    sheet.said.append(f"{names[a]} to {names[b]}: {words}")
    room = max(20, round(abs(to - x) / 6.6))
    rows = _wrap(words, room)
    sheet.y += 15 * (len(rows) - 1)
    y = sheet.y + 14
    sheet.parts += [
        line([(x, y), (to, y)], kind),
        head(to, y, "right" if to > x else "left"),
        *_lines((x + to) / 2, y - 6 - 15 * (len(rows) - 1), words, room, "middle"),
    ]
    sheet.y += ROW


def _note(sheet: _Sheet, a: str, b: str, words: str) -> None:
    left, right = sorted((sheet.x(a), sheet.x(b)))
    width = max(right - left + 120, 150)
    middle = (left + right) / 2
    room = round(width / 7)
    rows = _wrap(words, room)
    high = 15 * len(rows) + 10
    sheet.said.append(f"note: {words}")
    sheet.parts += [
        box(middle - width / 2, sheet.y - 6, width, high, "note"),
        *_lines(middle, sheet.y + 10, words, room, "middle"),
    ]
    sheet.y += high + 14


def _frame(sheet: _Sheet, kind: str, words: str) -> None:
    sheet.said.append(f"{kind} {words}")
    if kind == "else":
        y = sheet.y
        sheet.parts += [
            line([(8, y - 4), (sheet.width - 8, y - 4)], "life"),
            text(14, y + 11, f"else {words}", anchor="start", kind="quiet"),
        ]
    else:
        sheet.frames.append((sheet.y - 4, kind, words))
    sheet.y += 28


def _wrap(words: str, room: int) -> list[str]:
    rows = [""]
    for word in words.split():
        joined = f"{rows[-1]} {word}".strip()
        if len(joined) > room and rows[-1]:
            rows.append(word)
        else:
            rows[-1] = joined
    return rows


def _lines(x: float, y: float, words: str, room: int, anchor: str) -> list[str]:
    rows = enumerate(_wrap(words, room))
    return [text(x, y + 15 * n, row, anchor=anchor) for n, row in rows]
