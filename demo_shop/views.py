"""Products, basket, checkout. The payment is three lines in ``checkout``."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import OperationalError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from demo_shop.models import Line, Product, ShopOrder
from nexi_payments import flows
from nexi_payments.exceptions import ReferenceInUse
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS


class CheckoutForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)
    email = forms.EmailField(label=_("E-mail"))
    terminal = forms.ChoiceField(
        label=_("3-D Secure flow"),
        choices=[("default", _("standard")), ("two_steps", _("2 steps"))],
        required=False,
    )


def shop(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: the basket's size, and the logins while in demo mode."""
    basket = request.session.get("basket", {}) if hasattr(request, "session") else {}
    return {"basket_size": sum(basket.values()), "demo_mode": settings.DEBUG}


def _lines(request: HttpRequest) -> list[Line]:
    basket = request.session.get("basket", {})
    return [
        Line(product=product, quantity=basket[str(product.pk)], price=product.price)
        for product in Product.objects.filter(pk__in=basket)
    ]


def _total(lines: list[Line]) -> Decimal:
    return sum((line.total for line in lines), Decimal(0))


@require_safe
def products(request: HttpRequest) -> HttpResponse:
    return render(
        request, "demo_shop/products.html", {"products": Product.objects.all()}
    )


@require_safe
def basket(request: HttpRequest) -> HttpResponse:
    lines = _lines(request)
    return render(
        request, "demo_shop/basket.html", {"lines": lines, "total": _total(lines)}
    )


@require_POST
def change_basket(request: HttpRequest, product_id: int) -> HttpResponse:
    product = get_object_or_404(Product, pk=product_id)
    _forget_what_is_paid(request)
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
    if number := _forget_what_is_paid(request):
        # another tab was faster: this basket is on its way already
        return redirect("order", number)
    lines = _lines(request)
    if not lines:
        return redirect("basket")
    form = CheckoutForm(request.POST or None, initial=_who(request))
    if request.method == "POST" and form.is_valid():
        try:
            payment = _place_patiently(request, form.cleaned_data, lines)
        except ReferenceInUse as error:
            # it is being paid, or was paid, with another basket: show how it stands
            return redirect("nexi_payments:result", error.order.public_id)
        return redirect(payment)
    context = {"form": form, "lines": lines, "total": _total(lines)}
    cards = TEST_CARDS if settings.DEBUG else ()
    return render(request, "demo_shop/checkout.html", {**context, "cards": cards})


def _place_patiently(
    request: HttpRequest, who: dict[str, str], lines: list[Line]
) -> PaymentOrder:
    """Two tabs at the same moment may wait for each other: MySQL then ends one of the
    transactions, to be begun again."""
    tries = 4
    while tries := tries - 1:
        with suppress(OperationalError):
            return _place(request, who, lines)
    return _place(request, who, lines)


@transaction.atomic
def _place(
    request: HttpRequest, who: dict[str, str], lines: list[Line]
) -> PaymentOrder:
    """The shop's order and its payment, in one transaction."""
    shop_order = _open_order(request, who, _total(lines))
    shop_order.lines.all().delete()
    for line in lines:
        line.order = shop_order
        line.save()
    return flows.create_order(
        amount=shop_order.total,
        currency="EUR",
        reference=shop_order.number,
        customer={"name": who["name"], "email": who["email"]},
        user=request.user,
        terminal=who["terminal"] or "default",
        success_url=reverse("order", args=[shop_order.number]),
        failure_url=reverse("basket"),
    )


def _open_order(request: HttpRequest, who: dict[str, str], total: Decimal) -> ShopOrder:
    """The order of this basket: paying again must not make a second one, even if the
    first was paid between our looks (``create_order`` refuses it then)."""
    number = request.session.get("order", "")
    found = ShopOrder.objects.filter(number=number).first()
    live = PaymentOrder.objects.filter(live_reference=number).exists()
    if found is not None and not live and hasattr(found, "fulfilment"):
        found = None  # sent, and given back since: this is another purchase
    shop_order = found or ShopOrder()
    shop_order.name, shop_order.email = who["name"], who["email"]
    shop_order.total = total
    shop_order.user = request.user if request.user.is_authenticated else None
    shop_order.save()
    request.session["order"] = shop_order.number
    request.session.setdefault("orders", []).append(shop_order.number)
    return shop_order


def _forget_what_is_paid(request: HttpRequest) -> str:
    """The number of this basket's order if that is paid; the basket is empty then.

    By what is paid, not by which page was seen: a basket must not be paid again only
    because the browser was closed on the way back from the bank.
    """
    number: str = request.session.get("order", "")
    payments = PaymentOrder.objects.filter(reference=number)
    if not number or not any(payment.is_successful for payment in payments):
        return ""
    del request.session["order"]
    request.session["basket"] = {}
    return number


def _who(request: HttpRequest) -> dict[str, str]:
    user = request.user
    if not user.is_authenticated:
        return {}
    return {"name": user.get_full_name(), "email": user.email}


@require_safe
def order_page(request: HttpRequest, number: str) -> HttpResponse:
    shop_order = get_object_or_404(ShopOrder, number=number)
    own = number in request.session.get("orders", [])
    if not own and (shop_order.user is None or shop_order.user != request.user):
        raise Http404
    payments = PaymentOrder.objects.filter(reference=number).order_by("pk")
    paid = any(payment.is_successful for payment in payments)
    if request.session.get("order") == number and _forget_what_is_paid(request):
        messages.success(request, _("Thank you! Your order is on its way."))
    context = {"order": shop_order, "payments": payments, "paid": paid}
    return render(request, "demo_shop/order.html", context)


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    orders = ShopOrder.objects.filter(user__pk=request.user.pk or 0)
    return render(request, "demo_shop/account.html", {"orders": orders})
