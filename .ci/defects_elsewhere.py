"""Known defects outside ``nexi_payments.flows``."""

from __future__ import annotations

#: name → (file, what it says, what the defect says instead, the tests that must fail)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "a cancel is sent again": (
        "nexi_payments/enums/operations.py",
        "    {OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND}\n",
        "    {OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND,"
        " OperationKind.CANCEL}\n",
        "tests/flows/test_capture_cancel.py",
    ),
    "a code that forbids it is tried again": (
        "nexi_payments/gateway/result_codes.py",
        "    return code in _SOFT_DECLINE_CODES",
        "    return bool(code)",
        "tests/flows/test_recurring.py tests/flows/test_recurring_workers.py",
    ),
    "a delivery fails after its lease": (
        "nexi_payments/outbox.py",
        "filter(pk=event.pk, deliver_at=event.deliver_at).update(\n",
        "filter(pk=event.pk).update(\n",
        "tests/outbox",
    ),
    "an event that waits for its next attempt is not counted": (
        "nexi_payments/metrics.py",
        "        deliver_at__isnull=False, created_at__lt",
        "        deliver_at__lt",
        "tests/observability/test_metrics.py",
    ),
    "a person waits for all signals, not for one payment's": (
        "nexi_payments/delivery_workers.py",
        "    workers = DeliveryWorkers(event.order_id)\n",
        "    workers = DeliveryWorkers()\n",
        "tests/outbox/test_deliveries.py",
    ),
    "an event overtakes an undelivered one": (
        "nexi_payments/outbox.py",
        "        ~Exists(_older_undelivered()),\n",
        "",
        "tests/outbox tests/test_outbox.py",
    ),
    "amount not compared": (
        "nexi_payments/gateway/response_checks.py",
        "    different = answer.amount is not None and answer.amount != purchase.amount\n",
        "    different = False\n",
        "tests/system/test_hostile_gateway.py tests/system/test_fault_matrix.py",
    ),
    "978 refused": (
        "nexi_payments/money.py",
        "        return _BY_NUMBER.get(int(code), code)\n",
        "        return code\n",
        "tests/test_money.py tests/flows/test_three_ds.py",
    ),
    "views inside a transaction": (
        "nexi_payments/views/card_page.py",
        "@db_transactions.non_atomic_requests\n",
        "",
        "tests/views/test_host_settings.py",
    ),
    "card number in the session": (
        "nexi_payments/views/card_page.py",
        "    return _start_payment(request, order, form, form.card)\n",
        "    request.session['card'] = form.card.reveal()[0]\n"
        "    return _start_payment(request, order, form, form.card)\n",
        "tests/system/test_canary.py",
    ),
    "anybody at the desk": (
        "nexi_payments/admin/phone_orders.py",
        "        permissions.require_any(request, permissions.TAKE_MOTO)\n",
        "",
        "tests/system/test_permissions.py::test_all_permissions_but_one",
    ),
    "stolen is told": (
        "nexi_payments/gateway/result_codes.py",
        '    if code in {"115", "116",',
        '    if code in {"208", "115", "116",',
        "tests/admin/test_phone_orders.py tests/admin/test_phone_order_results.py",
    ),
    "a deadlock is the end": (
        "nexi_payments/models/deadlocks.py",
        "_MAX_ATTEMPTS: Final = 5",
        "_MAX_ATTEMPTS: Final = 1",
        "tests/models/test_db_transactions.py",
    ),
    "a deadlock of a lone update is the end": (
        "nexi_payments/models/deadlocks.py",
        "repeat(functools.partial(super().update, **values), self._to)",
        "super().update(**values)",
        "tests/models/test_deadlocks.py",
    ),
    "transactions of another database": (
        "nexi_payments/models/db_transactions.py",
        "    return str(router.db_for_write(PaymentOrder))\n",
        '    return "default"\n',
        "tests/hosts/test_other_projects.py",
    ),
    "a link lives for ever": (
        "nexi_payments/models/order.py",
        "        return self.pay_until is not None and self.pay_until <= timezone.now()\n",
        "        return False\n",
        "tests/flows/test_payment_link.py",
    ),
    "a sleeper sends after its deadline": (
        "nexi_payments/gateway/deadline.py",
        " or time.monotonic() >= self.at",
        "",
        "tests/gateway/test_deadline.py",
    ),
    "an event is delivered after its lease": (
        "nexi_payments/outbox.py",
        "    if event.deliver_at is None or event.deliver_at <= timezone.now():\n",
        "    if event.deliver_at is None:\n",
        "tests/outbox/test_deliveries.py",
    ),
    "without CURRENCIES every currency": (
        "nexi_payments/conf/terminals.py",
        "        currencies=currencies or DEFAULT_CURRENCIES,\n",
        "        currencies=currencies or tuple(validators.money.CURRENCIES),\n",
        "tests/flows/orders/test_create.py",
    ),
    "each process has a simulator of its own": (
        "nexi_payments/conf/simulator_file.py",
        "    return path if path and is_writable(path) else MEMORY\n",
        "    return MEMORY\n",
        "tests/system/test_simulator_processes.py tests/conf/test_simulator_file.py",
    ),
    "the simulated issuer is on a host that is not allowed": (
        "nexi_payments/checks/simulator.py",
        "    if issuer == shop:\n",
        "    if issuer != shop:\n",
        "tests/checks/test_checks.py",
    ),
    "the recipe counts another currency": (
        "docs/integrations.md",
        "            reference=bought.number, currency=bought.currency\n",
        "            reference=bought.number\n",
        "tests/docs/test_recipe.py",
    ),
    "the recipe ships what is left after refunds": (
        "docs/integrations.md",
        "self.captured >= self.total and",
        "self.captured - self.refunded >= self.total and",
        "tests/docs/test_recipe.py",
    ),
    "the recipe counts what is under review": (
        "docs/integrations.md",
        '        ).exclude(state="review")\n',
        "        )\n",
        "tests/docs/test_recipe.py",
    ),
    "the recipe cancels an order and leaves its card page open": (
        "docs/integrations.md",
        "            flows.cancel(payments[0], reason)\n",
        "            pass\n",
        "tests/docs/test_recipe.py",
    ),
    "the recipe refunds a cancelled order each time it is cancelled": (
        "docs/integrations.md",
        "    if bought.cancelled:\n        return\n",
        "",
        "tests/docs/test_recipe.py",
    ),
    "the hook of the page vetoes recurring charges": (
        "docs/hooks.md",
        '    if payment.channel == "mit":  # a',
        '    if payment.channel == "":  # a',
        "tests/docs/test_snippets.py",
    ),
    "a refund lowers what came in": (
        "nexi_payments/models/order.py",
        "money.to_major(self.captured_amount, self.currency)",
        "money.to_major(self.captured_amount - self.refunded_amount, self.currency)",
        "tests/models/test_order.py",
    ),
    "the link to the shop's object needs no permission": (
        "nexi_payments/admin/content_objects.py",
        " or not page.has_view_permission(request, paid_for)",
        "",
        "tests/admin/test_content_objects.py",
    ),
    "a test pays without consent": (
        "nexi_payments/testing/card_page.py",
        """{"agree": "on"} if""",
        "{} if",
        "tests/testing/test_pytest_plugin.py",
    ),
    "a hosted page by http": (
        "nexi_payments/gateway/hosted_responses.py",
        '    return parts.scheme == "https" or parts[:2] == own[:2]\n',
        "    return True\n",
        "tests/gateway/test_hosted_page.py",
    ),
    "the security token shows": (
        "nexi_payments/gateway/hosted_responses.py",
        "    security_token: str = field(repr=False)\n    warnings",
        "    security_token: str\n    warnings",
        "tests/gateway/test_hosted_page.py",
    ),
    "another payment link is taken": (
        "nexi_payments/gateway/hosted_calls.py",
        "    if link_id and link.link_id != link_id:\n",
        "    if False:\n",
        "tests/gateway/test_payment_links.py",
    ),
    "the proof of another payment is taken": (
        "nexi_payments/views/return_proofs.py",
        "    return constant_time_compare(token_hash, order.token_hash)\n",
        "    return True\n",
        "tests/checks/test_way_back.py",
    ),
    "a proof lets the visitor pay": (
        "nexi_payments/views/payment.py",
        "    if may_pay_again(order) and not proof:\n",
        "    if may_pay_again(order):\n",
        "tests/checks/test_way_back.py",
    ),
    "a receiver of the host rolls an outcome back": (
        "nexi_payments/models/raw_sql.py",
        '    except Exception as error:\n        log.error("a receiver of',
        "    except ZeroDivisionError:\n        raise\n    except Exception as error:\n"
        '        log.error("a receiver of',
        "tests/hosts/test_parts_of_the_host.py",
    ),
    "the return follows the host of the request": (
        "nexi_payments/page_paths.py",
        "    return _path(name, args, (urlconf(), get_urlconf()))\n",
        "    return _path(name, args, (get_urlconf(), urlconf()))\n",
        "tests/hosts/test_urlconfs.py",
    ),
    "a day is the reader's": (
        "nexi_payments/shop_time.py",
        "    return timezone.get_default_timezone()\n",
        "    return timezone.get_current_timezone()\n",
        "tests/test_shop_time.py",
    ),
    "markup goes to Nexi": (
        "nexi_payments/gateway/payloads.py",
        '    return " ".join(_SCRIPT.sub(" ", printable).split())[:255].rstrip()\n',
        "    return printable[:255]\n",
        "tests/gateway/test_plain_texts.py",
    ),
}
