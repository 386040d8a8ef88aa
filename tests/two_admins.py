"""Our admin on a site of another name, and a plain one of a shop beside it."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import include, path

from nexi_payments.admin import (
    CardCheckAdmin,
    ContractAdmin,
    DeskDoor,
    PaymentOrderAdmin,
    TillDoor,
    WorkListDoor,
)
from nexi_payments.models import (
    CardCheck,
    Contract,
    Desk,
    PaymentOrder,
    Till,
    WorkList,
)

office = admin.AdminSite(name="office")
office.register(PaymentOrder, PaymentOrderAdmin)
office.register(Desk, DeskDoor)
office.register(WorkList, WorkListDoor)
office.register(Till, TillDoor)
office.register(get_user_model())


class PlainAdmin(admin.ModelAdmin):
    list_display = ("order_id",)
    search_fields = ("order_id",)


cards = admin.AdminSite(name="cards")
cards.register(CardCheck, CardCheckAdmin)
cards.register(Contract, ContractAdmin)

plain = admin.AdminSite(name="plain")
plain.register(PaymentOrder, PlainAdmin)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("office/", office.urls),
    path("cards/", cards.urls),
    path("plain/", plain.urls),
    path("payments/", include("nexi_payments.urls")),
]
