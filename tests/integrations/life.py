"""A payment's whole life in a shop that is not ours, over its own pages.

Each shop has a suite with a class of this (``manage.py test``, without pytest, as that
shop would run it), which says how one buys, returns and cancels there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings
from django.urls import reverse

from nexi_payments import flows
from nexi_payments.models import Contract, PaymentOrder, QueuedRefund
from nexi_payments.testing import NexiTestMixin
from nexi_payments.testing.forms import hidden_fields

PAYMENTS = "/admin/nexi_payments/paymentorder/"
DESK = f"{PAYMENTS}moto/"
Sums = tuple[Decimal, Decimal, str]


def shop_settings(**changes: Any) -> Any:
    return override_settings(NEXI_PAYMENTS={**settings.NEXI_PAYMENTS, **changes})


class Life(NexiTestMixin):
    """For a ``TransactionTestCase``. An order of the shop is 25.00 EUR."""

    client: Client
    #: logged in as a superuser; an error is a 500, as in production
    boss: Client

    def buy(self, *, monthly: bool = False) -> tuple[Any, PaymentOrder]:
        """The shop's checkout: its order, and the payment that it leads to."""
        raise NotImplementedError

    def pay_again(self, bought: Any) -> PaymentOrder:
        """The button of the shop's own page for an unpaid order."""
        raise NotImplementedError

    def shows(self, bought: Any) -> Sums:
        """What came in, what went back, and the status, as the shop has them."""
        raise NotImplementedError

    def give_back(self, bought: Any, amount: str, parcel: str, **more: str) -> int:
        """The shop's view that refunds; its status code."""
        raise NotImplementedError

    def cancel(self, bought: Any) -> None:
        """The shop's view that cancels an order, or ends a subscription."""
        raise NotImplementedError

    def reprice(self, bought: Any, total: str) -> None:
        raise NotImplementedError

    def renewals(self, bought: Any) -> list[tuple[str, Decimal]]:
        raise NotImplementedError

    def number(self, bought: Any) -> str:
        raise NotImplementedError

    # -- what every shop does --------------------------------------------------------

    def money(self) -> list[tuple[int, int]]:
        """Captured and refunded at Nexi, in cents, of each charge."""
        return [(one.captured, one.refunded) for one in self.nexi.charges]

    def see(self, bought: Any, captured: str, refunded: str, status: str) -> None:
        expected = (Decimal(captured), Decimal(refunded), status)
        self.assertEqual(self.shows(bought), expected)

    def check(self, payment: PaymentOrder, state: str, reason: str = "") -> None:
        payment.refresh_from_db()
        self.assertEqual((payment.state, payment.reason), (state, reason))

    def test_paid(self) -> None:
        bought, payment = self.buy()
        self.see(bought, "0", "0", "open")
        payment = self.nexi.pay(payment)
        self.check(payment, "paid")
        self.assertEqual(payment.content_object, bought)
        self.assertEqual(self.money(), [(2500, 0)])
        self.see(bought, "25.00", "0", "paid")
        back = self.client.get(self.nexi.page["Location"])
        self.assertEqual(back.status_code, 200)
        self.nexi.assert_no_card_data()

    def test_declined_then_paid_with_a_second_card(self) -> None:
        bought, payment = self.buy()
        self.nexi.pay(payment, "declined")
        self.check(payment, "failed", "declined")
        self.see(bought, "0", "0", "failed")
        second = self.nexi.pay(payment)
        self.assertNotEqual(second, payment)
        self.check(second, "paid")
        self.assertEqual(second.content_object, bought)
        self.see(bought, "25.00", "0", "paid")
        self.assertEqual(self.money(), [(2500, 0)])

    def test_declined_left_and_paid_from_the_shop(self) -> None:
        bought, payment = self.buy()
        self.nexi.pay(payment, "declined")
        second = self.pay_again(bought)
        self.assertNotEqual(second, payment)
        self.nexi.pay(second)
        self.see(bought, "25.00", "0", "paid")
        self.assertEqual(self.money(), [(2500, 0)])

    def test_superseded_is_no_failure(self) -> None:
        bought, payment = self.buy()
        self.nexi.start(payment)
        self.nexi.start(payment, "frictionless")  # in another tab, while that is open
        second = PaymentOrder.objects.latest("pk")
        self.check(payment, "failed", "superseded")
        self.assertEqual(payment.events.get(kind="superseded").successor, second)
        self.see(bought, "0", "0", "open")
        self.nexi.complete_3ds(order=second)
        self.check(second, "paid")
        self.see(bought, "25.00", "0", "paid")
        self.assertEqual(self.money(), [(2500, 0)])

    def test_the_answer_was_lost(self) -> None:
        bought, payment = self.buy()
        self.nexi.start(payment)
        self.nexi.lose_next_answer()
        self.nexi.fail_next_call("inquiry")
        self.nexi.fail_next_call("inquiry")
        self.nexi.complete_3ds()
        self.check(payment, "paying")
        self.see(bought, "0", "0", "open")
        self.assertEqual(self.pay_again(bought), payment)  # not a second one
        self.nexi.advance(minutes=5)
        self.check(payment, "paid")
        self.see(bought, "25.00", "0", "paid")
        self.assertEqual(self.money(), [(2500, 0)])

    def test_a_part_is_refunded_by_the_shop(self) -> None:
        bought, payment = self.buy()
        payment = self.nexi.pay(payment)
        self.assertEqual(self.give_back(bought, "5.00", "1"), 204)
        self.assertEqual(self.money(), [(2500, 500)])
        self.see(bought, "25.00", "5.00", "paid")
        self.assertEqual(self.give_back(bought, "5.00", "1"), 204)  # pressed twice
        self.assertEqual(self.money(), [(2500, 500)])
        self.assertEqual(QueuedRefund.objects.count(), 1)
        self.assertEqual(self.give_back(bought, "20.00", "2"), 204)
        self.assertEqual(self.money(), [(2500, 2500)])
        self.see(bought, "25.00", "25.00", "refunded")

    def test_a_refund_that_the_shop_rolls_back(self) -> None:
        bought, payment = self.buy()
        payment = self.nexi.pay(payment)
        self.assertEqual(self.give_back(bought, "5.00", "1", broken="1"), 500)
        self.nexi.advance(minutes=5)
        self.assertEqual(QueuedRefund.objects.count(), 0)
        self.assertEqual(self.money(), [(2500, 0)])
        self.see(bought, "25.00", "0", "paid")

    def test_cancelled_by_the_shop(self) -> None:
        bought, payment = self.buy()
        self.nexi.start(payment)  # the shopper is at the issuer
        self.cancel(bought)
        self.check(payment, "failed", "cancelled")
        self.nexi.complete_3ds(order=payment)
        self.check(payment, "failed", "cancelled")
        self.assertIn("was cancelled", self.card_page(payment))
        refused = self.nexi.start(payment)  # a card page that was still open
        self.assertEqual(refused, payment)
        self.assertEqual(PaymentOrder.objects.count(), 1)
        self.assertEqual(self.money(), [])
        self.see(bought, "0", "0", "cancelled")

    def test_cancelled_by_staff_on_our_pages(self) -> None:
        bought, payment = self.buy()
        action = f"{PAYMENTS}{payment.pk}/cancel-payment/"
        question = self.boss.post(action, {"reason": "the customer called"})
        self.assertEqual(question.status_code, 200)
        self.see(bought, "0", "0", "open")
        self.boss.post(action, hidden_fields(question.content.decode()))
        self.check(payment, "failed", "cancelled")
        self.see(bought, "0", "0", "cancelled")

    def test_vetoed_because_the_order_has_changed(self) -> None:
        bought, payment = self.buy()
        self.nexi.start(payment)
        self.reprice(bought, "30.00")
        self.nexi.complete_3ds()
        self.check(payment, "failed", "vetoed")
        self.assertEqual(self.money(), [])
        result = reverse("nexi_payments:result", args=[payment.public_id])
        page = self.client.get(result, follow=True).content.decode()
        self.assertIn("has changed", page)
        second = self.pay_again(bought)
        self.assertEqual(second.total, Decimal("30.00"))
        self.nexi.pay(second)
        self.see(bought, "30.00", "0", "paid")
        self.assertEqual(self.money(), [(3000, 0)])

    def test_by_telephone(self) -> None:
        bought, unpaid = self.buy()
        clerk = self.clerk()
        found = self.desk(clerk, bought, amount="", look_up="1")
        self.assertEqual(found.status_code, 200)
        self.assertIn('value="25.00"', found.content.decode())
        refused = self.desk(clerk, bought, amount="2.50")
        self.assertEqual(refused.status_code, 400)
        self.assertIn("25.00", refused.content.decode())
        self.assertEqual(list(PaymentOrder.objects.all()), [unpaid])
        taken = self.desk(clerk, bought, amount="25.00")
        self.assertEqual(taken.status_code, 302)
        payment = PaymentOrder.objects.get(channel="moto")
        self.assertEqual(payment.content_object, bought)
        self.check(unpaid, "failed", "superseded")
        self.see(bought, "0", "0", "open")  # superseded: the shop has lost nothing
        self.nexi.pay_moto(payment)
        self.see(bought, "25.00", "0", "paid")
        self.assertEqual(self.money(), [(2500, 0)])

    def test_another_currency_by_telephone_pays_no_order(self) -> None:
        bought, _ = self.buy()
        # a desk that does not compare, and a shop that vetoes nothing
        with shop_settings(REFERENCE_LOOKUP=None, BEFORE_CHARGE=None):
            taken = self.desk(self.clerk(), bought, amount="25.00", currency="HUF")
            self.assertEqual(taken.status_code, 302)
            payment = PaymentOrder.objects.get(channel="moto")
            self.nexi.pay_moto(payment)
        self.check(payment, "paid")
        self.see(bought, "0", "0", "open")

    def test_a_subscription(self) -> None:
        bought, payment = self.buy(monthly=True)
        self.nexi.pay(payment)
        self.see(bought, "25.00", "0", "paid")
        contract = Contract.objects.get()
        self.assertEqual(contract.state, "active")
        self.assertEqual(contract.reference, self.number(bought))
        self.assertEqual(self.charge_due(days=29), 0)
        self.assertEqual(self.charge_due(days=1, hours=1), 1)
        self.assertEqual(self.charge_due(hours=1), 0)
        period = f"{self.number(bought)}/1"
        self.assertEqual(self.renewals(bought), [(period, Decimal("25.00"))])
        renewal = PaymentOrder.objects.get(channel="mit")
        self.assertEqual(renewal.content_object, bought)
        self.see(bought, "25.00", "0", "paid")  # not paid twice
        self.assertEqual(self.money(), [(2500, 0), (2500, 0)])
        flows.end_contract(contract)
        self.assertEqual(self.charge_due(days=31), 0)
        self.assertEqual(len(self.renewals(bought)), 1)

    # -- by hand ---------------------------------------------------------------------

    def card_page(self, payment: PaymentOrder) -> str:
        return self.client.get(payment.page_url(), follow=True).content.decode()

    def charge_due(self, **later: float) -> int:
        self.nexi.advance(**later)
        charged = flows.charge_due().charged
        self.nexi.reconcile()
        return charged

    def clerk(self) -> Client:
        user = User.objects.create_user("clerk", is_staff=True)
        wanted = Permission.objects.filter(codename__in=("take_moto",))
        user.user_permissions.set(wanted)
        clerk = Client()
        clerk.force_login(user)
        return clerk

    def desk(self, clerk: Client, bought: Any, **typed: str) -> Any:
        page = clerk.get(DESK)
        fields = {
            **hidden_fields(page.content.decode()),
            "currency": "EUR",
            "reference": self.number(bought),
            "description": "",
            "customer_name": "",
            "customer_email": "",
        }
        return clerk.post(
            DESK,
            urlencode(fields | typed),
            content_type="application/x-www-form-urlencoded",
        )
