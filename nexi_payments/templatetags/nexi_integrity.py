"""Template tags for the package's static files.

``{% asset 'nexi_payments/card.js' %}`` is the URL of a file;
``{% integrity 'nexi_payments/card.js' %}`` goes inside the tag that loads it.
"""

from __future__ import annotations

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from nexi_payments.web import static_files
from nexi_payments.web.sri import integrity_attributes

register = template.Library()


@register.simple_tag
def asset(name: str) -> str:
    """As ``{% static %}``, but never raises, even if the file was not collected."""
    return static_files.url(name)


@register.simple_tag
def integrity(name: str) -> SafeString:
    """`` integrity="sha384-…" crossorigin="anonymous"``, with a leading space.

    Empty without ``INTEGRITY``, or if the file cannot be read.
    """
    return format_html_join("", ' {}="{}"', integrity_attributes(name).items())
