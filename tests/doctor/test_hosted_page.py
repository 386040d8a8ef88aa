"""The doctor lists the methods of Nexi's hosted page, and what has changed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from nexi_payments import doctor
from nexi_payments.models.hosted_page import TerminalMethods
from nexi_payments.simulator import Reply, Simulator
from tests.support.hosted import with_hosted_terminals

pytestmark = pytest.mark.django_db(transaction=True)


def findings(terminal: str, **options: Any) -> list[tuple[str, str]]:
    return [
        (one.level, one.message)
        for one in doctor.diagnose(**options)
        if one.section == f"hosted page {terminal}"
    ]


@pytest.fixture(autouse=True)
def hosted_terminals(gateway: Simulator, settings: Any) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    gateway.payment_methods = ["GOOGLEPAY", "PAYPAL", "MYBANK"]


def test_what_each_terminal_offers() -> None:
    assert findings("methods") == [
        ("ok", "hosted page, opened by terminal methods; hosts: the simulator's"),
        ("ok", "terminal methods offers: GOOGLEPAY, PAYPAL, MYBANK"),
    ]
    assert findings("nexi_only")[1:] == [
        ("ok", "terminal nexi_only offers: CARDS, PAYPAL, MYBANK")
    ]
    assert findings("opener") == [
        ("ok", "hosted page, opened by terminal opener; hosts: the simulator's"),
        ("ok", "terminal two_keys offers: PAYPAL"),
    ]
    assert findings("default") == []


def test_what_changed_is_stored(gateway: Simulator) -> None:
    findings("methods")
    gateway.payment_methods = ["PAYPAL", "MYBANK", "BLIK"]
    assert findings("methods")[1:] == [
        ("ok", "new since the last list: BLIK"),
        ("ok", "gone since the last list: GOOGLEPAY"),
        ("ok", "terminal methods offers: PAYPAL, MYBANK, BLIK"),
    ]
    row = TerminalMethods.objects.get(terminal="methods")
    assert row.circuits == ["PAYPAL", "MYBANK", "BLIK"]
    assert findings("methods")[1:] == [
        ("ok", "terminal methods offers: PAYPAL, MYBANK, BLIK")
    ]


def test_what_is_missing_and_what_is_unknown(gateway: Simulator) -> None:
    gateway.payment_methods = ["PAYPAL", "NEWPAY"]
    unknown = "Nexi lists NEWPAY, which this version does not know: not offered"
    assert ("ok", unknown) in findings("methods")
    missing = "METHODS of nexi_only names MYBANK, which Nexi does not list: not offered"
    assert ("warning", missing) in findings("nexi_only")
    gateway.payment_methods = []
    assert ("warning", "terminal two_keys offers: nothing") in findings("opener")


def test_offline_the_last_list_counts() -> None:
    assert findings("methods", contact_gateways=False)[1:] == [
        ("ok", "Nexi has not listed its methods yet"),
        ("ok", "terminal methods offers: nothing"),
    ]
    assert not TerminalMethods.objects.exists()
    now = timezone.now()
    TerminalMethods.objects.create(
        terminal="methods", circuits=["PAYPAL"], refreshed_at=now, asked_at=now
    )
    assert findings("methods", contact_gateways=False)[1:] == [
        ("ok", "terminal methods offers: PAYPAL")
    ]


def test_without_an_answer_the_last_list_stands(gateway: Simulator) -> None:
    old = timezone.now() - timedelta(days=1)
    TerminalMethods.objects.create(
        terminal="methods", circuits=["PAYPAL"], refreshed_at=old, asked_at=old
    )
    for _ in range(20):
        gateway.next_reply("/payment_methods", Reply(500))
    found = [(one.level, one.message) for one in doctor.diagnose()]
    when = f"{old:%Y-%m-%d %H:%M}"
    assert ("warning", f"the list is of {when}: no answer now") in found
    assert ("ok", "terminal methods offers: PAYPAL") in found
    assert ("warning", "Nexi has not listed its methods yet") in found


def test_hosts_and_json(settings: Any, capsys: Any) -> None:
    hosts = ["pay.example", "pay2.example"]
    changed = with_hosted_terminals()
    changed["TERMINALS"]["methods"]["HOSTED_PAGE_HOSTS"] = hosts
    settings.NEXI_PAYMENTS = changed
    with pytest.raises(SystemExit):
        call_command("nexi_doctor", "--json")
    rows = json.loads(capsys.readouterr().out)["findings"]
    data = [one["data"] for one in rows if one["section"] == "hosted page methods"]
    assert data == [
        {"hosts": hosts},
        {"terminal": "methods", "offered": ["GOOGLEPAY", "PAYPAL", "MYBANK"]},
    ]


def test_a_terminal_that_is_missing_is_left_to_the_checks(settings: Any) -> None:
    changed = with_hosted_terminals()
    changed["TERMINALS"]["two_keys"]["HOSTED_TERMINAL"] = "gone"
    settings.NEXI_PAYMENTS = changed
    assert findings("gone") == []
    assert findings("opener") == []


def test_no_keys_where_no_card_is_taken(settings: Any) -> None:
    changed = with_hosted_terminals()
    terminals = {"default": changed["TERMINALS"]["nexi_only"]}
    settings.NEXI_PAYMENTS = changed | {"TERMINALS": terminals}
    said = [one.message for one in doctor.diagnose()]
    assert (
        "sealed card keys: not needed, cards are entered on Nexi's hosted page only"
        in said
    )
