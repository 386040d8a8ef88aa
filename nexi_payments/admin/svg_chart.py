"""Geometry of a bar chart, for an SVG rendered on the server without script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from nexi_payments import money

WIDTH: Final = 720
HEIGHT: Final = 200
_MARGIN_LEFT, _MARGIN_BOTTOM, _MARGIN_TOP = 70, 24, 10
_MAX_BAR_WIDTH: Final = 48


@dataclass(frozen=True)
class Bar:
    """One segment of a column, in SVG units. ``kind`` selects its CSS class."""

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
    #: day, and the amount of each series: the same as a table
    table: tuple[tuple[str, tuple[str, ...]], ...] = ()


def stacked_bars(
    currency: str,
    days: Sequence[str],
    series: Mapping[str, Sequence[int]],
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Chart:
    """One column for each day, with the ``series`` stacked in their order.

    ``series`` are sums in minor units.
    """
    rows = list(series.values())
    totals = [
        money.to_major(sum(column), currency) for column in zip(*rows, strict=True)
    ]
    top = round_axis_maximum(max(totals, default=Decimal(0)))
    step = (width - _MARGIN_LEFT) / max(len(days), 1)
    scale = Decimal(height - _MARGIN_BOTTOM - _MARGIN_TOP) / top
    bar_width = min(step * 0.7, _MAX_BAR_WIDTH)
    bars, labels = [], []
    label_step = -(-len(days) // 12)  # twelve labels fit
    for place, day in enumerate(days):
        x = _MARGIN_LEFT + step * place
        base = Decimal(height - _MARGIN_BOTTOM)
        for kind, values in series.items():
            bar_height = money.to_major(values[place], currency) * scale
            base -= bar_height
            if bar_height:
                bars.append(
                    Bar(
                        kind,
                        round(x + (step - bar_width) / 2, 1),
                        round(float(base), 1),
                        round(bar_width, 1),
                        round(float(bar_height), 1),
                        f"{day}: {money.display(values[place], currency)}",
                    )
                )
        if place % label_step == 0:
            labels.append(Label(round(x + step / 2, 1), height - 6, day))
    lines = tuple(
        Label(
            _MARGIN_LEFT,
            float(height - _MARGIN_BOTTOM - top * part * scale),
            _axis_label(top * part),
        )
        for part in (Decimal(0), Decimal("0.5"), Decimal(1))
    )
    table = tuple(
        (day, tuple(money.display_number(values[place], currency) for values in rows))
        for place, day in enumerate(days)
        if any(values[place] for values in rows)
    )
    return Chart(currency, tuple(bars), tuple(labels), lines, width, height, table)


def _axis_label(value: Decimal) -> str:
    """``2500.0`` → "2500", ``0.5`` → "0.5"."""
    return f"{value.normalize():f}"


def round_axis_maximum(maximum: Decimal | int) -> Decimal:
    """The next round number at or above ``maximum``: 1, 2 or 5 times a power of ten."""
    value = Decimal(1)
    while value < maximum:
        for factor in (2, 5, 10):
            if value * factor >= maximum:
                return value * factor
        value *= 10
    return value
