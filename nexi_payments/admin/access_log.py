"""Writes accesses of staff into the audit trail: views, exports, denied permissions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from nexi_payments import audit, flows
from nexi_payments.enums import AccessKind
from nexi_payments.models import db_transactions
from nexi_payments.web.client_info import get_client_ip, get_request_id

View = Callable[..., HttpResponseBase]

#: The arguments of our URLs that identify a row.
_ID_ARGUMENTS: Final = ("order_id", "object_id", "pk")


def get_actor(request: HttpRequest) -> flows.Actor:
    """The acting user, with client IP address and request id."""
    return flows.Actor(
        user=request.user,
        address=get_client_ip(request),
        request_id=get_request_id(request),
        name=request.user.get_username(),
    )


def record(
    request: HttpRequest,
    kind: str,
    *,
    about: str = "",
    detail: str = "",
    note: str = "",
) -> None:
    """Write one access (``AccessKind``) to the page of ``request``."""
    match = request.resolver_match
    arguments = match.kwargs if match else {}
    if not about:
        about = next(
            (str(arguments[name]) for name in _ID_ARGUMENTS if name in arguments), ""
        )
    audit.record_access(
        kind,
        get_actor(request),
        page=(match.url_name or "") if match else "",
        about=about,
        detail=detail or str(request.method),
        note=note,
    )


def audited(view: View) -> View:
    """Record the requests that ``view`` denies.

    It is exempt from ``ATOMIC_REQUESTS``: the refusal would roll its record back.
    """

    @functools.wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except PermissionDenied:
            record(request, AccessKind.DENIED)
            raise

    return db_transactions.non_atomic_requests(wrapper)
