"""``{% integrity 'nexi_payments/card.js' %}`` inside a tag that loads this file."""

from __future__ import annotations

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from nexi_payments.integrity import attributes

register = template.Library()


@register.simple_tag
def integrity(name: str) -> SafeString:
    """`` integrity="sha384-…" crossorigin="anonymous"`` with a space before it, or
    nothing: without ``INTEGRITY``, or if the file cannot be read."""
    return format_html_join("", ' {}="{}"', attributes(name).items())
