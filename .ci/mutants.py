"""Puts known defects into a copy of the code, one at a time: the tests must notice each.

    python .ci/mutants.py [NAME …]

The table is the list of ways in which payment software has gone wrong before.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOWS = "nexi_payments/flows/"
#: Defects that are tried side by side, each in a copy of its own.
AT_ONCE = 2

#: name → (file, what it says, what the defect says instead, the tests that must fail)
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "a cancel is sent again": (
        "nexi_payments/states.py",
        "REPEATABLE: Final = frozenset({CAPTURE, VOID, REFUND})",
        "REPEATABLE: Final = frozenset({CAPTURE, VOID, REFUND, CANCEL})",
        "tests/test_cancelling.py",
    ),
    "a code that forbids it is tried again": (
        "nexi_payments/gateway/codes.py",
        "    return code in _MENDED_BY_TIME",
        "    return bool(code)",
        "tests/test_due.py tests/test_due_workers.py",
    ),
    "a due charge without its fence": (
        FLOWS + "due.py",
        "        return bool(mine.update(claims=contract.claims))",
        "        return bool(mine.update(claims=contract.claims)) or True",
        "tests/test_due.py tests/test_due_workers.py",
    ),
    "a form asks the bank twice": (
        FLOWS + "verifying.py",
        "    order_id = _order_id(nonce or secrets.token_hex(16))",
        "    order_id = _order_id(secrets.token_hex(16))",
        "tests/test_verifying.py tests/test_check_pages.py",
    ),
    "our key is the card's fault": (
        FLOWS + "verifying.py",
        "        about_us = error.status in _NOT_ABOUT_THE_CARD",
        "        about_us = False",
        "tests/test_verifying.py",
    ),
    "stolen cards are tried out all at once": (
        FLOWS + "verifying.py",
        "        outcome__in=(states.DECLINED, *states.UNSETTLED),",
        "        outcome=states.DECLINED,",
        "tests/test_verifying.py",
    ),
    "kept without a tick": (
        FLOWS + "checkout.py",
        "    if agreements.wanted(order) is not None and not agreed.strip():",
        "    if False:",
        "tests/test_contracts.py",
    ),
    "check then save": (
        FLOWS + "moves.py",
        "if statements.update(PaymentOrder, where, changes):",
        "if order.state == candidate and (PaymentOrder.objects.filter(pk=order.pk)"
        ".update(**changes)):",
        "tests/test_ledger.py tests/test_races.py tests/test_returns.py"
        " tests/test_orders.py tests/test_states.py",
    ),
    "no unique live order": (
        FLOWS + "orders.py",
        "    order.live_reference = order.live_key\n",
        "    order.live_reference = order.order_id\n",
        "tests/test_orders.py tests/test_races.py",
    ),
    "outcome saved only after the call": (
        FLOWS + "moto.py",
        "        states.PAYING,\n",
        "        None,\n",
        "tests/test_moto.py",
    ),
    "a charge is sent twice": (
        FLOWS + "moto.py",
        "        return client.moto(\n            purchase,",
        "        client.moto(purchase, card, IMPLICIT, conf.trace(deadline))\n"
        "        return client.moto(\n            purchase,",
        "tests/test_moto.py",
    ),
    "time-out means failed": (
        FLOWS + "verdicts.py",
        "    return Settlement(states.IN_DOUBT, operation=_facts(error))\n\n\n"
        "# -- captures",
        "    return Settlement(states.DECLINED, states.FAILED, Reason.UNCONFIRMED,"
        " operation=_facts(error))\n\n\n# -- captures",
        "tests/test_matrix.py tests/test_moto.py",
    ),
    "given up after one look": (
        FLOWS + "schedule.py",
        "ENOUGH_LOOKS = 3",
        "ENOUGH_LOOKS = 1",
        "tests/test_reconcile.py tests/test_moto.py tests/test_confirmations.py",
    ),
    "given up before its time": (
        FLOWS + "consequences.py",
        "    patient = settled is not None and now >= settled\n",
        "    patient = True\n",
        "tests/test_reconcile.py tests/test_moto.py",
    ),
    "amount not compared": (
        "nexi_payments/gateway/checking.py",
        "    different = answer.amount is not None and answer.amount != purchase.amount\n",
        "    different = False\n",
        "tests/test_hostile.py tests/test_matrix.py",
    ),
    "978 refused": (
        "nexi_payments/money.py",
        "        return _BY_NUMBER.get(int(word), word)\n",
        "        return word\n",
        "tests/test_money.py tests/test_checkout.py",
    ),
    "paid on return": (
        FLOWS + "comeback.py",
        "        if not pares:\n            attempt.give_up()\n        elif",
        "        if",
        "tests/test_returns.py tests/test_checkout.py tests/test_odd_returns.py",
    ),
    "views inside a transaction": (
        "nexi_payments/views/payment.py",
        "@database.non_atomic_requests\n",
        "",
        "tests/test_host.py",
    ),
    "card number in the session": (
        "nexi_payments/views/payment.py",
        "    form = forms.read_card(request, form_of)\n",
        "    request.session['card'] = request.POST.get('card_number')\n"
        "    form = forms.read_card(request, form_of)\n",
        "tests/test_canary.py",
    ),
    "a late answer overwrites": (
        FLOWS + "ledger.py",
        '    where = {"pk": operation.pk, "open_slot": statements.SOMETHING}\n',
        '    where = {"pk": operation.pk}\n',
        "tests/test_ledger.py tests/test_races.py",
    ),
    "a refund is not reserved": (
        FLOWS + "tally.py",
        '        "refunding_amount": total(states.RESERVING, *states.BACKWARDS),\n',
        '        "refunding_amount": 0,\n',
        "tests/test_postauth.py tests/test_confirmations.py tests/test_postauth_races.py",
    ),
    "a refund is repeated with another key": (
        FLOWS + "confirmations.py",
        "row.idempotency_key)",
        "row.correlation_id)",
        "tests/test_postauth.py tests/test_confirmations.py",
    ),
    "accepted means done": (
        FLOWS + "verdicts.py",
        "        states.ACCEPTED,\n",
        "        states.DONE,\n",
        "tests/test_postauth.py tests/test_confirmations.py",
    ),
    "anybody at the desk": (
        "nexi_payments/admin/desk.py",
        "        access.require(request, access.MOTO)\n",
        "",
        "tests/test_permissions.py::test_all_permissions_but_one",
    ),
    "a stale refund form is taken": (
        FLOWS + "postauth.py",
        "    if seen is not None and seen != money.to_major(left, order.currency):\n",
        "    if False:\n",
        "tests/test_postauth.py tests/test_aftercare.py",
    ),
    "stolen is told": (
        "nexi_payments/gateway/codes.py",
        '    if code in {"115", "116",',
        '    if code in {"208", "115", "116",',
        "tests/test_desk.py tests/test_desk_endings.py",
    ),
    "the watch ends without an answer": (
        FLOWS + "schedule.py",
        "(end is None or (good and now >= end))",
        "(end is None or now >= end)",
        "tests/test_late_money.py",
    ),
    "a deadlock is the end": (
        "nexi_payments/models/database.py",
        "_TRIES: Final = 5",
        "_TRIES: Final = 1",
        "tests/test_database.py",
    ),
    "transactions of another database": (
        "nexi_payments/models/database.py",
        "    return str(router.db_for_write(PaymentOrder))\n",
        '    return "default"\n',
        "tests/test_other_hosts.py",
    ),
    "a refused repetition ends it": (
        FLOWS + "confirmations.py",
        "if verdicts.was_refused(row) and row.sends == 1:",
        "if verdicts.was_refused(row):",
        "tests/test_confirmations.py",
    ),
    "a review is not looked at": (
        FLOWS + "schedule.py",
        "if soon.state in (states.AUTHORIZED, states.REVIEW):",
        "if soon.state == states.AUTHORIZED:",
        "tests/test_late_money.py",
    ),
    "a link lives for ever": (
        "nexi_payments/models/order.py",
        "        return self.pay_until is not None and self.pay_until <= timezone.now()\n",
        "        return False\n",
        "tests/test_link.py",
    ),
    "a due charge has a reference of its own": (
        FLOWS + "attempts.py",
        '    return f"{contract.contract_id}/{contract.period}"\n',
        '    return f"{contract.contract_id}/{contract.period}/{contract.claims}"\n',
        "tests/test_due.py tests/test_due_workers.py",
    ),
    "a forbidden decline is tried again": (
        FLOWS + "attempts.py",
        "        return codes.may_be_charged_later(order.response_code)\n",
        "        return True\n",
        "tests/test_due.py tests/test_due_workers.py",
    ),
    "a declined card is charged again unasked": (
        FLOWS + "due.py",
        "    return seen.good and nothing and attempt.state == states.FAILED\n",
        "    return True\n",
        "tests/test_due.py tests/test_due_workers.py",
    ),
    "a repeated key charges a declined card again": (
        FLOWS + "contracts.py",
        "    order = orders.twin(order) or _insert(order, fence)\n",
        "    order = _insert(order, fence)\n",
        "tests/api/test_contracts.py",
    ),
    "a cancel is sent twice": (
        FLOWS + "confirmations.py",
        "        row.kind in states.REPEATABLE\n        and ",
        "        ",
        "tests/test_cancelling.py",
    ),
    "kept without consent": (
        FLOWS + "checkout.py",
        "raise ConsentNeeded(order)",
        "pass",
        "tests/test_contracts.py",
    ),
}


def survives(name: str, folder: Path) -> bool:
    """Whether the tests pass with the defect in."""
    path, says, instead, tests = MUTANTS[name]
    original = (ROOT / path).read_text()
    if says not in original:
        sys.exit(f"{name}: {path} does not say that any more")
    (folder / path).write_text(original.replace(says, instead))
    passed = passes(tests, folder)
    (folder / path).write_text(original)
    return passed


def passes(tests: str, folder: Path, *options: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options, *sorted(set(tests.split()))],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "SQLITE_TEST_FILE"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"the tests did not run\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def copied(folder: Path) -> Path:
    shutil.copytree(
        ROOT,
        folder,
        ignore=shutil.ignore_patterns(".venv*", ".git", "*.sqlite3*", ".*_cache"),
    )
    return folder


def main() -> None:
    chosen = sys.argv[1:] or list(MUTANTS)
    alive = []
    with tempfile.TemporaryDirectory() as where:
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for place in range(AT_ONCE):
            free.put(copied(Path(where) / f"copy-{place}"))

        def tried(name: str) -> tuple[str, bool, float]:
            folder = free.get()
            started = time.monotonic()
            try:
                return name, survives(name, folder), time.monotonic() - started
            finally:
                free.put(folder)

        everything = " ".join(MUTANTS[name][3] for name in chosen)
        folder = free.get()
        if not passes(everything, folder, "-n", str(AT_ONCE)):
            sys.exit("the tests fail without any defect")
        free.put(folder)
        with ThreadPoolExecutor(AT_ONCE) as several:
            for name, survived, seconds in several.map(tried, chosen):
                alive += [name] * survived
                word = "SURVIVED" if survived else "noticed"
                print(f"{word:9} {seconds:5.1f} s  {name}", flush=True)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} defects noticed")
    sys.exit(bool(alive))


if __name__ == "__main__":
    main()
