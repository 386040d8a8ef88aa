"""Admin sites of other projects: the default one is not mounted, each has a name and a
prefix of its own, and registers what it needs. Users are not registered anywhere."""

from django.contrib import admin
from django.urls import include, path

from nexi_payments.admin import (
    CardVerificationAdmin,
    ContractAdmin,
    DailyReportLink,
    PaymentOrderAdmin,
    PhoneOrderLink,
    ReviewQueueLink,
)
from nexi_payments.models import (
    CardVerification,
    Contract,
    DailyReport,
    PaymentOrder,
    PhoneOrder,
    ReviewQueue,
)

whole = admin.AdminSite(name="back-office")
for model, kind in (
    (PaymentOrder, PaymentOrderAdmin),
    (PhoneOrder, PhoneOrderLink),
    (ReviewQueue, ReviewQueueLink),
    (DailyReport, DailyReportLink),
    (Contract, ContractAdmin),
    (CardVerification, CardVerificationAdmin),
):
    whole.register(model, kind)

orders = admin.AdminSite(name="orders")
orders.register(PaymentOrder, PaymentOrderAdmin)

contracts = admin.AdminSite(name="contracts")
contracts.register(Contract, ContractAdmin)

verifications = admin.AdminSite(name="verifications")
verifications.register(CardVerification, CardVerificationAdmin)

links = admin.AdminSite(name="links")
for model, kind in (
    (PhoneOrder, PhoneOrderLink),
    (ReviewQueue, ReviewQueueLink),
    (DailyReport, DailyReportLink),
):
    links.register(model, kind)

urlpatterns = [
    path("staff/all/", whole.urls),
    path("staff/orders/", orders.urls),
    path("staff/contracts/", contracts.urls),
    path("staff/verifications/", verifications.urls),
    path("staff/links/", links.urls),
    path("payments/", include("nexi_payments.urls")),
]
