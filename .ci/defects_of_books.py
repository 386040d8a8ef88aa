"""Known defects of closed days and of the communication log."""

from __future__ import annotations

CLOSING = "nexi_payments/flows/closing/"
TESTS = "tests/flows/closing/test_closing.py"
#: name → (file, what it says, what the defect says instead, the tests that must fail)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "a day is closed before it is over": (
        CLOSING + "days.py",
        "        return timezone.now() >= self.closable_from\n",
        "        return True\n",
        f"tests/flows/closing/test_days.py {TESTS}",
    ),
    "the day is that of who looks": (
        CLOSING + "days.py",
        "    return timezone.get_default_timezone_name()\n",
        "    return timezone.get_current_timezone_name()\n",
        "tests/flows/closing/test_days.py",
    ),
    "a closed day is closed again by mistake": (
        CLOSING + "close.py",
        "    if not again:\n",
        "    if False:\n",
        TESTS,
    ),
    "a list that is cut counts as complete": (
        CLOSING + "comparison.py",
        "            if page.is_cut:\n",
        "            if False:\n",
        TESTS,
    ),
    "another amount agrees": (
        CLOSING + "comparing.py",
        "        if _amounts_differ(entry, row):\n",
        "        if False:\n",
        "tests/flows/closing/test_comparing.py tests/flows/closing/test_large_day.py",
    ),
    "a captured charge agrees with an authorized one": (
        CLOSING + "comparing.py",
        "        return status in _EXECUTED and not _captured_by_one(entry, row)\n",
        "        return status in _EXECUTED\n",
        "tests/flows/closing/test_comparing.py",
    ),
    "what Nexi lacks is not missed": (
        CLOSING + "comparison.py",
        "            if row.key not in self.seen:\n",
        "            if False:\n",
        TESTS,
    ),
    "an error of one question closes the day": (
        CLOSING + "comparison.py",
        "            if error.status != 404:\n                raise\n",
        "            pass\n",
        TESTS,
    ),
    "the communication log keeps what it does not know": (
        "nexi_payments/gateway/communication.py",
        "        return value if name in _KEPT and self._is_harmless(name, value) else MASK",
        "        return value",
        "tests/gateway/test_communication.py tests/flows/ledger/test_communication.py",
    ),
    "the communication log shows the code": (
        "nexi_payments/gateway/communication.py",
        "        if not _VALUE.fullmatch(text) or self._shows_secret(text):\n",
        "        if not _VALUE.fullmatch(text):\n",
        "tests/gateway/test_communication.py",
    ),
    "everybody sees the communication": (
        "nexi_payments/admin/communication.py",
        "    if not permissions.has_any(request, permissions.VIEW_COMMUNICATION):\n",
        "    if False:\n",
        "tests/admin/test_communication.py",
    ),
}
