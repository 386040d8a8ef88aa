"""nexi_doctor --scan finds card numbers where none may be."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from nexi_payments.models import PaymentOrder
from tests.doctor.test_doctor import a_shop_that_runs, ask  # noqa: F401
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


PAN = CARDS["challenge"].number


def test_a_scan_that_finds_nothing(shopper: Shopper, capsys: Any) -> None:
    shopper.pay(new_order(description="ring 333 444 555 666"))
    code, said = ask(capsys, "--offline", "--scan")
    assert code == 0
    assert re.search(r"scanned [1-9]\d+ texts of nexi_payments: no card numbers", said)


@pytest.mark.parametrize(
    "text", [PAN, f"card {PAN[:4]} {PAN[4:8]}-{PAN[8:12]}.{PAN[12:]} ok", f"x{PAN}"]
)
def test_a_scan_that_finds_one(order: PaymentOrder, capsys: Any, text: str) -> None:
    PaymentOrder.objects.filter(pk=order.pk).update(customer_name=text)
    code, said = ask(capsys, "--offline", "--scan")
    assert code == 1
    where = f"nexi_payments_paymentorder.customer_name, row {order.pk}"
    assert f"card number ••••{PAN[-4:]} in {where}\n" in said
    assert "nexi_payments: 1 card numbers" in said
    assert PAN[:12] not in said
    assert PAN not in ask(capsys, "--json", "--offline", "--scan")[1]
    assert ask(capsys, "--offline")[0] == 0  # only when asked to


def test_other_apps_are_scanned_when_they_are_named(capsys: Any) -> None:
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.create_user("ann", first_name=PAN)
    assert ask(capsys, "--offline", "--scan")[0] == 0
    code, said = ask(capsys, "--offline", "--scan", "auth", "contenttypes")
    assert code == 1
    assert f"auth_user.first_name, row {user.pk}\n" in said
    with pytest.raises(CommandError, match="No installed app with label 'shops'") as no:
        call_command("nexi_doctor", "--offline", "--scan", "shops")
    assert no.value.returncode == 2


@pytest.mark.parametrize(
    "made",
    [
        "6011" + "0" * 13 + "4",  # 18 digits: an operation at Nexi
        ("4548" + "8100" + "0000" + "0003").ljust(31, "1") + "a",  # a digest
        "-".join(("45488100", "0000", "0003", "8000", "45488100000a")),
    ],
)
def test_ids_are_no_card_numbers(order: PaymentOrder, capsys: Any, made: str) -> None:
    PaymentOrder.objects.filter(pk=order.pk).update(description=f"id {made} it")
    assert ask(capsys, "--offline", "--scan")[0] == 0
