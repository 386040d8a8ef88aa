"""Nexi refuses texts that look like script (PS0041): they are cleaned, and the
simulator refuses what is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexi_payments.enums import OrderState
from nexi_payments.gateway import payloads
from nexi_payments.models import Operation
from nexi_payments.simulator import Simulator
from nexi_payments.simulator.schema_validator import RequestRejected, _reject_script
from tests.support.clerk import Clerk
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.seen_on("sqlite")

MARKUP = [
    ("<b>Three cups</b>", "b Three cups /b"),
    ("1 < 2 > 0", "1 2 0"),
    ("javascript:alert(1)", "alert(1)"),
    ("JavaScript:JAVASCRIPT:x", "x"),
    ("two\nlines\ttabs\x00", "two lines tabs"),
    ('Tom & Jerry\'s "cups" – 3 × 2 €', 'Tom & Jerry\'s "cups" – 3 × 2 €'),
    ("<>", ""),
    ("x" * 300, "x" * 255),
]


@pytest.mark.parametrize(("given", "sent"), MARKUP)
def test_what_is_sent(given: str, sent: str) -> None:
    assert payloads.plain_text(given) == sent


@given(st.text(st.sampled_from("<>javscript: \n"), max_size=40))
def test_nothing_that_looks_like_script_is_left(text: str) -> None:
    cleaned = payloads.plain_text(text)
    _reject_script(cleaned)
    assert payloads.plain_text(cleaned) == cleaned


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_payment_with_markup_in_every_text(
    shopper: Shopper,
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    terminal: str,
) -> None:
    sent: list[bytes] = []
    handle = gateway.handle
    monkeypatch.setattr(
        gateway, "handle", lambda *args: sent.append(args[3]) or handle(*args)
    )
    order = new_order(
        terminal=terminal,
        reference="<R-1>",
        description="<b>Cups</b>",
        customer={"name": "<i>Giulia</i>", "email": "giulia@example.com"},
    )
    form = shopper.start(order, cardholder_name="Giulia <Bianchi>")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert order.description == "<b>Cups</b>"  # what the shop said is kept
    assert b'"description": "b Cups /b"' in sent[0].replace(b'":"', b'": "')
    assert b"<" not in b"".join(sent)


@pytest.mark.django_db(transaction=True)
def test_a_phone_order_with_markup(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", "view_paymentorder")
    order = clerk.take_phone_order(
        "frictionless", description="<script>", customer_name="A <b>"
    )
    assert order.state == OrderState.PAID


@pytest.mark.django_db(transaction=True)
def test_a_name_of_signs_alone(shopper: Shopper, gateway: Simulator) -> None:
    """Nexi wants the name of a phone order; nothing would be left of this one."""
    order = new_order()
    answer = shopper.submit_card(order, cardholder_name="<>")
    assert "Enter the name on the card." in answer.content.decode()
    assert gateway.calls == ()
    assert not Operation.objects.exists()


def test_the_simulator_refuses_it() -> None:
    def body(**members: Any) -> dict[str, Any]:
        return {"order": {"customerInfo": {"cardHolderName": "A", **members}}}

    _reject_script(body())
    for text in ("<b", "a>", "JAVASCRIPT:x"):
        with pytest.raises(RequestRejected) as refusal:
            _reject_script([body(city=text)])
        assert refusal.value.code == "PS0041"
        assert text not in str(refusal.value)
