"""Known defects around Nexi's hosted page, and of money that came twice."""

from __future__ import annotations

FLOWS = "nexi_payments/flows/"
SAFETY = "tests/flows/hosted/test_money_safety.py"
DUPLICATES = "tests/flows/hosted/test_duplicates.py"
WAYS_BACK = "tests/flows/hosted/test_ways_back.py"
TABLE = "tests/flows/hosted/test_method_table.py"
HOUR = "tests/management/test_sandbox_hour.py"
SECOND = "tests/flows/hosted/test_second_payments.py"
LINKS = "tests/system/test_nexi_link_races.py"
#: name → (file, what it says, what the defect says instead, the tests that must fail)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "another page is opened without a look at the attempt's own": (
        FLOWS + "hosted/siblings.py",
        "    return [order if page.pk == order.pk else page for page in pages]\n",
        "    return [page for page in pages if page.pk != order.pk]\n",
        SAFETY,
    ),
    "a page under review does not stop another attempt": (
        FLOWS + "hosted/siblings.py",
        "rows.filter(watched | Q(state=OrderState.REVIEW))",
        "rows.filter(watched)",
        SAFETY,
    ),
    "no answer about a page counts as not paid": (
        FLOWS + "hosted/siblings.py",
        "    if inquiry.reading is None or not inquiry.applied:\n"
        "        raise GatewayUnavailable(page.terminal)\n",
        "    if inquiry.reading is None or not inquiry.applied:\n        return\n",
        "tests/flows/hosted/test_two_ways.py",
    ),
    "the shop replaces a payment that is being confirmed": (
        FLOWS + "ledger/transitions.py",
        '        conditions["gateway_pending"] = False\n',
        "        pass\n",
        SAFETY,
    ),
    "late money waits for a payment that is being confirmed": (
        FLOWS + "inquiry/late_money.py",
        "even_if_pending=True",
        "even_if_pending=False",
        SAFETY,
    ),
    "late money of an old basket is the payment": (
        FLOWS + "inquiry/late_money.py",
        "    if _was_replaced(order, others):\n",
        "    if order.reason == Reason.SUPERSEDED and _was_replaced(order, others):\n",
        "tests/flows/inquiry/test_late_money.py",
    ),
    "a page that was replaced is shown": (
        FLOWS + "ledger/operations.py",
        "    if _update_order(order, update, operation):\n        call.on_settle(update)\n",
        "    _update_order(order, update, operation)\n    call.on_settle(update)\n",
        SAFETY,
    ),
    "a page that staff have decided comes back": (
        FLOWS + "ledger/operations.py",
        "        operation = _end_page(order, update) or operation\n",
        "        pass\n",
        SAFETY,
    ),
    "an answer from before a notification ends the question": (
        FLOWS + "inquiry/apply.py",
        "        triggers=snapshot.triggers, then=",
        "        triggers__gte=0, then=",
        WAYS_BACK,
    ),
    "an unanswered question ends what a notification asked": (
        FLOWS + "inquiry/query.py",
        "        rows = rows.filter(triggers=snapshot.triggers)\n",
        "        pass\n",
        WAYS_BACK,
    ),
    "a notification without its token in the URL is taken": (
        FLOWS + "hosted/ways_back.py",
        "    if page is None or not _matches(token, page.notify_hash):\n",
        "    if page is None:\n",
        WAYS_BACK,
    ),
    "a notification that was not stored is confirmed": (
        "nexi_payments/views/hosted_page.py",
        "        return _json(500)\n",
        "        return _json(200)\n",
        "tests/views/test_hosted_page.py",
    ),
    "an error of a notification is raised with its token": (
        "nexi_payments/views/hosted_page.py",
        '        log.warning("a notification was not stored: %s", type(error).__name__)\n',
        "        raise\n",
        "tests/views/test_hosted_page.py",
    ),
    "a duplicate is refunded whatever became of the other payment": (
        FLOWS + "refund_worker.py",
        "        if other is None or not duplicates.has_money(other):\n",
        "        if False:\n",
        DUPLICATES,
    ),
    "a duplicate is refunded without a look at the other payment": (
        FLOWS + "refund_worker.py",
        "            _look(other, deadline)\n",
        "            pass\n",
        DUPLICATES,
    ),
    "a duplicate and the other payment are refunded at once": (
        FLOWS + "capture_refund.py",
        "        if self.other is not None and not _is_unchanged(self.other):\n",
        "        if False:\n",
        DUPLICATES,
    ),
    "a duplicate is queued for a method without refunds": (
        FLOWS + "inquiry/duplicates.py",
        " or not _may_be_refunded(order):\n",
        ":\n",
        DUPLICATES,
    ),
    "a duplicate is refunded although staff decide": (
        FLOWS + "inquiry/duplicates.py",
        "    if conf.current().duplicates != Duplicates.REFUND or",
        "    if",
        DUPLICATES,
    ),
    "the shop is told of a refund of what it never heard of": (
        FLOWS + "inquiry/announcements.py",
        "        return bool(self.done) and duplicates.is_untold(order)\n",
        "        return False\n",
        DUPLICATES,
    ),
    "a void is given up when its money was captured": (
        FLOWS + "refund_worker.py",
        "        duplicates.follow_capture(refund, order)\n",
        "",
        DUPLICATES,
    ),
    "a refund is queued that the method forbids": (
        FLOWS + "refund_queue.py",
        "    now.require_allowed(OperationKind.REFUND)\n",
        "",
        TABLE,
    ),
    "a part is queued of what is refunded in full only": (
        FLOWS + "refund_queue.py",
        "    now.require_whole(amount, chosen)\n",
        "",
        TABLE,
    ),
    "in full means all charges together": (
        FLOWS + "availability.py",
        "        whole = capture.operation.amount if capture else self.order.captured_amount\n",
        "        whole = self.order.captured_amount\n",
        TABLE,
    ),
    "a cancel of a link is not written before Nexi is asked": (
        FLOWS + "hosted/nexi_links.py",
        "    _ask_to_cancel(link)\n",
        "    pass\n",
        LINKS,
    ),
    "a link that is cancelled is forgotten without an answer": (
        FLOWS + "hosted/link_closing.py",
        "due.filter(is_over | Q(cancel_asked_at__isnull=False))",
        "due.filter(is_over)",
        LINKS,
    ),
    "an attempt outlives its link": (
        FLOWS + "hosted/link_closing.py",
        "    if used or waiting.update(expires_at=timezone.now()):\n",
        "    if used:\n",
        LINKS,
    ),
    "a renewal without an answer leaves an open link": (
        FLOWS + "hosted/nexi_links.py",
        "    earlier.update(latest_day=expires_on)\n",
        "    pass\n",
        LINKS,
    ),
    "a late renewal opens an attempt that was cancelled": (
        FLOWS + "hosted/nexi_links.py",
        "    if link.update(expires_on=expires_on):  # not if it was cancelled meanwhile\n",
        "    if link.update(expires_on=expires_on) or True:\n",
        LINKS,
    ),
    "two people send a link each": (
        FLOWS + "hosted/nexi_links.py",
        "    supersedes = False\n",
        "    supersedes = True\n",
        LINKS,
    ),
    "a link takes a payment that saves the card": (
        FLOWS + "hosted/nexi_links.py",
        "(Channel.SHOP, Channel.LINK) and not saves_card",
        "(Channel.SHOP, Channel.LINK)",
        "tests/api/test_nexi_links.py",
    ),
    "the API stores the URL of a link": (
        "nexi_payments/api/nexi_links.py",
        "            return _link_response(request, order)\n\n        key = idempotency"
        ".IdempotencyKey(request, request.data)\n        return idempotency.run_once("
        "key, action)\n\n\nclass CancelNexiLinkView",
        "            return _link_response(request, order, fetch=True)\n\n        key ="
        " idempotency.IdempotencyKey(request, request.data)\n        return idempotency"
        ".run_once(key, action)\n\n\nclass CancelNexiLinkView",
        "tests/api/test_nexi_links.py",
    ),
    "a paid page is not watched": (
        FLOWS + "ledger/poll_schedule.py",
        "order.state == OrderState.FAILED or _may_come_twice(order):",
        "order.state == OrderState.FAILED:",
        SECOND,
    ),
    "a paid page has no late looks": (
        FLOWS + "ledger/poll_schedule.py",
        "    rests = order.state == OrderState.FAILED or _may_come_twice(order, followed)\n",
        "    rests = order.state == OrderState.FAILED\n",
        "tests/flows/ledger/test_poll_schedule.py",
    ),
    "the sandbox hour runs with a key that takes real money": (
        "nexi_payments/management/commands/nexi_sandbox_hour.py",
        "(_takes_real_money, (terminal, opener))",
        "(_takes_real_money, (terminal,))",
        HOUR,
    ),
    "the sandbox hour believes ENVIRONMENT": (
        "nexi_payments/management/commands/nexi_sandbox_hour.py",
        "terminal.is_live or terminal.host_environment == PRODUCTION",
        "terminal.is_live",
        HOUR,
    ),
    "the sandbox hour writes a card number": (
        "nexi_payments/management/sandbox_hour/notes.py",
        "        if json_contains_card_number(dict(facts)):\n",
        "        if False:\n",
        HOUR,
    ),
    "the sandbox hour takes values for names": (
        "nexi_payments/management/sandbox_hour/person.py",
        "            if _NAMES.fullmatch(answer):\n",
        "            if answer:\n",
        HOUR,
    ),
}
