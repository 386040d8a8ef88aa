"""The shop of docs/integrations.md, "Any other shop", typed into a project."""

from __future__ import annotations

from pathlib import Path

from tests.support import doc_pages

_PAGE = doc_pages.DOCS / "integrations.md"
_TEMPLATES = {
    "basket.html": """<form method="post" action="/checkout/">{% csrf_token %}
<button>Buy</button></form>""",
    "order.html": """<p>{{ order.captured }} of {{ order.total }}</p>
<form method="post">{% csrf_token %}<button>Pay now</button></form>""",
}


def type_shop(project: Path) -> None:
    """Write the app ``yourshop``: the files of the page, and two templates."""
    typed = [_write_block(project, block) for block in doc_pages.blocks(_PAGE)]
    assert sorted(filter(None, typed)) == [
        f"yourshop/{name}.py"
        for name in ("apps", "cancel", "links", "models", "receivers", "views")
    ]
    (project / "yourshop/__init__.py").touch()
    pages = project / "yourshop/templates/yourshop"
    pages.mkdir(parents=True)
    for name, page in _TEMPLATES.items():
        (pages / name).write_text(page)


def _write_block(project: Path, block: doc_pages.Block) -> str:
    """Into the file that the first line names; what is for oscar is not for this."""
    name, _, source = block.source.partition("\n")
    name = name.removeprefix("# ")
    if not name.startswith("yourshop/") or "checkout/" in name:
        return ""
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(source)
    return name
