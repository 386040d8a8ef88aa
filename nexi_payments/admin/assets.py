"""What the list of payments loads beside Django's own files."""

from __future__ import annotations

from typing import Any, Final

from django.forms import Media
from django.forms.widgets import MediaAsset, Script

from nexi_payments.integrity import attributes

_STYLE: Final = "nexi_payments/staff.css"
_SCRIPT: Final = "nexi_payments/search.js"


class _Style(MediaAsset):
    element_template = '<link href="{path}"{attributes}>'


def media() -> Media:
    """Made for each page: the digests stand in the tags as soon as they are known."""
    style: Any = _STYLE
    script: Any = _SCRIPT
    if found := attributes(_STYLE):
        style = _Style(_STYLE, media="all", rel="stylesheet", **found)
    if found := attributes(_SCRIPT):
        script = Script(_SCRIPT, **found)
    return Media(css={"all": [style]}, js=[script])
