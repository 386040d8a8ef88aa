"""By docs/hooks.md."""

from nexi_payments import flows
from tests.integrations.donation_site.models import Pledge


def may_be_charged(payment):
    pledge = payment.content_object
    if pledge is None or pledge.status == "cancelled":
        return "This donation was cancelled."
    if (payment.total, payment.currency) != (pledge.total, "EUR"):
        return "Your donation has changed. Please start again."
    return None


def find_pledge(reference, *, terminal, user):
    pledge = Pledge.objects.filter(number=reference).first()
    if pledge is None or pledge.status not in ("open", "failed"):
        return None
    return flows.ShopOrder(
        amount=pledge.total,
        currency="EUR",
        description="Trees for Brianza",
        customer={"email": pledge.donor},
        content_object=pledge,
    )
