"""A bar chart as plain numbers, for an SVG that the server writes: no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 200
_LEFT, _BOTTOM, _TOP = 70, 24, 10
_WIDEST: Final = 48


@dataclass(frozen=True)
class Bar:
    """One piece of a column, in the SVG's units; ``kind`` is for the style sheet."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Label:
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    title: str
    bars: tuple[Bar, ...]
    days: tuple[Label, ...]
    lines: tuple[Label, ...]
    width: int
    height: int


def stacked(
    title: str,
    days: Sequence[str],
    series: Mapping[str, Sequence[Decimal]],
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Chart:
    """One column a day, the ``series`` on top of one another in their order."""
    totals = [sum(column) for column in zip(*series.values(), strict=True)]
    top = nice(max(totals, default=Decimal(0)))
    step = (width - _LEFT) / max(len(days), 1)
    scale = Decimal(height - _BOTTOM - _TOP) / top
    wide = min(step * 0.7, _WIDEST)
    bars, labels = [], []
    every = -(-len(days) // 12)  # a dozen labels fit
    for place, day in enumerate(days):
        x = _LEFT + step * place
        floor = Decimal(height - _BOTTOM)
        for kind, values in series.items():
            tall = values[place] * scale
            floor -= tall
            if tall:
                bars.append(
                    Bar(
                        kind,
                        round(x + (step - wide) / 2, 1),
                        round(float(floor), 1),
                        round(wide, 1),
                        round(float(tall), 1),
                        f"{day}: {values[place]}",
                    )
                )
        if place % every == 0:
            labels.append(Label(round(x + step / 2, 1), height - 6, day))
    lines = tuple(
        Label(_LEFT, float(height - _BOTTOM - top * part * scale), _scale(top * part))
        for part in (Decimal(0), Decimal("0.5"), Decimal(1))
    )
    return Chart(title, tuple(bars), tuple(labels), lines, width, height)


def _scale(value: Decimal) -> str:
    """``2500.0`` → "2500", ``0.5`` → "0.5"."""
    return f"{value.normalize():f}"


def nice(most: Decimal | int) -> Decimal:
    """A round number at or above ``most``: 1, 2 or 5 and noughts; never nought."""
    value = Decimal(1)
    while value < most:
        for factor in (2, 5, 10):
            if value * factor >= most:
                return value * factor
        value *= 10
    return value
