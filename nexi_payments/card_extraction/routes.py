"""Which requests may carry a card. Our views are marked, and the path of a request with
a body is resolved before the first middleware. No setting is needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.http import HttpRequest
from django.urls import Resolver404, get_resolver
from django.utils import translation

from nexi_payments import page_paths

_MARK: Final = "_nexi_payments_body_kind"
View = TypeVar("View", bound=Callable[..., Any])


class BodyKind(Enum):
    """How a request's body is handled before the first middleware."""

    #: a form with a card: limited in size, the card fields are set aside
    FORM = "form"
    #: a JSON object with a card: limited in size, the card fields are set aside
    JSON = "json"
    #: if a field has the name of a card field, it is set aside until the view is known
    PEEK = "peek"
    #: set aside as bytes, with any content type; middleware sees an empty body and
    #: cannot reject it
    RAW = "raw"
    #: unchanged; error reports show neither fields nor variables
    CONCEALED = "concealed"


FORM: Final = BodyKind.FORM
JSON: Final = BodyKind.JSON
PEEK: Final = BodyKind.PEEK
RAW: Final = BodyKind.RAW
CONCEALED: Final = BodyKind.CONCEALED

#: Suffixes of our paths that are unlikely in a project. A middleware may choose another
#: URLconf later, which resolves the path to one of our views.
_OWN_PATH_SUFFIX: Final = re.compile(
    r"/(?:pay/[\w-]{20,}|moto/[\w-]{18,}/card|cardverification/verify"
    r"|checkout/[\w-]{18,}/pay)/?\Z",
    re.ASCII,
)


def mark_body_kind(kind: BodyKind) -> Callable[[View], View]:
    """Mark a view. Decorators that use ``functools.wraps`` keep the mark."""

    def mark(view: View) -> View:
        setattr(view, _MARK, kind)
        return view

    return mark


def request_body_kind(request: HttpRequest) -> BodyKind | None:
    """The kind of a request's body; ``None`` for a URL of the project.

    A path that does not resolve is ``PEEK``: a middleware may choose another URLconf,
    or the path lacks its final slash.
    """
    view = resolve_view(request.path_info)
    if view is None:
        return PEEK
    kind = view_body_kind(view)
    if kind is None and (
        is_own_view(view) or _OWN_PATH_SUFFIX.search(request.path_info)
    ):
        return PEEK
    return kind


def view_body_kind(view: Any) -> BodyKind | None:
    """The mark of a view, or ``None``."""
    kind: BodyKind | None = getattr(view, _MARK, None)
    return kind


def is_own_view(view: Any) -> bool:
    """Whether a view belongs to this package, and not to the project or another
    package."""
    module = getattr(view, "__module__", None) or ""
    return hasattr(view, _MARK) or module.startswith("nexi_payments.")


def resolve_view(path: str) -> Any:
    """The view of a path in ``ROOT_URLCONF`` or in our ``URLCONF``, or ``None``.

    One of our own views counts before one of the project: the middleware that chooses
    the URLconf of a host has not run yet. A path with a language prefix resolves in
    that language only, and at this point the thread still has the language of its
    previous request.
    """
    found = _resolve(path, settings.ROOT_URLCONF)
    other = page_paths.urlconf()
    if other != settings.ROOT_URLCONF and not is_own_view(found):
        return _resolve(path, other) or found
    return found


def _resolve(path: str, urlconf: str) -> Any:
    prefixed, _ = is_language_prefix_patterns_used(urlconf)
    try:
        if not prefixed:
            return get_resolver(urlconf).resolve(path).func
        language = translation.get_language_from_path(path) or settings.LANGUAGE_CODE
        with translation.override(language):
            return get_resolver(urlconf).resolve(path).func
    except Resolver404:
        return None
