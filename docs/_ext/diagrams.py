"""Which drawer a block is for, and how its drawing is to be read."""

from __future__ import annotations

import sequence
import statechart

DRAWERS = {"stateDiagram-v2": statechart.draw, "sequenceDiagram": sequence.draw}
READ = {
    "stateDiagram-v2": (
        "A line leads from each state to the right; a dot joins it to the lane of the"
        " state that is named on top, and the lane leads into it."
    )
}


def figure(source: str) -> str:
    """A block as HTML. Raises ``ValueError`` where it says what we do not draw."""
    kind = source.strip().splitlines()[0].strip()
    if kind not in DRAWERS:
        raise ValueError(f"{kind} cannot be drawn")
    words = f"<figcaption>{READ[kind]}</figcaption>" if kind in READ else ""
    return f'<figure class="nx-figure">{DRAWERS[kind](source)}{words}</figure>'
