"""Products, basket, checkout, account. ``_create_payment`` creates the payment."""

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

from demo_shop import test_card_groups
from demo_shop.forms import SAMPLE_ADDRESS, SAMPLE_CONTACT, CheckoutForm
from demo_shop.models import Line, Product, ShopOrder
from nexi_payments import enums, flows
from nexi_payments.customers import Customer, Risk
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    AlreadyCharged,
    InvalidState,
    OrderBusy,
    ReferenceInUse,
)
from nexi_payments.models import CreatedOrder, PaymentOrder
from nexi_payments.simulator import TEST_CARDS

#: States of payments that succeeded, refunded or not.
PAID_STATES = (*enums.SUCCESSFUL, OrderState.REFUNDED, OrderState.VOIDED)


def shop_context(request: HttpRequest) -> dict[str, Any]:
    """Context of every page: size of the basket; logins and test cards in demo mode."""
    basket = request.session.get("basket", {}) if hasattr(request, "session") else {}
    return {
        "basket_size": sum(basket.values()),
        "demo_mode": settings.DEBUG,
        "test_cards": TEST_CARDS if settings.DEBUG else (),
        "test_card_groups": test_card_groups.groups() if settings.DEBUG else (),
    }


def basket_lines(request: HttpRequest) -> list[Line]:
    basket = request.session.get("basket", {})
    return [
        Line(product=product, quantity=basket[str(product.pk)], price=product.price)
        for product in Product.objects.filter(pk__in=basket)
    ]


def basket_total(lines: list[Line]) -> Decimal:
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
        request, "demo_shop/basket.html", {"lines": lines, "total": basket_total(lines)}
    )


@require_POST
def change_basket(request: HttpRequest, product_id: int) -> HttpResponse:
    product = get_object_or_404(Product, pk=product_id)
    clear_paid_basket(request)
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
    if number := clear_paid_basket(request):
        # paid in another tab
        return redirect("order", number)
    lines = basket_lines(request)
    if not lines:
        return redirect("basket")
    form = CheckoutForm(request.POST or None, initial=initial_contact(request))
    if request.method == "POST" and form.is_valid():
        try:
            payment = create_payment(request, form.cleaned_data, lines)
        except ReferenceInUse as error:
            # being paid, or paid, with another basket: show its status
            return redirect("nexi_payments:result", error.order.public_id)
        return redirect(payment)
    context = {"form": form, "lines": lines, "total": basket_total(lines)}
    return render(request, "demo_shop/checkout.html", context)


def create_payment(
    request: HttpRequest,
    contact: dict[str, str],
    lines: list[Line],
    return_url: str = "",
) -> CreatedOrder:
    """Create the payment of this basket.

    ``return_url``: where the shopper returns to; by default the order's page, or the
    basket after a failure. Retried after a deadlock: MySQL rolls back one of two
    concurrent transactions.
    """
    tries = 4
    while tries := tries - 1:
        with suppress(OperationalError):
            return _create_payment(request, contact, lines, return_url)
    return _create_payment(request, contact, lines, return_url)


@transaction.atomic
def _create_payment(
    request: HttpRequest, contact: dict[str, str], lines: list[Line], return_url: str
) -> CreatedOrder:
    """Save the shop's order and create its payment, in one transaction."""
    shop_order = _get_or_create_order(request, contact, basket_total(lines))
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
        terminal=_terminal(request, contact["terminal"]),
        success_url=return_url or reverse("order", args=[shop_order.number]),
        failure_url=return_url or reverse("basket"),
    )


def _terminal(request: HttpRequest, chosen: str) -> str:
    """The panel may send cards to Nexi's hosted page instead of ours."""
    if chosen in ("", "default") and request.session.get("cards_on_nexis_page"):
        return "nexi_page"
    return chosen or "default"


def _customer(user: Any, shop_order: ShopOrder) -> Customer:
    """3-D Secure data: typed name and email, address, and facts of the account."""
    more: dict[str, Any] = {"name": shop_order.name, "email": shop_order.email}
    if not shop_order.shipping_address:
        more["risk"] = Risk(ship_to="store")
    return flows.describe_customer(user, shop_order, **more)


