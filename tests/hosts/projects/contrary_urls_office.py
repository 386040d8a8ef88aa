"""www.office.shop.example: an admin site of the project's own."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import path

from nexi_payments.admin import (
    ContractAdmin,
    DailyReportLink,
    PaymentOrderAdmin,
    PhoneOrderLink,
    ReviewQueueLink,
)
from nexi_payments.models import (
    Contract,
    DailyReport,
    PaymentOrder,
    PhoneOrder,
    ReviewQueue,
)


class PlainUserAdmin(admin.ModelAdmin):
    """No ``UserAdmin``: another URL, another search."""

    search_fields = ("username",)


site = admin.AdminSite(name="ufficio")
site.register(PaymentOrder, PaymentOrderAdmin)
site.register(PhoneOrder, PhoneOrderLink)
site.register(ReviewQueue, ReviewQueueLink)
site.register(DailyReport, DailyReportLink)
site.register(Contract, ContractAdmin)
site.register(get_user_model(), PlainUserAdmin)

urlpatterns = i18n_patterns(path("ufficio/", site.urls))
