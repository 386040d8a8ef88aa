"""What axe says against a page as it is."""

from __future__ import annotations

from typing import Any

import pytest

_axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async ([ours, tags]) => {
  const options = {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']};
  const found = await axe.run(ours || document, options);
  return found.violations.flatMap(
    one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 120)}`));
}"""


def findings(page: Any, ours: str | None = None) -> list[str]:
    """``ours`` selects the part that is judged. The script is half a megabyte: a page
    gets it once."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe.Axe().axe_script)
    found: list[str] = page.evaluate(_RUN, [ours, WCAG])
    return found
