"""Known defects of ``flows.inquiry``: what Nexi's word means for a payment."""

from __future__ import annotations

FLOWS = "nexi_payments/flows/"
#: as ``defects_of_flows.DEFECTS``
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "a late charge of a cancelled payment is paid": (
        FLOWS + "inquiry/late_money.py",
        "    failed = order.is_cancelled and order.state == OrderState.FAILED\n",
        "    failed = False\n",
        "tests/flows/test_payment_cancel.py tests/flows/test_payment_cancel_races.py",
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
    "a refused repetition ends it": (
        FLOWS + "inquiry/reading/absence.py",
        "    return row.rejected and row.send_count == 1",
        "    return row.rejected",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "a cancel is sent twice": (
        FLOWS + "inquiry/reading/absence.py",
        "    if row.kind in enums.IDEMPOTENT and row.send_count < MAX_SENDS:\n",
        "    if row.send_count < MAX_SENDS:\n",
        "tests/flows/inquiry/reading/test_absence.py",
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
    "pending in three steps is silence": (
        FLOWS + "inquiry/snapshot.py",
        "    return order.flow == Flow.THREE_STEPS and order.charging_since is not None\n",
        "    return False\n",
        "tests/flows/inquiry/test_unknown_outcomes.py",
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
    "a release of the rest is a refund": (
        FLOWS + "inquiry/reading/adoption.py",
        "    if entry.is_release and sums.held:\n",
        "    if False:\n",
        "tests/flows/inquiry/reading/test_sums_and_states.py",
    ),
    "a person's decision is asked again": (
        FLOWS + "inquiry/reading/judgement.py",
        "        and row.result != result_codes.REFUNDED  # once: staff decide it\n",
        "",
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
    "a refund is repeated after the life of its key": (
        FLOWS + "inquiry/reading/absence.py",
        "    return ended is not None and times.asked_at < ended + KEY_LIFETIME",
        "    return ended is not None",
        "tests/flows/inquiry/reading/test_absence.py",
    ),
    "a refund that Nexi rejects is forgotten": (
        FLOWS + "inquiry/apply.py",
        "    queued_refunds.follow(order, _given_up_or_found(written, snapshot))\n",
        "",
        "tests/flows/test_refund_worker.py tests/flows/test_refund_worker_concurrency.py",
    ),
    "a charge is adopted though it was sent": (
        FLOWS + "inquiry/orphans.py",
        "    if order.state not in _UNSENT or order.operations.exists():\n",
        "    if False:\n",
        "tests/flows/inquiry/test_orphans.py",
    ),
    "the cursor moves though Nexi did not answer": (
        FLOWS + "inquiry/sweeps.py",
        "        mine.update(claimed_until=None)\n",
        "        mine.update(swept_at=now, claimed_until=None)\n",
        "tests/flows/inquiry/test_sweeps.py",
    ),
    "the cursor moves before the sweep": (
        FLOWS + "inquiry/sweeps.py",
        "    if not due.update(claimed_until=now + interval()):\n",
        "    if not due.update(swept_at=now):\n",
        "tests/flows/inquiry/test_sweeps.py",
    ),
    "known orders are not compared": (
        FLOWS + "inquiry/listing.py",
        "        elif _is_unsent(order) or differs(order, one, last_known.get(order.pk)):\n",
        "        elif False:\n",
        "tests/flows/inquiry/test_orphans.py",
    ),
    "a refund of the lost time is not seen": (
        FLOWS + "inquiry/listing.py",
        "    if listed.last_type in _RETURNS and _is_newer(listed.last_time, newest):\n",
        "    if False:\n",
        "tests/flows/inquiry/test_orphans.py",
    ),
    "a restored order leaves its reference free": (
        FLOWS + "inquiry/orphans.py",
        "        order.live_reference = order.live_key\n",
        "        if order.state == OrderState.PAYING:\n"
        "            order.live_reference = order.live_key\n",
        "tests/flows/inquiry/test_orphans.py",
    ),
    "an order paid since is a charge that nobody sent": (
        FLOWS + "inquiry/orphans.py",
        "    elif order.state in _UNSENT and not order.operations.exists():\n",
        "    elif False:\n",
        "tests/flows/inquiry/test_orphans.py",
    ),
}
