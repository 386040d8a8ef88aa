"""How pages are looked at: one walk through them in each language, and at each stop in
both colours and at every width, without loading the page again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

WIDTHS = (320, 768, 1280)
STAFF_VIEWPORTS = (("dark", 320), ("light", 1280), ("dark", 768), ("light", 320))
#: The viewport in which somebody walks and clicks.
WALKS = {"it": ("dark", 320), "en": ("light", 1280)}
#: Chromium does not run the transitions of what a closed <details> hides.
_FADED = """() => Promise.race([
  Promise.allSettled(document.getAnimations()
    .filter(one => isFinite(one.effect.getComputedTiming().endTime))
    .filter(one => one.effect.target.checkVisibility())
    .map(one => one.finished)).then(() => null),
  new Promise((_, fail) => setTimeout(() => fail(Error('colours still fade')), 10000)),
])"""
in_each_language = pytest.mark.parametrize("language", sorted(WALKS))


def of_walk(language: str) -> dict[str, Any]:
    """Options of the context in which the walk begins."""
    scheme, width = WALKS[language]
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}


def each(
    page: Any, language: str, looks: tuple[tuple[str, int], ...] = STAFF_VIEWPORTS
) -> Iterator[tuple[str, int]]:
    """The page in each of ``looks``; afterwards as the walk goes on."""
    for scheme, width in looks:
        _wear(page, scheme, width)
        yield scheme, width
    _wear(page, *WALKS[language])


def _wear(page: Any, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    # colours that fade into each other have arrived
    page.evaluate(_FADED)
