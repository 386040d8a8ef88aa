"""Products, basket, checkout. The payment is three lines in ``checkout``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import OperationalError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from demo_shop import endings
from demo_shop.forms import SOMEBODY, SOMEWHERE, CheckoutForm
from demo_shop.models import Line, Product, ShopOrder
from nexi_payments import flows, states
from nexi_payments.customers import Customer, Risk
from nexi_payments.exceptions import ReferenceInUse
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS

#: The states of a payment that was successful, given back or not.
WAS_PAID = (*states.SUCCESSFUL, states.REFUNDED, states.VOIDED)


def shop(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: the basket's size; logins and cards in demo mode."""
    basket = request.session.get("basket", {}) if hasattr(request, "session") else {}
    return {
        "basket_size": sum(basket.values()),
        "demo_mode": settings.DEBUG,
        "test_cards": TEST_CARDS if settings.DEBUG else (),
        "endings": endings.groups() if settings.DEBUG else (),
    }


def basket_lines(request: HttpRequest) -> list[Line]:
    basket = request.session.get("basket", {})
    return [
        Line(product=product, quantity=basket[str(product.pk)], price=product.price)
        for product in Product.objects.filter(pk__in=basket)
    ]


def total_of(lines: list[Line]) -> Decimal:
    return sum((line.total for line in lines), Decimal(0))


@require_safe
def products(request: HttpRequest) -> HttpResponse:
    return render(
        request, "demo_shop/products.html", {"products": Product.objects.all()}
    )


@require_safe
def basket(request: HttpRequest) -> HttpResponse:
    lines = basket_lines(request)
    return render(
        request, "demo_shop/basket.html", {"lines": lines, "total": total_of(lines)}
    )


@require_POST
def change_basket(request: HttpRequest, product_id: int) -> HttpResponse:
    product = get_object_or_404(Product, pk=product_id)
    forget_what_is_paid(request)
    basket = request.session.setdefault("basket", {})
    quantity = basket.get(str(product.pk), 0)
    quantity += -1 if "less" in request.POST else 1
    if quantity > 0:
        basket[str(product.pk)] = min(quantity, 99)
    else:
        basket.pop(str(product.pk), None)
    request.session.modified = True
    return redirect("basket")


def checkout(request: HttpRequest) -> HttpResponse:
    if number := forget_what_is_paid(request):
        # another tab was faster: this basket is on its way already
        return redirect("order", number)
    lines = basket_lines(request)
    if not lines:
        return redirect("basket")
    form = CheckoutForm(request.POST or None, initial=who_is(request))
    if request.method == "POST" and form.is_valid():
        try:
            payment = place(request, form.cleaned_data, lines)
        except ReferenceInUse as error:
            # it is being paid, or was paid, with another basket: show how it stands
            return redirect("nexi_payments:result", error.order.public_id)
        return redirect(payment)
    context = {"form": form, "lines": lines, "total": total_of(lines)}
    return render(request, "demo_shop/checkout.html", context)


def place(
    request: HttpRequest, who: dict[str, str], lines: list[Line], page: str = ""
) -> PaymentOrder:
    """The payment of this basket. ``page`` is where the shopper comes back to; the
    order's page, or the basket, without it.

    Two tabs at the same moment may wait for each other: MySQL then ends one of the
    transactions, to be begun again."""
    tries = 4
    while tries := tries - 1:
        with suppress(OperationalError):
            return _place(request, who, lines, page)
    return _place(request, who, lines, page)


@transaction.atomic
def _place(
    request: HttpRequest, who: dict[str, str], lines: list[Line], page: str
) -> PaymentOrder:
    """The shop's order and its payment, in one transaction."""
    shop_order = _open_order(request, who, total_of(lines))
    shop_order.lines.all().delete()
    for line in lines:
        line.order = shop_order
        line.save()
    return flows.create_order(
        amount=shop_order.total,
        currency="EUR",
        reference=shop_order.number,
        customer=_customer(request.user, shop_order),
        user=request.user,
        terminal=who["terminal"] or "default",
        success_url=page or reverse("order", args=[shop_order.number]),
        failure_url=page or reverse("basket"),
    )


