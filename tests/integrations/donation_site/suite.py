"""Given on a page of Wagtail."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth.models import User
from django.test import Client, TransactionTestCase
from wagtail.models import Locale, Page, Site

from nexi_payments import flows
from nexi_payments.models import Contract, PaymentOrder
from tests.integrations.donation_site.models import DonationPage, Pledge
from tests.integrations.life import Life, Sums


class DonationSite(Life, TransactionTestCase):
    def setUp(self) -> None:
        Locale.objects.get_or_create(language_code="en")
        Page.objects.all().delete()
        root = Page.add_root(title="Root", slug="root")
        page = root.add_child(instance=DonationPage(title="Plant trees", slug="trees"))
        Site.objects.all().delete()
        Site.objects.create(hostname="testserver", root_page=page, is_default_site=True)
        self.boss = Client(raise_request_exception=False)
        self.boss.force_login(User.objects.create_superuser("boss"))

    def buy(self, *, monthly: bool = False) -> tuple[Pledge, PaymentOrder]:
        self.assertContains(self.client.get("/"), "<h1>Plant trees</h1>")
        fields = {"donor": "giulia@shop.example", "total": "25.00"}
        answer = self.client.post(
            "/", fields | ({"is_monthly": "on"} if monthly else {})
        )
        pledge = Pledge.objects.get()
        payment = PaymentOrder.objects.for_object(pledge).get()
        self.assertRedirects(answer, payment.page_url(), 302, 200)
        return pledge, payment

    def pay_again(self, bought: Pledge) -> PaymentOrder:
        answer = self.client.post(f"/pledges/{bought.number}/")
        payment = PaymentOrder.objects.for_object(bought).latest("pk")
        self.assertEqual(
            (answer.status_code, answer["Location"]), (302, payment.page_url())
        )
        return payment

    def shows(self, bought: Pledge) -> Sums:
        bought.refresh_from_db()
        return bought.captured, bought.refunded, bought.status

    def give_back(self, bought: Pledge, amount: str, parcel: str, **more: str) -> int:
        fields = {"amount": amount, "parcel": parcel, **more}
        path = f"/pledges/{bought.number}/give-back/"
        return self.boss.post(path, fields).status_code

    def cancel(self, bought: Pledge) -> None:
        answer = self.boss.post(f"/pledges/{bought.number}/cancel/")
        self.assertEqual(answer.status_code, 204)

    def reprice(self, bought: Pledge, total: str) -> None:
        Pledge.objects.filter(pk=bought.pk).update(total=total)

    def renewals(self, bought: Pledge) -> list[tuple[str, Decimal]]:
        return list(bought.gifts.values_list("number", "total"))

    def number(self, bought: Pledge) -> str:
        return bought.number

    # -- what a subscription does here only -------------------------------------------

    def test_a_month_is_vetoed_and_the_next_one_charged(self) -> None:
        pledge, payment = self.buy(monthly=True)
        self.nexi.pay(payment)
        self.reprice(pledge, "30.00")
        self.assertEqual(self.charge_due(days=30, hours=1), 0)
        vetoed = PaymentOrder.objects.get(channel="mit")
        self.check(vetoed, "failed", "vetoed")
        self.assertEqual(self.renewals(pledge), [])
        self.see(pledge, "25.00", "0", "paid")  # the first month stands
        self.reprice(pledge, "25.00")
        self.assertEqual(self.charge_due(days=30), 1)
        [(number, total)] = self.renewals(pledge)
        self.assertEqual((number, total), (f"{pledge.number}/2", Decimal("25.00")))
        self.assertEqual(self.money(), [(2500, 0), (2500, 0)])

    def test_cancelled_after_it_was_paid(self) -> None:
        """In one request and one transaction: the money is queued to go back."""
        pledge, payment = self.buy()
        self.nexi.pay(payment)
        self.cancel(pledge)
        self.assertEqual(self.money(), [(2500, 2500)])
        self.see(pledge, "25.00", "25.00", "refunded")

    def test_a_month_is_refunded_by_staff(self) -> None:
        pledge, payment = self.buy(monthly=True)
        self.nexi.pay(payment)
        self.charge_due(days=30, hours=1)
        month = PaymentOrder.objects.get(channel="mit")
        flows.refund(month, Decimal("10.00"))
        self.nexi.reconcile()
        self.assertEqual(self.money(), [(2500, 0), (2500, 1000)])
        self.see(pledge, "25.00", "0", "paid")  # the first month is not touched

    def test_stopped_by_the_office(self) -> None:
        pledge, payment = self.buy(monthly=True)
        self.nexi.pay(payment)
        self.nexi.fail_next_call()  # Nexi does not confirm: ended here all the same
        answer = self.boss.post(f"/pledges/{pledge.number}/stop/")
        self.assertEqual(answer.status_code, 204)
        self.assertEqual(Contract.objects.get().state, "ending")
        self.see(pledge, "25.00", "0", "stopped")
        self.assertEqual(self.charge_due(days=31), 0)
        self.assertEqual(Contract.objects.get().state, "ended")
        self.assertEqual(self.money(), [(2500, 0)])
