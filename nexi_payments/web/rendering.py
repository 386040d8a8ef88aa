"""Render the package's templates, or the host's overrides of them.

An override that raises must not hide the page of a shopper who has paid: the page is
then rendered from the package's own template.
"""

from __future__ import annotations

import functools
import logging
import traceback
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template import Engine, RequestContext
from django.template.loader import render_to_string

log = logging.getLogger("nexi_payments.web.rendering")


def render(request: HttpRequest, template: str, context: dict[str, Any]) -> str:
    """Render a template. Falls back to the package's own, except with DEBUG.

    With DEBUG the error propagates, to show it to the developer.
    """
    try:
        return str(render_to_string(template, context, request))
    except Exception as error:
        if settings.DEBUG:
            raise
        # Without frames: they may hold a bound form. Without the error's text: it may
        # quote the whole context, with a URL's token or PaRes.
        where = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "%s cannot be rendered, ours is shown instead: %s (%s:%d)",
            template,
            type(error).__name__,
            where.filename,
            where.lineno or 0,
        )
    own = _package_engine().get_template(template)
    return str(own.render(RequestContext(request, context)))


@functools.cache
def _package_engine() -> Engine:
    """An engine without directories, context processors or tags of the host."""
    libraries = ("i18n", "l10n", "static")
    return Engine(
        dirs=[str(Path(__file__).parent.parent / "templates")],
        libraries={
            **{name: f"django.templatetags.{name}" for name in libraries},
            "nexi_integrity": "nexi_payments.templatetags.nexi_integrity",
        },
    )
