"""Known defects of ``nexi_payments.flows``: where money is decided."""

from __future__ import annotations

FLOWS = "nexi_payments/flows/"
#: name → (file, what it says, what the defect says instead, the tests that must fail)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "a due charge without its fence": (
        FLOWS + "recurring.py",
        "        return bool(rows.update(lease_version=contract.lease_version))",
        "        return bool(rows.update(lease_version=contract.lease_version)) or True",
        "tests/flows/test_recurring.py tests/flows/test_recurring_workers.py",
    ),
    "a form asks the bank twice": (
        FLOWS + "card_verification.py",
        "    order_id = _order_id(nonce or secrets.token_hex(16))",
        "    order_id = _order_id(secrets.token_hex(16))",
        "tests/flows/test_card_verification.py tests/admin/test_card_verifications.py",
    ),
    "our key is the card's fault": (
        FLOWS + "card_verification.py",
        "        not_asked = error.status in _NOT_FROM_ISSUER",
        "        not_asked = False",
        "tests/flows/test_card_verification.py",
    ),
    "stolen cards are tried out all at once": (
        FLOWS + "card_verification.py",
        "        outcome__in=(VerificationOutcome.DECLINED, *enums.UNSETTLED),",
        "        outcome=VerificationOutcome.DECLINED,",
        "tests/flows/test_card_verification.py",
    ),
    "kept without a tick": (
        FLOWS + "three_ds.py",
        "        and not consent_text.strip()\n",
        "        and False\n",
        "tests/flows/test_contracts.py",
    ),
    "check then save": (
        FLOWS + "ledger/transitions.py",
        'if raw_sql.update(PaymentOrder, where, changes, increment="version"):',
        "if order.state == candidate and (PaymentOrder.objects.filter(pk=order.pk).update(**changes)):",
        "tests/flows/ledger/test_operations.py tests/system/test_races.py tests/flows/test_three_ds_return.py tests/flows/orders/test_create.py tests/flows/ledger/test_transitions.py",
    ),
    "no unique live order": (
        FLOWS + "orders/create.py",
        "    order.live_reference = order.live_key\n",
        "    order.live_reference = order.order_id\n",
        "tests/flows/orders/test_create.py tests/system/test_races.py",
    ),
    "outcome saved only after the call": (
        FLOWS + "moto.py",
        "    kind = OperationKind.MOTO\n",
        "    kind = OperationKind.MOTO\n    target = None\n",
        "tests/flows/test_moto.py",
    ),
    "a charge is sent twice": (
        FLOWS + "moto.py",
        "        return self.client.moto(\n",
        "        self.client.moto(self.purchase, self.card, self.capture_type,"
        " self.context(operation))\n"
        "        return self.client.moto(\n",
        "tests/flows/test_moto.py",
    ),
    "time-out means failed": (
        FLOWS + "ledger/outcomes.py",
        "    return OperationUpdate(OperationOutcome.IN_DOUBT,"
        " operation=_error_columns(error))\n\n\n# -- captures",
        "    return OperationUpdate(OperationOutcome.DECLINED, OrderState.FAILED,"
        " Reason.UNCONFIRMED, operation=_error_columns(error))\n\n\n# -- captures",
        "tests/system/test_fault_matrix.py tests/flows/test_moto.py",
    ),
    "given up after one look": (
        FLOWS + "inquiry/reading/absence.py",
        "ENOUGH: Final = 3",
        "ENOUGH: Final = 1",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "given up before its time": (
        FLOWS + "inquiry/reading/absence.py",
        "    settled = times.asked_at >= ended + times.settle_after\n",
        "    settled = True\n",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "paid on return": (
        FLOWS + "three_ds_return.py",
        "        if not pares:\n            _fail_unauthenticated(order, client, deadline)\n"
        "        elif",
        "        if",
        "tests/flows/test_three_ds_return.py tests/flows/test_three_ds.py tests/views/test_malformed_returns.py",
    ),
    "a late answer overwrites": (
        FLOWS + "ledger/operations.py",
        '        where["unsettled_order_id__isnull"] = False\n',
        "        pass\n",
        "tests/flows/ledger/test_sends.py",
    ),
    "a refund is not reserved": (
        FLOWS + "ledger/totals.py",
        '        "refunding_amount": sums.refunding,\n',
        '        "refunding_amount": 0,\n',
        "tests/flows/ledger/test_sends.py tests/flows/test_capture_refund_concurrency.py",
    ),
    "a refund is repeated with another key": (
        FLOWS + "ledger/post_charge.py",
        "        target, key = operation.target_operation_id, operation.idempotency_key\n",
        "        target, key = operation.target_operation_id, operation.correlation_id\n",
        "tests/flows/ledger/test_sends.py",
    ),
    "accepted means done": (
        FLOWS + "ledger/outcomes.py",
        "        OperationOutcome.ACCEPTED,\n",
        "        OperationOutcome.DONE,\n",
        "tests/flows/ledger/test_sends.py",
    ),
    "a stale refund form is taken": (
        FLOWS + "availability.py",
        "    if expected_remaining is not None and expected_remaining != money.to_major(\n"
        "        remaining, order.currency\n    ):\n",
        "    if False:\n",
        "tests/flows/test_capture_refund.py tests/admin/test_order_detail.py",
    ),
    "the watch ends without an answer": (
        FLOWS + "ledger/poll_schedule.py",
        "        return end is not None and not (answered and now >= end)\n",
        "        return end is not None and now < end\n",
        "tests/flows/ledger/test_poll_schedule.py",
    ),
    "a refused repetition ends it": (
        FLOWS + "inquiry/reading/absence.py",
        "    return row.rejected and row.send_count == 1",
        "    return row.rejected",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "a review is not looked at": (
        FLOWS + "ledger/poll_schedule.py",
        "if new.state in (OrderState.AUTHORIZED, OrderState.REVIEW):",
        "if new.state == OrderState.AUTHORIZED:",
        "tests/flows/inquiry/test_late_charges.py",
    ),
    "a due charge has a reference of its own": (
        FLOWS + "retry_policy.py",
        '    return f"{contract.contract_id}/{contract.period}"\n',
        '    return f"{contract.contract_id}/{contract.period}/{contract.lease_version}"\n',
        "tests/flows/test_recurring.py tests/flows/test_recurring_workers.py",
    ),
    "a forbidden decline is tried again": (
        FLOWS + "retry_policy.py",
        "        return result_codes.is_soft_decline(order.response_code)\n",
        "        return True\n",
        "tests/flows/test_recurring.py tests/flows/test_recurring_workers.py",
    ),
    "a declined card is charged again unasked": (
        FLOWS + "recurring.py",
        "    return inquiry.shows_no_charge and attempt.state == OrderState.FAILED\n",
        "    return True\n",
        "tests/flows/test_recurring.py tests/flows/test_recurring_workers.py",
    ),
    "a repeated key charges a declined card again": (
        FLOWS + "contracts.py",
        "    order = create.find_by_nonce(order) or _insert(order, fence)\n",
        "    order = _insert(order, fence)\n",
        "tests/api/test_contracts.py",
    ),
    "a cancel is sent twice": (
        FLOWS + "inquiry/reading/absence.py",
        "    if row.kind in enums.IDEMPOTENT and row.send_count < MAX_SENDS:\n",
        "    if row.send_count < MAX_SENDS:\n",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "kept without consent": (
        FLOWS + "three_ds.py",
        "raise ConsentRequired(order)",
        "pass",
        "tests/flows/test_contracts.py",
    ),
    "a total is believed while a capture is on its way": (
        FLOWS + "inquiry/reading/reader.py",
        "    most = sums.captured + sums.capturing\n",
        "    most = sums.captured\n",
        "tests/flows/inquiry/reading/test_sums_and_states.py tests/flows/inquiry/reading/test_both_books.py",
    ),
    "a total is believed just after a refused capture": (
        FLOWS + "inquiry/reading/adoption.py",
        "        row.adopted\n        and row.outcome",
        "        row.outcome",
        "tests/flows/inquiry/reading/test_sums_and_states.py",
    ),
    "money of the total does a refused capture": (
        FLOWS + "inquiry/reading/matching.py",
        "    _explain_totals(rows, found)\n    _match_by_amount",
        "    _match_by_amount",
        "tests/flows/inquiry/reading/test_sums_and_states.py",
    ),
    "a listed capture is counted beside its total": (
        FLOWS + "inquiry/reading/adoption.py",
        "        if total_row is not None and entry in in_total:\n",
        "        if False:\n",
        "tests/flows/inquiry/reading/test_sums_and_states.py",
    ),
    "another order's refund is adopted": (
        FLOWS + "inquiry/reading/matching.py",
        "        if one.order_id and one.order_id != order.order_id:\n",
        "        if False:\n",
        "tests/flows/inquiry/reading/test_matching.py",
    ),
    "dollars are taken for euros after the charge": (
        FLOWS + "inquiry/reading/matching.py",
        "    if one.currency and one.currency != order.currency:\n",
        "    if False:\n",
        "tests/flows/inquiry/reading/test_matching.py",
    ),
    "one id confirms two refunds": (
        FLOWS + "inquiry/reading/matching.py",
        "        if not row.operation_id or key in owners:\n",
        "        if not row.operation_id:\n",
        "tests/flows/inquiry/reading/test_matching.py",
    ),
    "an unreadable entry proves an absence": (
        FLOWS + "inquiry/reading/judgement.py",
        "    complete = draft.complete and ROLES[row.kind] not in matching.unclear\n",
        "    complete = draft.complete\n",
        "tests/flows/inquiry/reading/test_absence.py tests/flows/inquiry/reading/test_matching.py",
    ),
    "not sent without its send": (
        FLOWS + "ledger/operations.py",
        '        where["send_count"] = operation.send_count\n',
        "        pass\n",
        "tests/flows/ledger/test_sends.py",
    ),
    "a repetition is sent by two processes": (
        FLOWS + "ledger/operations.py",
        """        "send_count": operation.send_count,
        "unsettled_order_id__isnull": False,""",
        """        "unsettled_order_id__isnull": False,""",
        "tests/flows/ledger/test_sends.py",
    ),
    "pending in three steps is silence": (
        FLOWS + "inquiry/snapshot.py",
        "    return order.flow == Flow.THREE_STEPS and order.charging_since is not None\n",
        "    return False\n",
        "tests/flows/inquiry/test_unknown_outcomes.py",
    ),
    "one rejected request blocks a terminal": (
        FLOWS + "ledger/terminal_outages.py",
        "        check_key(order.terminal, error.status, client, deadline)",
        "        record(order.terminal, error.status)",
        "tests/flows/ledger/test_terminal_outages.py",
    ),
    "a probe without an answer is an outage": (
        FLOWS + "ledger/terminal_outages.py",
        "            log.error(text, answered, type(error).__name__, error)\n",
        "            log.error(text, answered, type(error).__name__, error)\n"
        "            record(terminal, status)\n",
        "tests/flows/ledger/test_terminal_outages.py",
    ),
    "a cancel has no key": (
        FLOWS + "ledger/post_charge.py",
        "self.client.cancel(target, key, trace)",
        'self.client.cancel(target, "", trace)',
        "tests/flows/test_capture_cancel.py",
    ),
    "a late inquiry is written over a newer one": (
        FLOWS + "inquiry/apply.py",
        '    where = {"pk": order.pk, "version": snapshot.version}\n',
        '    where = {"pk": order.pk}\n',
        "tests/flows/inquiry/test_stale_readings.py",
    ),
    "a late inquiry changes the state": (
        FLOWS + "inquiry/apply.py",
        '        conditions={"version": snapshot.version},\n',
        "",
        "tests/flows/inquiry/test_stale_readings.py",
    ),
    "a refused change of state is ignored": (
        FLOWS + "inquiry/apply.py",
        "    if not moved:\n        raise PreconditionFailed\n",
        "",
        "tests/flows/inquiry/test_stale_readings.py",
    ),
    "any change of state is allowed": (
        FLOWS + "ledger/transitions.py",
        "allowed & frozenset(sources)",
        "frozenset(sources)",
        "tests/flows/ledger/test_transitions.py",
    ),
    "a refund is repeated while its first send is out": (
        FLOWS + "ledger/facts.py",
        "        ended = over if over <= now else None\n",
        "        ended = row.sent_at\n",
        "tests/flows/ledger/test_sends.py",
    ),
    "a send without an end is over": (
        FLOWS + "inquiry/reading/absence.py",
        "    if row.operation_id or ended is None or row.adopted:\n",
        "    ended = ended or times.asked_at - times.settle_after\n"
        "    if row.operation_id or row.adopted:\n",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "sent again more than once": (
        FLOWS + "inquiry/reading/absence.py",
        "MAX_SENDS: Final = 2",
        "MAX_SENDS: Final = 3",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "an inquiry right after the send counts": (
        FLOWS + "inquiry/reading/absence.py",
        "    return all(times.asked_at >= mark + times.lag for mark in marks)\n",
        "    return True\n",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "a resend leaves earlier readings valid": (
        FLOWS + "ledger/operations.py",
        '    raw_sql.update(PaymentOrder, {"pk": operation.order_id}, {}, increment="version")\n',
        "",
        "tests/flows/ledger/test_sends.py",
    ),
    "a list that has lost an entry proves an absence": (
        FLOWS + "inquiry/reading/reader.py",
        "    complete = response.readable and order.shown_ids <= shown\n",
        "    complete = response.readable\n",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "ids are not compared": (
        FLOWS + "inquiry/reading/matching.py",
        "        entry = next((e for e in found.unbound if (e.role, e.id) == key), None)\n",
        "        entry = next((e for e in found.unbound if e.role is key[0]), None)\n",
        "tests/flows/inquiry/reading/test_ids.py",
    ),
    "an id that was shown before is the new request's": (
        FLOWS + "inquiry/reading/matching.py",
        "            and entry.id not in order.shown_ids\n",
        "",
        "tests/flows/inquiry/reading/test_matching.py",
    ),
    "another payment's operation is ours": (
        FLOWS + "inquiry/reading/matching.py",
        "        elif one.operation_id[:64] in order.foreign_ids:\n",
        "        elif False:\n",
        "tests/flows/inquiry/reading/test_ids.py",
    ),
    "a total is believed at first sight": (
        FLOWS + "inquiry/reading/reader.py",
        "    if dispute is None or draft.times.asked_at < dispute.since + draft.times.lag:\n",
        "    if dispute is None:\n",
        "tests/flows/inquiry/reading/test_sums_and_states.py",
    ),
    "a final word is contradicted at once": (
        FLOWS + "inquiry/reading/absence.py",
        "ENOUGH_TO_CONTRADICT: Final = 2",
        "ENOUGH_TO_CONTRADICT: Final = 1",
        "tests/flows/inquiry/reading/test_matching.py tests/flows/inquiry/reading/test_charge.py",
    ),
    "a purchase is paid twice without a word": (
        FLOWS + "inquiry/late_money.py",
        "    if others.filter(authorized_amount__gt=0).exists():\n",
        "    if False:\n",
        "tests/flows/inquiry/test_duplicates.py",
    ),
    "late money does not wait for a running attempt": (
        FLOWS + "inquiry/late_money.py",
        "            raise AnotherAttemptRuns\n",
        '            return _duplicate("another payment of this purchase")\n',
        "tests/flows/inquiry/test_duplicates.py",
    ),
    "a refund is sent though Nexi does not answer": (
        FLOWS + "capture_refund.py",
        "            raise GatewayUnavailable(order.terminal)\n",
        "            return\n",
        "tests/flows/test_gateway_unavailable.py",
    ),
    "a release of the rest is a refund": (
        FLOWS + "inquiry/reading/adoption.py",
        "    if entry.is_release and sums.held:\n",
        "    if False:\n",
        "tests/flows/inquiry/reading/test_sums_and_states.py",
    ),
    "a person's decision is asked again": (
        FLOWS + "inquiry/reading/judgement.py",
        "        and row.result != result_codes.REFUNDED  # once: a person decides it\n",
        "",
        "tests/flows/test_manual_review.py",
    ),
    "a decision is written over a change": (
        FLOWS + "ledger/operations.py",
        '{"claimed_at": order.claimed_at, "version": order.version}',
        '{"claimed_at": order.claimed_at}',
        "tests/flows/test_manual_review.py",
    ),
    "an incomplete list confirms a decline": (
        FLOWS + "inquiry/query.py",
        "verdict is Verdict.NO_CHARGE and self.reading.complete",
        "verdict is Verdict.NO_CHARGE",
        "tests/flows/test_recurring.py",
    ),
    "what the total showed is announced again": (
        FLOWS + "inquiry/announcements.py",
        "        done = _without_known(changed, done, amounts)\n",
        "",
        "tests/flows/inquiry/test_totals.py",
    ),
    "a refund is claimed for an order that has changed": (
        FLOWS + "capture_refund.py",
        '        conditions = {"version": self.order.version}\n',
        "        conditions: dict[str, Any] = {}\n",
        "tests/flows/test_capture_refund_concurrency.py",
    ),
    "a refund is repeated after the life of its key": (
        FLOWS + "inquiry/reading/absence.py",
        "    return ended is not None and times.asked_at < ended + KEY_LIFETIME",
        "    return ended is not None",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "a refund that was given up is not watched": (
        FLOWS + "ledger/poll_schedule.py",
        "    if followed.until is not None:\n        return True\n",
        "",
        "tests/flows/ledger/test_poll_schedule.py",
    ),
}
