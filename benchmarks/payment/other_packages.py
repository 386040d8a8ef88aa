"""Other packages, each as its own documentation has it: no settings of ours in them.

django-payments: the card form of Authorize.Net. dj-stripe: a PaymentIntent is created
and synced. stripe-python: a PaymentIntent in the baseline's view. None of them has 3-D
Secure on a page of the shop's own, so there is nothing here to
compare the three steps with.
"""

from __future__ import annotations

import os

import stripe
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from djstripe.models import PaymentIntent
from payments import RedirectNeeded

from benchmarks.payment.models import BaselineRow, PeerPayment
from benchmarks.payment.settings import GATEWAY, STRIPE_TEST_SECRET_KEY

stripe.api_key = STRIPE_TEST_SECRET_KEY
stripe.api_base = GATEWAY
stripe.max_network_retries = 0
stripe.enable_telemetry = False
if "REQUESTS_CA_BUNDLE" in os.environ:
    stripe.ca_bundle_path = os.environ["REQUESTS_CA_BUNDLE"]


@csrf_exempt
def authorize_net(request: HttpRequest) -> HttpResponse:
    payment = PeerPayment.objects.create(
        variant="authorizenet",
        total="12.50",
        currency="EUR",
        description=request.POST["reference"],
    )
    month, year = request.POST["expiry"][:2], "20" + request.POST["expiry"][2:]
    data = {
        "number": request.POST["card_number"],
        "expiration_0": str(int(month)),
        "expiration_1": year,
        "cvv2": request.POST["security_code"],
    }
    try:
        form = payment.get_form(data=data)
    except RedirectNeeded as done:
        return HttpResponseRedirect(str(done))
    raise AssertionError(form.errors)


@csrf_exempt
def stripe_python(request: HttpRequest) -> JsonResponse:
    row = BaselineRow.objects.create(
        order_id=request.POST["reference"], amount=1250, currency="EUR"
    )
    intent = stripe.PaymentIntent.create(
        amount=1250, currency="eur", description=row.order_id, confirm=True
    )
    BaselineRow.objects.filter(pk=row.pk).update(
        state=intent.status, operation_id=intent.id
    )
    return JsonResponse({"state": intent.status})


@csrf_exempt
def dj_stripe(request: HttpRequest) -> JsonResponse:
    intent = stripe.PaymentIntent.create(
        amount=1250,
        currency="eur",
        description=request.POST["reference"],
        confirm=True,
    )
    kept = PaymentIntent.sync_from_stripe_data(intent)
    return JsonResponse({"state": kept.stripe_data["status"]})


urlpatterns = [
    path("others/authorizenet/", authorize_net),
    path("others/stripe/", stripe_python),
    path("others/djstripe/", dj_stripe),
]
