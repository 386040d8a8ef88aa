"""Known defects of what an auditor asks for: the audit trail, exports, pages, keys."""

from __future__ import annotations

#: name → (file, what it says, what the defect says instead, the tests that must fail)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "a deleted user has no name in operations": (
        "nexi_payments/flows/ledger/operations.py",
        "        actor_name=actor.staff_name,\n",
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
