"""The communication log of a payment: each call to Nexi, for staff who may see it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from nexi_payments import permissions
from nexi_payments.gateway import communication
from nexi_payments.models import PaymentOrder


def calls_of(request: HttpRequest, order: PaymentOrder) -> list[dict[str, Any]]:
    """The calls of all operations, oldest first; none without the permission."""
    if not permissions.has_any(request, permissions.VIEW_COMMUNICATION):
        return []
    found = [
        (entry, operation)
        for operation in order.operations.all()
        for entry in communication.entries_of(operation.calls)
    ]
    found.sort(key=lambda pair: str(pair[0].get("at", "")))
    return [
        {
            "at": _moment(entry.get("at")),
            "endpoint": f"{entry.get('method', '')} {entry.get('path', '')}".strip(),
            "result": entry.get("result") or "–",
            "milliseconds": entry.get("ms"),
            "operation": operation.get_kind_display(),
            "bodies": [
                (label, _text(entry[name]))
                for name, label in (
                    ("request", _("Sent to Nexi")),
                    ("response", _("Answer of Nexi")),
                )
                if entry.get(name) is not None
            ],
        }
        for entry, operation in found
    ]


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _text(body: Any) -> str:
    if isinstance(body, str):
        return body
    return json.dumps(body, ensure_ascii=False, indent=2)
