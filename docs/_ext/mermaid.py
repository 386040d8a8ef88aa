"""Makes a drawing of each ``mermaid`` block: no script, no network.

A forge draws the same blocks itself. What cannot be drawn is an error of the build.
"""

from __future__ import annotations

from typing import Any

import diagrams
from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class Mermaid(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            figure = diagrams.figure("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from None
        return [nodes.raw("", figure, format="html")]


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
