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
        FLOWS + "orders/velocity.py",
        "    VerificationOutcome.OPEN.value,\n",
        "",
        "tests/flows/test_card_verification.py",
    ),
    "a limit is read before the claim": (
        FLOWS + "ledger/operations.py",
        "    changes, unless = claim.changes | claim.guard.columns, claim.guard.unless\n",
        "    changes, unless = claim.changes | claim.guard.columns, ()\n",
        "tests/flows/orders/test_velocity_reservations.py",
    ),
    "attempts at once do not wait for one another": (
        FLOWS + "ledger/guards.py",
        "        if self.locks:\n",
        "        if False:\n",
        "tests/flows/orders/test_velocity_reservations.py",
    ),
    "one slow request stops all payments": (
        FLOWS + "orders/velocity.py",
        " for name in limits if name != EVERYONE]",
        " for name in limits]",
        "tests/flows/orders/test_velocity_reservations.py",
    ),
    "what is under way does not count": (
        FLOWS + "ledger/transitions.py",
        "        return target in enums.UNDER_WAY\n",
        "        return False\n",
        "tests/flows/orders/test_velocity_reservations.py",
    ),
    "a failure of ours counts": (
        FLOWS + "ledger/transitions.py",
        "    return reason in (enums.DECLINES if order.is_hosted else enums.CARD_WAS_TRIED)\n",
        "    return True\n",
        "tests/flows/orders/test_velocity_reservations.py tests/flows/orders/test_velocity.py",
    ),
    "visitors without an address are not counted": (
        FLOWS + "orders/velocity.py",
        '        ADDRESS: [{"attempt_network": actor.network}],\n    }\n',
        '        ADDRESS: [{"attempt_network": actor.network or None}],\n    }\n',
        "tests/flows/orders/test_velocity_reservations.py",
    ),
    "kept without a tick": (
        FLOWS + "three_ds.py",
        "        and not consent_text.strip()\n",
        "        and False\n",
        "tests/flows/test_contracts.py",
    ),
    "a cancelled payment keeps its card": (
        FLOWS + "payment_cancel.py",
        "    sealed_cards.shred(live)\n",
        "    pass\n",
        "tests/flows/test_payment_cancel.py tests/flows/test_payment_cancel_races.py",
    ),
    "a cancel ignores a return that is handled": (
        FLOWS + "availability.py",
        "        return not (order.is_claimed or order.gateway_pending)\n",
        "        return True\n",
        "tests/flows/test_payment_cancel.py tests/flows/test_payment_cancel_races.py",
    ),
    "a cancel ignores a claim meanwhile": (
        FLOWS + "payment_cancel.py",
        '        conditions={"version": live.version},\n',
        "        conditions={},\n",
        "tests/flows/test_payment_cancel.py tests/flows/test_payment_cancel_races.py",
    ),
    "a failed attempt goes on after the cancel": (
        FLOWS + "orders/attempts.py",
        '    where = {"pk": order.pk, "cancelled_at": None}\n',
        '    where = {"pk": order.pk}\n',
        "tests/flows/test_payment_cancel.py tests/flows/test_payment_cancel_races.py",
    ),
    "superseding is a failure": (
        FLOWS + "ledger/transitions.py",
        "        EventKind.SUPERSEDED,\n",
        "        OrderState.FAILED,\n",
        "tests/flows/orders/test_superseded.py",
    ),
    "a superseded attempt names no successor": (
        FLOWS + "ledger/transitions.py",
        "        successor=successor,\n        approval=approval,\n",
        "        approval=approval,\n",
        "tests/flows/orders/test_superseded.py",
    ),
    "check then save": (
        FLOWS + "ledger/transitions.py",
        'if raw_sql.update(\n            PaymentOrder, where, changes, increment="version", unless=unless\n        ):',
        "if order.state == candidate and (PaymentOrder.objects.filter(pk=order.pk).update(**changes)):",
        "tests/flows/ledger/test_operations.py tests/system/test_races.py tests/flows/test_three_ds_return.py tests/flows/orders/test_create.py tests/flows/ledger/test_transitions.py",
    ),
    "no unique live order": (
        FLOWS + "orders/attempts.py",
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
        " operation=error_columns(error))\n",
        "    return OperationUpdate(OperationOutcome.DECLINED, OrderState.FAILED,"
        " Reason.UNCONFIRMED, operation=error_columns(error))\n",
        "tests/system/test_fault_matrix.py tests/flows/test_moto.py",
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
        FLOWS + "ledger/post_charge.py",
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
        "        return ends[-1] is not None and not (answered and now >= ends[-1])\n",
        "        return ends[-1] is not None and now < ends[-1]\n",
        "tests/flows/ledger/test_poll_schedule.py",
    ),
    "a review is not looked at": (
        FLOWS + "ledger/poll_schedule.py",
        "if new.state in (OrderState.AUTHORIZED, OrderState.REVIEW):",
        "if new.state == OrderState.AUTHORIZED:",
        "tests/flows/inquiry/test_late_charges.py",
    ),
    "a due charge has a reference of its own": (
        FLOWS + "retry_policy.py",
        "    return reference\n",
        '    return f"{reference}/{contract.lease_version}"\n',
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
        FLOWS + "contract_charges.py",
        "    order = attempts.find_by_nonce(order) or _insert(order, fence)\n",
        "    order = _insert(order, fence)\n",
        "tests/api/test_contracts.py",
    ),
    "kept without consent": (
        FLOWS + "three_ds.py",
        "raise ConsentRequired(order)",
        "pass",
        "tests/flows/test_contracts.py",
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
    "one rejected request blocks a terminal": (
        FLOWS + "ledger/terminal_outages.py",
        "        check_key(terminal, error.status, client, deadline)",
        "        record(terminal, error.status)",
        "tests/flows/ledger/test_terminal_outages.py",
    ),
    "a broken contract is due again at once, unseen": (
        FLOWS + "recurring.py",
        "            contract_schedule.record_error(contract, error)\n",
        "            log.exception('contract %s', error)\n",
        "tests/flows/test_recurring_errors.py",
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
    "a resend leaves earlier readings valid": (
        FLOWS + "ledger/operations.py",
        '    raw_sql.update(PaymentOrder, {"pk": operation.order_id}, {}, increment="version")\n',
        "",
        "tests/flows/ledger/test_sends.py",
    ),
    "a refund is sent though Nexi does not answer": (
        FLOWS + "capture_refund.py",
        "            raise GatewayUnavailable(order.terminal)\n",
        "            return\n",
        "tests/flows/test_gateway_unavailable.py",
    ),
    "a decision is written over a change": (
        FLOWS + "ledger/operations.py",
        '{"claimed_at": order.claimed_at, "version": order.version}',
        '{"claimed_at": order.claimed_at}',
        "tests/flows/test_manual_review.py",
    ),
    "a refund is claimed for an order that has changed": (
        FLOWS + "capture_refund.py",
        '        conditions = {"version": self.order.version}\n',
        "        conditions: dict[str, Any] = {}\n",
        "tests/flows/test_capture_refund_concurrency.py",
    ),
    "a refund that was given up is not watched": (
        FLOWS + "ledger/poll_schedule.py",
        "    if followed.until is not None:\n        return True\n",
        "",
        "tests/flows/ledger/test_poll_schedule.py",
    ),
    "a veto of the shop is ignored": (
        FLOWS + "ledger/operations.py",
        "    if call.is_vetoed():\n        return\n",
        "    call.is_vetoed()\n",
        "tests/flows/test_before_charge.py",
    ),
    "a check that failed is a yes": (
        FLOWS + "ledger/before_charge.py",
        "    return Veto(Reason.CHECK_FAILED)\n",
        "    return None\n",
        "tests/flows/test_before_charge.py",
    ),
    "a veto over another claim": (
        FLOWS + "ledger/charge.py",
        "    if call.order.state == call.source and operations.settle_order(call.order, update):\n        return True\n    raise OrderBusy(call.order)\n",
        "    operations.settle_order(call.order, update)\n    return True\n",
        "tests/flows/test_before_charge.py",
    ),
    "a vetoed period is charged again": (
        FLOWS + "recurring.py",
        "    elif order.reason == Reason.VETOED:\n",
        "    elif False:\n",
        "tests/flows/test_before_charge.py",
    ),
    "strict takes what differs": (
        FLOWS + "shop_orders.py",
        "        strict = conf.current().reference_lookup_strict\n",
        "        strict = False\n",
        "tests/flows/test_shop_orders.py",
    ),
    "a tick is for every difference": (
        FLOWS + "shop_orders.py",
        "accepted not in (None, error.difference)",
        'accepted == ""',
        "tests/flows/test_shop_orders.py tests/admin/test_reference_lookup.py",
    ),
    "two plans share their periods": (
        FLOWS + "ledger/contract_effects.py",
        "    return contract.contract_id if others.exists() else reference\n",
        "    return reference\n",
        "tests/flows/test_plan_references.py",
    ),
    "a queued refund is sent inside the transaction": (
        FLOWS + "refund_worker.py",
        "    db_transactions.on_commit(lambda: _send_at_once(refund))",
        "    _send_at_once(refund)",
        "tests/flows/test_refund_queue.py",
    ),
    "a queued refund is sent inside another transaction of the host": (
        FLOWS + "refund_worker.py",
        " or db_transactions.is_another_open()",
        "",
        "tests/flows/test_refund_queue.py",
    ),
    "the key of a queued refund is ignored": (
        FLOWS + "refund_queue.py",
        "QueuedRefund.objects.filter(key=key).first() if key else None",
        "None",
        "tests/flows/test_refund_queue.py",
    ),
    "two queued refunds exceed the capture": (
        FLOWS + "availability.py",
        "totals.unrefunded_amount(order) - queued_amount",
        "totals.unrefunded_amount(order)",
        "tests/flows/test_refund_queue.py",
    ),
    "a refund is queued beside one that is being claimed": (
        FLOWS + "ledger/queued_refunds.py",
        'values, increment="version"))',
        "values))",
        "tests/flows/test_refund_queue.py",
    ),
    "a queued refund is sent without the look": (
        FLOWS + "refund_worker.py",
        "        capture_refund.look_and_send(call)\n",
        "        call.prepare(call.available())\n"
        "        capture_refund.operations.run(call)\n",
        "tests/flows/test_refund_worker.py tests/flows/test_refund_worker_concurrency.py",
    ),
    "a queued refund is sent by two workers": (
        FLOWS + "capture_refund.py",
        "        if row is not None and not queued_refunds.claim(row, self.operation):\n",
        "        if row is None:\n",
        "tests/flows/test_refund_worker.py tests/flows/test_refund_worker_concurrency.py",
    ),
    "a refund that was not sent leaves the queue": (
        FLOWS + "ledger/post_charge.py",
        "        queued_refunds.follow(self.order, [self.operation])\n",
        "",
        "tests/flows/test_refund_worker.py tests/flows/test_refund_worker_concurrency.py",
    ),
    "a payment with a queued refund is archived": (
        "nexi_payments/retention/archive.py",
        "        queued_amount=0,\n",
        "",
        "tests/retention/test_archive.py",
    ),
    # -- after a restore
    "a due charge is sent without asking": (
        FLOWS + "contract_charges.py",
        "    if not _was_made_before(order, client, deadline):\n",
        "    if True:\n",
        "tests/flows/test_charges_before_a_restore.py",
    ),
    "the id of a due charge is random": (
        FLOWS + "orders/attempts.py",
        "    if order.channel != Channel.MIT or order.contract is None:\n",
        "    if True or order.contract is None:\n",
        "tests/flows/test_charges_before_a_restore.py",
    ),
    "a found charge covers what became due after it": (
        FLOWS + "recurring.py",
        "advance_period(contract, order.charging_since or now)",
        "advance_period(contract, now)",
        "tests/flows/test_charges_before_a_restore.py",
    ),
    "due charges run on an old cursor": (
        FLOWS + "recurring.py",
        "    if not sweeps.is_fresh(terminal):\n",
        "    if False:\n",
        "tests/flows/inquiry/test_sweeps.py",
    ),
    "an order expires before a sweep": (
        FLOWS + "reconcile.py",
        "    swept = sweeps.covers(order.terminal, order.expires_at)\n",
        "    swept = True\n",
        "tests/flows/inquiry/test_sweeps.py",
    ),
    "an order goes out without its reference": (
        "nexi_payments/gateway/payloads.py",
        '        body["customField"] = purchase.reference[:255]\n',
        "        pass\n",
        "tests/flows/inquiry/test_orphans.py",
    ),
}
