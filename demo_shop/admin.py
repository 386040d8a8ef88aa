from django.contrib import admin

from demo_shop.models import Fulfilment, Product, ShopOrder


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "price")


@admin.register(ShopOrder)
class ShopOrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("number", "name", "total", "created_at")
    search_fields = ("number",)


@admin.register(Fulfilment)
class FulfilmentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("order", "payment", "signals", "created_at")
