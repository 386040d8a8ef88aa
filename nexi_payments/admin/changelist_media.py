"""Stylesheet and script of the lists in the admin."""

from __future__ import annotations

from typing import Any, Final

from django.forms import Media
from django.forms.widgets import MediaAsset, Script

from nexi_payments.web import static_files
from nexi_payments.web.sri import integrity_attributes

_STYLE: Final = "nexi_payments/staff.css"
_SCRIPT: Final = "nexi_payments/search.js"


class _StylesheetLink(MediaAsset):
    element_template = '<link href="{path}"{attributes}>'


def stylesheet() -> Media:
    """The stylesheet. Built for each page: the digest may become known later."""
    link: Any = static_files.url(_STYLE)
    if found := integrity_attributes(_STYLE):
        link = _StylesheetLink(link, media="all", rel="stylesheet", **found)
    return Media(css={"all": [link]})


def search_script() -> Media:
    """The script that checks the search text for card numbers."""
    script: Any = static_files.url(_SCRIPT)
    if found := integrity_attributes(_SCRIPT):
        script = Script(script, **found)
    return Media(js=[script])
