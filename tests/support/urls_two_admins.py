"""Our admin on a site of another name, and a plain one of a shop beside it."""

from django.contrib import admin
from django.contrib.auth import get_user_model
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

renamed_site = admin.AdminSite(name="office")
renamed_site.register(PaymentOrder, PaymentOrderAdmin)
renamed_site.register(PhoneOrder, PhoneOrderLink)
renamed_site.register(ReviewQueue, ReviewQueueLink)
renamed_site.register(DailyReport, DailyReportLink)
renamed_site.register(get_user_model())


class PlainAdmin(admin.ModelAdmin):
    list_display = ("order_id",)
    search_fields = ("order_id",)


cards_site = admin.AdminSite(name="cards")
cards_site.register(CardVerification, CardVerificationAdmin)
cards_site.register(Contract, ContractAdmin)

plain_site = admin.AdminSite(name="plain")
plain_site.register(PaymentOrder, PlainAdmin)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("office/", renamed_site.urls),
    path("cards/", cards_site.urls),
    path("plain/", plain_site.urls),
    path("payments/", include("nexi_payments.urls")),
]
