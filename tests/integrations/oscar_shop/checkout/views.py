from django.shortcuts import get_object_or_404, redirect
from django.views import View
from oscar.apps.checkout.views import PaymentDetailsView as OscarsOwn
from oscar.core.loading import get_model

from nexi_payments.integrations.oscar.checkout import NexiCheckout, payment_for


class PaymentDetailsView(NexiCheckout, OscarsOwn):
    terminal = "default"


class PayView(View):
    """Leads the buyer of the order back to the card page."""

    def post(self, request, number):
        mine = {"pk": request.session.get("checkout_order_id")}
        if request.user.is_authenticated:
            mine = {"user": request.user}
        orders = get_model("order", "Order").objects.filter(status="Pending", **mine)
        order = get_object_or_404(orders, number=number)
        return redirect(payment_for(order, terminal=PaymentDetailsView.terminal))
