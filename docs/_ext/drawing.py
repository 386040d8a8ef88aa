"""Scraps of SVG that follow the page's colours, by day and by night."""

from __future__ import annotations

from html import escape
from itertools import count

_numbers = count(1)

#: furo's variables, and what stands in for them elsewhere
STYLE = """
.nx{font:13px/1.3 system-ui,sans-serif;max-width:100%;height:auto}
.nx text{fill:var(--color-foreground-primary,#222)}
.nx .box{fill:var(--color-background-secondary,#f4f4f4);
stroke:var(--color-foreground-muted,#777)}
.nx .line{stroke:var(--color-foreground-secondary,#555);fill:none;stroke-width:1.3}
.nx .life{stroke:var(--color-foreground-border,#aaa);stroke-dasharray:3 4}
.nx .back{stroke-dasharray:6 4}
.nx .head,.nx .dot{fill:var(--color-foreground-secondary,#555)}
.nx .note{fill:var(--color-admonition-background,#fff7dd);
stroke:var(--color-foreground-border,#bbb)}
.nx .quiet{fill:var(--color-foreground-muted,#666);font-size:12px}
""".replace("\n", "")


def text(
    x: float, y: float, words: str, *, anchor: str = "middle", kind: str = ""
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">'
        f"{escape(words)}</text>"
    )


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"'
        f' class="{kind}"/>'
    )


def line(points: list[tuple[float, float]], kind: str = "line", style: str = "") -> str:
    way = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{way}" class="{kind}"{_style(style)}/>'


def head(x: float, y: float, direction: str, style: str = "") -> str:
    """The tip of an arrow at a point; it flies "right", "left" or "down"."""
    wings = {
        "right": ((-8, -4), (-8, 4)),
        "left": ((8, -4), (8, 4)),
        "down": ((-4, -8), (4, -8)),
    }[direction]
    (ax, ay), (bx, by) = wings
    way = f"{x:g},{y:g} {x + ax:g},{y + ay:g} {x + bx:g},{y + by:g}"
    return f'<polygon points="{way}" class="head"{_style(style)}/>'


def dot(x: float, y: float, style: str = "") -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="3.5" class="dot"{_style(style)}/>'


def _style(style: str) -> str:
    return f' style="{style}"' if style else ""


def svg(width: float, height: float, parts: list[str], title: str, said: str) -> str:
    """The drawing; ``said`` is the same in words, for who does not see it."""
    number = next(_numbers)
    return (
        f'<svg class="nx" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        f' role="img" aria-labelledby="nx-t{number} nx-d{number}"'
        f' xmlns="http://www.w3.org/2000/svg"><title id="nx-t{number}">{escape(title)}'
        f'</title><desc id="nx-d{number}">{escape(said)}</desc>'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>"
    )
