"""Known defects of ceilings, approvals and rights per terminal."""

from __future__ import annotations

FLOWS = "nexi_payments/flows/"
CLAIMS = "tests/flows/ledger/test_approvals.py"
REFUNDS = "tests/flows/test_approvals.py"
PHONE_ORDERS = "tests/flows/test_moto_approvals.py"
TERMINALS = "tests/system/test_terminal_rights.py"
#: name → (file, what it says, what the defect says instead, the tests that must fail)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "people approve their own": (
        FLOWS + "ledger/approval_rights.py",
        "    if user is None or approval.requester_id in (None, user.pk):\n",
        "    if user is None or approval.requester_id is None:\n",
        f"{REFUNDS} {PHONE_ORDERS}",
    ),
    "an approval is used twice": (
        FLOWS + "ledger/approvals.py",
        "        state=ApprovalState.WAITING if is_waiting else ApprovalState.APPROVED,\n",
        "",
        CLAIMS,
    ),
    "an approval is good for any amount": (
        FLOWS + "ledger/approvals.py",
        "        amount=operation.amount or 0,\n",
        "",
        CLAIMS,
    ),
    "an approval is good for any terminal": (
        FLOWS + "ledger/approvals.py",
        "        terminal=operation.order.terminal,\n",
        "",
        PHONE_ORDERS,
    ),
    "rights are not read again in the claim": (
        FLOWS + "ledger/approvals.py",
        "    if approval_rights.failure_of_rights(approval, key):\n        return False\n",
        "",
        f"{REFUNDS} {PHONE_ORDERS}",
    ),
    "what was left does not matter": (
        FLOWS + "approvals.py",
        "        seen = money.to_major(approval.expected_remaining, order.currency)\n",
        "        seen = None\n",
        REFUNDS,
    ),
    "the ceiling is evaded by parts": (
        FLOWS + "ceilings.py",
        "        amount += _refunded_without_approval(order)\n",
        "        pass\n",
        REFUNDS,
    ),
    "queued refunds do not count": (
        FLOWS + "ceilings.py",
        "for rows in (sent, queued))",
        "for rows in (sent,))",
        REFUNDS,
    ),
    "all that remains is not judged after the look": (
        FLOWS + "capture_refund.py",
        "    call.prepare(call.available())\n    call.require_approval()\n    try:\n",
        "    call.prepare(call.available())\n    try:\n",
        REFUNDS,
    ),
    "a forgotten currency has no ceiling": (
        FLOWS + "ceilings.py",
        "    amounts = [entry.get(currency, 0) for entry in found]\n",
        "    amounts = [entry.get(currency) for entry in found]\n",
        REFUNDS,
    ),
    "a queued refund needs no approval": (
        FLOWS + "refund_queue.py",
        "                needs_approval=ceilings.is_exceeded(\n"
        "                    order, OperationKind.REFUND, amount, actor\n"
        "                ),\n",
        "",
        REFUNDS,
    ),
    "a queued refund is sent without its approval": (
        FLOWS + "ledger/queued_refunds.py",
        "        taken = approvals.claim(refund.approval, operation)\n",
        "        pass\n",
        REFUNDS,
    ),
    "an expired approval is approved": (
        FLOWS + "approvals.py",
        "    if not approval.is_waiting:\n",
        "    if approval.state != ApprovalState.WAITING:\n",
        REFUNDS,
    ),
    "a card is charged without an approval": (
        FLOWS + "moto.py",
        "    approval = ceilings.require_approval_of_phone_order(order, actor)\n",
        "    approval = None\n",
        PHONE_ORDERS,
    ),
    "a phone order's approval is not taken": (
        FLOWS + "moto.py",
        "        if approval is not None and not approvals.claim("
        "approval, self.operation):\n",
        "        if False:\n",
        PHONE_ORDERS,
    ),
    "a second submit asks for another approval": (
        FLOWS + "ledger/approvals.py",
        "    if kind == OperationKind.MOTO and order.state != OrderState.INIT:\n",
        "    if False:\n",
        PHONE_ORDERS,
    ),
    "a user in no group sees everything": (
        "nexi_payments/terminal_rights.py",
        "    if not rules or _is_superuser(user):\n",
        "    if not permissions.group_names(user) & rules.keys() or"
        " _is_superuser(user):\n",
        TERMINALS,
    ),
    "to see is to refund": (
        "nexi_payments/terminal_rights.py",
        "            if right in rights or right == SEE:\n",
        "            if rights:\n",
        TERMINALS,
    ),
    "lists show every terminal": (
        "nexi_payments/admin/base.py",
        "        return terminal_rights.limit(rows, request.user)\n",
        "        return rows\n",
        TERMINALS,
    ),
    "a closed day shows terminals that its reader may not see": (
        "nexi_payments/admin/day_closings.py",
        "    if not sees_all_terminals(request):\n",
        "    if False:\n",
        "tests/system/test_terminal_rights.py",
    ),
    "a button of the admin needs no second factor": (
        "nexi_payments/terminal_rights.py",
        "    allowed = permissions.has_any(request, permission)\n",
        "    allowed = permissions.user_has_any(request.user, permission)\n",
        "tests/api/test_second_factor.py",
    ),
    "the daily report adds up every terminal": (
        "nexi_payments/admin/daily_report.py",
        "    operations = terminal_rights.limit(operations, user,"
        ' column="order__terminal")\n',
        "",
        TERMINALS,
    ),
    "an action asks for no terminal": (
        "nexi_payments/admin/base.py",
        "    order = get_object_or_404(PaymentOrder, pk=pk)\n"
        "    require_right(request, order.terminal, permission)\n",
        "    order = get_object_or_404(PaymentOrder, pk=pk)\n",
        TERMINALS,
    ),
    "the API reads every payment": (
        "nexi_payments/api/orders.py",
        "    require_right(request, order.terminal, permission)\n",
        "",
        TERMINALS,
    ),
    "the API charges on any terminal": (
        "nexi_payments/api/moto.py",
        '        require_right_to_take(request, data["terminal"],'
        " permissions.TAKE_MOTO)\n",
        "",
        TERMINALS,
    ),
}
