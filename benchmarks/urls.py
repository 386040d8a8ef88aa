from django.contrib import admin
from django.urls import path

from nexi_payments.models import PaymentOrder
from tests.urls import urlpatterns as ours

plain_site = admin.AdminSite(name="plain")


@admin.register(PaymentOrder, site=plain_site)
class PlainAdmin(admin.ModelAdmin):
    """What a shop writes first."""

    list_display = ("created_at", "order_id", "reference", "amount", "state")
    list_filter = ("state", "channel", "terminal", "currency")
    search_fields = ("order_id", "reference", "customer_email", "card_last4")
    date_hierarchy = "created_at"
    list_per_page = 50


urlpatterns = [*ours, path("plain/", plain_site.urls)]