def _customer(user: Any, shop_order: ShopOrder) -> Customer:
    """What the bank is told for 3-D Secure: name and e-mail as typed here, the address,
    and what is known of the account."""
    more: dict[str, Any] = {"name": shop_order.name, "email": shop_order.email}
    if not shop_order.shipping_address:
        more["risk"] = Risk(ship_to="store")
    return flows.describe_customer(user, shop_order, **more)


def _open_order(request: HttpRequest, who: dict[str, str], total: Decimal) -> ShopOrder:
    """The order of this basket: paying again must not make a second one, even if the
    first was paid between our looks (``create_order`` refuses it then)."""
    number = request.session.get("order", "")
    found = ShopOrder.objects.filter(number=number).first()
    live = PaymentOrder.objects.filter(live_reference=number).exists()
    if found is not None and not live and hasattr(found, "fulfilment"):
        found = None  # sent, and given back since: this is another purchase
    shop_order = found or ShopOrder()
    for name in (*SOMEBODY, *SOMEWHERE):
        setattr(shop_order, name, who[name])
    shop_order.total = total
    shop_order.user = request.user if request.user.is_authenticated else None
    shop_order.save()
    request.session["order"] = shop_order.number
    request.session.setdefault("orders", []).append(shop_order.number)
    return shop_order


def forget_what_is_paid(request: HttpRequest) -> str:
    """The number of this basket's order if that is paid; the basket is empty then.

    By what was paid, not by which page was seen: a basket must not be paid again only
    because the browser was closed on the way back from the bank. Given back since, it
    was bought all the same.
    """
    number: str = request.session.get("order", "")
    payments = PaymentOrder.objects.filter(reference=number, state__in=WAS_PAID)
    if not number or not payments.exists():
        return ""
    del request.session["order"]
    _take_out(request, Line.objects.filter(order__number=number))
    return number


def _take_out(request: HttpRequest, lines: Iterable[Line]) -> None:
    """What was paid leaves the basket; what was put in meanwhile stays."""
    basket = request.session.get("basket", {})
    for line in lines:
        left = basket.pop(str(line.product_id), 0) - line.quantity
        if left > 0:
            basket[str(line.product_id)] = left
    request.session["basket"] = basket


def who_is(request: HttpRequest) -> dict[str, str]:
    """Name, e-mail, address and terminal for the form: of the order that is open, else
    of the user and what he bought last."""
    number = request.session.get("order", "")
    begun = ShopOrder.objects.filter(number=number).first()
    if begun is not None:
        payment = PaymentOrder.objects.filter(reference=number).order_by("-pk").first()
        terminal = payment.terminal if payment else "default"
        return {name: getattr(begun, name) for name in (*SOMEBODY, *SOMEWHERE)} | {
            "terminal": terminal
        }
    somewhere = SOMEWHERE if settings.DEBUG else {}
    user = request.user
    if not user.is_authenticated:
        return {**SOMEBODY, **somewhere} if settings.DEBUG else {}
    last = ShopOrder.objects.filter(user__pk=user.pk).exclude(street="").first()
    if last is not None:
        somewhere = {name: getattr(last, name) for name in SOMEWHERE}
    return {"name": user.get_full_name(), "email": user.email, **somewhere}


@require_safe
def order_page(request: HttpRequest, number: str) -> HttpResponse:
    shop_order = get_object_or_404(ShopOrder, number=number)
    own = number in request.session.get("orders", [])
    if not own and (shop_order.user is None or shop_order.user != request.user):
        raise Http404
    payments = PaymentOrder.objects.filter(reference=number).order_by("pk")
    paid = any(payment.is_successful for payment in payments)
    if request.session.get("order") == number and forget_what_is_paid(request):
        messages.success(request, _("Thank you! Your order is on its way."))
    held = any(payment.state == "authorized" for payment in payments)
    facts = {"order": shop_order, "payments": payments, "paid": paid, "held": held}
    return render(request, "demo_shop/order.html", facts)


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    orders = ShopOrder.objects.filter(user__pk=request.user.pk or 0)
    return render(request, "demo_shop/account.html", {"orders": orders})