def _get_or_create_order(
    request: HttpRequest, contact: dict[str, str], total: Decimal
) -> ShopOrder:
    """The order of this basket. Paying again must not create a second one.

    If the first one is paid meanwhile, ``create_order`` raises ``ReferenceInUse``.
    """
    number = request.session.get("order", "")
    found = ShopOrder.objects.filter(number=number).first()
    live = PaymentOrder.objects.filter(live_reference=number).exists()
    if found is not None and not live and hasattr(found, "fulfilment"):
        found = None  # sent, and refunded since: this is a new purchase
    shop_order = found or ShopOrder()
    for name in (*SAMPLE_CONTACT, *SAMPLE_ADDRESS):
        setattr(shop_order, name, contact[name])
    shop_order.total = total
    shop_order.user = request.user if request.user.is_authenticated else None
    shop_order.save()
    request.session["order"] = shop_order.number
    request.session.setdefault("orders", []).append(shop_order.number)
    return shop_order


def clear_paid_basket(request: HttpRequest) -> str:
    """Empty the basket if its order is paid; return the order's number, else "".

    Decided by the payment, not by the page seen: a browser closed during the return
    from 3-D Secure must not lead to a second payment. A refunded order counts as paid.
    """
    number: str = request.session.get("order", "")
    payments = PaymentOrder.objects.filter(reference=number, state__in=PAID_STATES)
    if not number or not payments.exists():
        return ""
    del request.session["order"]
    _remove_from_basket(request, Line.objects.filter(order__number=number))
    return number


def _remove_from_basket(request: HttpRequest, lines: Iterable[Line]) -> None:
    """Remove the paid lines from the basket; keep items added meanwhile."""
    basket = request.session.get("basket", {})
    for line in lines:
        left = basket.pop(str(line.product_id), 0) - line.quantity
        if left > 0:
            basket[str(line.product_id)] = left
    request.session["basket"] = basket


def initial_contact(request: HttpRequest) -> dict[str, str]:
    """Initial values of the form: of the open order, else of the user's last order."""
    number = request.session.get("order", "")
    open_order = ShopOrder.objects.filter(number=number).first()
    if open_order is not None:
        payment = PaymentOrder.objects.filter(reference=number).order_by("-pk").first()
        terminal = payment.terminal if payment else "default"
        if terminal == "nexi_page":
            terminal = "default"
        return {
            name: getattr(open_order, name)
            for name in (*SAMPLE_CONTACT, *SAMPLE_ADDRESS)
        } | {"terminal": terminal}
    address = SAMPLE_ADDRESS if settings.DEBUG else {}
    user = request.user
    if not user.is_authenticated:
        return {**SAMPLE_CONTACT, **address} if settings.DEBUG else {}
    last = ShopOrder.objects.filter(user__pk=user.pk).exclude(street="").first()
    if last is not None:
        address = {name: getattr(last, name) for name in SAMPLE_ADDRESS}
    return {"name": user.get_full_name(), "email": user.email, **address}


@require_safe
def order_page(request: HttpRequest, number: str) -> HttpResponse:
    shop_order = _own_order(request, number)
    payments = PaymentOrder.objects.filter(reference=number).order_by("pk")
    paid = any(payment.is_successful for payment in payments)
    if request.session.get("order") == number and clear_paid_basket(request):
        messages.success(request, _("Thank you for your order."))
    authorized = any(payment.state == "authorized" for payment in payments)
    context = {
        "order": shop_order,
        "payments": payments,
        "paid": paid,
        "authorized": authorized,
        "may_cancel": any(flows.available(one).cancel for one in payments),
        "cancelled": bool(payments) and all(one.is_cancelled for one in payments),
    }
    return render(request, "demo_shop/order.html", context)


def _own_order(request: HttpRequest, number: str) -> ShopOrder:
    shop_order = get_object_or_404(ShopOrder, number=number)
    own = number in request.session.get("orders", [])
    if not own and (shop_order.user is None or shop_order.user != request.user):
        raise Http404
    return shop_order


@require_POST
def cancel_order(request: HttpRequest, number: str) -> HttpResponse:
    """Cancel the payment of an unpaid order. Paying again reopens it."""
    _own_order(request, number)
    payment = PaymentOrder.objects.filter(reference=number).order_by("pk").last()
    if payment is None:
        raise Http404
    try:
        flows.cancel(payment, "cancelled by the customer")
    except (OrderBusy, AlreadyCharged, InvalidState):
        text = _("Too late: the payment is under way, or done. Nothing was cancelled.")
        messages.error(request, text)
    else:
        messages.success(request, _("Cancelled. Nothing was charged."))
    return redirect("order", number)


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    orders = ShopOrder.objects.filter(user__pk=request.user.pk or 0)
    return render(request, "demo_shop/account.html", {"orders": orders})
