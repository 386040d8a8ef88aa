"""Whether the two people of an approval may do what it is about."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import get_user_model

from nexi_payments import permissions, terminal_rights
from nexi_payments.enums import ApprovalFailure, OperationKind
from nexi_payments.models import Approval

#: Kind → the permission of the person who asks, and the right on the terminal of both.
PERMISSION: Final[dict[str, str]] = {
    OperationKind.REFUND: permissions.REFUND,
    OperationKind.MOTO: permissions.TAKE_MOTO,
}
RIGHT: Final[dict[str, str]] = {
    OperationKind.REFUND: terminal_rights.REFUND,
    OperationKind.MOTO: terminal_rights.TAKE,
}


def failure_of_requester(approval: Approval) -> str:
    """``ApprovalFailure.REQUESTER`` if the person who asked may not do it now, or "".

    Read from the database: permissions may have changed since the request.
    """
    user = _fresh(approval.requester_id)
    allowed = permissions.user_has_any(user, PERMISSION[approval.kind])
    right = RIGHT[approval.kind]
    if allowed and terminal_rights.may(user, right, approval.terminal):
        return ""
    return ApprovalFailure.REQUESTER


def may_decide(approval: Approval, user: Any) -> bool:
    """Whether ``user`` may approve or refuse it; people do not approve their own."""
    if user is None or approval.requester_id in (None, user.pk):
        return False
    allowed = permissions.user_has_any(user, permissions.APPROVE)
    right = RIGHT[approval.kind]
    return allowed and terminal_rights.may(user, right, approval.terminal)


def failure_of_rights(approval: Approval, approver_id: Any) -> str:
    """Why the two people may not do it now, read from the database; "" if they may."""
    if failure := failure_of_requester(approval):
        return failure
    approver = _fresh(approver_id)
    return "" if may_decide(approval, approver) else ApprovalFailure.APPROVER


def _fresh(key: Any) -> Any:
    users = get_user_model()._default_manager.filter(pk=key)
    return None if key is None else users.first()
