"""Known defects of what an auditor asks for: the audit trail, exports, pages, keys."""

from __future__ import annotations

#: name → (file, what it says, what the defect says instead, the tests that must fail)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "a deleted user has no name in operations": (
        "nexi_payments/flows/ledger/operations.py",
        "        actor_name=staff_name,\n",
        "",
        "tests/audit/test_trail.py",
    ),
    "a shopper is staff": (
        "nexi_payments/flows/ledger/transitions.py",
        'getattr(self.user, "is_staff", False)',
        "self.user is not None",
        "tests/audit/test_trail.py",
    ),
    "a refusal is rolled back": (
        "nexi_payments/admin/access_log.py",
        "    return db_transactions.non_atomic_requests(wrapper)\n",
        "    return wrapper\n",
        "tests/audit/test_trail.py",
    ),
    "an export is not recorded": (
        "nexi_payments/admin/orders.py",
        "        access_log.record(request, AccessKind.EXPORTED, note=request.GET.urlencode())\n",
        "",
        "tests/audit/test_trail.py",
    ),
    "an address with a card number is kept": (
        "nexi_payments/audit/inbox.py",
        "    return _WITHHELD if contains_card_number(text) else text",
        "    return text",
        "tests/audit/test_trail.py",
    ),
    "a formula after a semicolon": (
        "nexi_payments/admin/csv_export.py",
        "(?:^|[,;:|",
        "(?:^|[,",
        "tests/admin/test_csv_cells.py",
    ),
    "cells are not quoted": (
        "nexi_payments/admin/csv_export.py",
        "quoting=csv.QUOTE_ALL",
        "quoting=csv.QUOTE_MINIMAL",
        "tests/admin/test_csv_cells.py",
    ),
    "another host is a path": (
        "nexi_payments/text_input.py",
        "/(?![/\\\\])|",
        "/|",
        "tests/test_text_input.py",
    ),
    "a reference has a line break": (
        "nexi_payments/flows/orders/create.py",
        "    if has_control_characters(text):\n",
        "    if False:\n",
        "tests/test_text_input.py",
    ),
    "a text in one line becomes a card number": (
        "nexi_payments/text_input.py",
        '    return _CONTROL.sub(" ", text).strip()\n',
        '    return " ".join(text.split())\n',
        "tests/test_text_input.py",
    ),
    "real money with DEBUG": (
        "nexi_payments/conf/settings.py",
        "            _refuse_debug(settings)\n",
        "",
        "tests/conf/test_settings.py",
    ),
    "a trace has the token of a return": (
        "nexi_payments/apps.py",
        "        error_tracking.install()\n",
        "",
        "tests/card_extraction/test_error_reports.py",
    ),
    "the security code is removed unnoticed": (
        "nexi_payments/sealed_cards/sealing.py",
        "        binding.with_code,\n",
        "",
        "tests/sealed_cards/test_sealed_cards.py",
    ),
    "keys of a dead service serve for ever": (
        "nexi_payments/conf/card_keys.py",
        "    usable = now - known.at <= settings.sealed_card_ttl\n",
        "    usable = True\n",
        "tests/sealed_cards/test_key_rotation.py",
    ),
    "a report's address is logged whole": (
        "nexi_payments/web/csp_reports.py",
        '    return f"{address}:{port}" if port else address\n',
        "    return text\n",
        "tests/views/test_csp_reports.py",
    ),
    "reports are not limited": (
        "nexi_payments/views/csp_reports.py",
        '    if not csp_reports.LIMITER.admit(get_client_ip(request) or ""):\n',
        "    if False:\n",
        "tests/views/test_csp_reports.py",
    ),
    "a large report is read": (
        "nexi_payments/views/csp_reports.py",
        " or int(length[:9]) > csp_reports.MAX_BYTES",
        "",
        "tests/views/test_csp_reports.py",
    ),
    "a changed script is the release": (
        "nexi_payments/doctor/page_integrity.py",
        "    if _digest(body) != wanted:\n",
        "    if False:\n",
        "tests/doctor/test_page_integrity.py",
    ),
    "a script of another host is ours": (
        "nexi_payments/doctor/page_integrity.py",
        " and _origin(url) in _own_origins(page)",
        "",
        "tests/doctor/test_page_integrity.py",
    ),
    "any policy will do": (
        "nexi_payments/doctor/page_integrity.py",
        "    for name in min(differences, key=len):\n",
        "    for name in ():\n",
        "tests/doctor/test_page_integrity.py",
    ),
    "the card page does not say where to report": (
        "nexi_payments/web/responses.py",
        '        policy += f"; report-uri {endpoint}"\n',
        "        pass\n",
        "tests/views/test_payment.py",
    ),
    "an entry does not name the one before it": (
        "nexi_payments/audit/chain.py",
        "        previous = entry.hash\n",
        "",
        "tests/audit/test_chain.py",
    ),
    "two reconcilers fork the chain": (
        "nexi_payments/audit/chain.py",
        "        except IntegrityError:\n            break",
        "        except ZeroDivisionError:\n            break",
        "tests/audit/test_chain.py",
    ),
    "an erased entry is never too early": (
        "nexi_payments/audit/verification.py",
        "    elif erasable is None or entry.at >= erasable:\n",
        "    elif False:\n",
        "tests/audit/test_chain.py",
    ),
    "a changed source is not seen": (
        "nexi_payments/audit/verification.py",
        "    if not same or _was_rewritten(entry, draft, erasable):\n",
        "    if False:\n",
        "tests/audit/test_chain.py",
    ),
    "the end may be cut off": (
        "nexi_payments/audit/verification.py",
        "    for number in sorted(anchors):\n",
        "    for number in ():\n",
        "tests/audit/test_chain.py",
    ),
    "RETENTION erases staff": (
        "nexi_payments/retention/erasure.py",
        "    Event.objects.filter(of_orders, NO_STAFF).update(",
        "    Event.objects.filter(of_orders).update(",
        "tests/audit/test_chain.py",
    ),
    "a customer's address stays with staff": (
        "nexi_payments/retention/erasure.py",
        '    Event.objects.filter(of_orders, kind__in=WITH_CUSTOMER_ADDRESS).update(note="")\n',
        "",
        "tests/audit/test_chain.py",
    ),
    "staff's rows are erased before they are in the trail": (
        "nexi_payments/retention/erasure.py",
        "            rows = rows.filter(audit_due=None)\n",
        "            pass\n",
        "tests/audit/test_chain.py",
    ),
    "payments are archived before they are in the trail": (
        "nexi_payments/retention/archive.py",
        "Q(deliver_at__isnull=False) | AUDIT_DUE",
        "Q(deliver_at__isnull=False)",
        "tests/audit/test_chain.py",
    ),
}
