from typing import Any

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.integrations.payments_shop"
    label = "payments_shop"

    def ready(self) -> None:
        from payments.signals import status_changed

        status_changed.connect(save_status)


def save_status(sender: Any, instance: Any, **kwargs: Any) -> None:
    from tests.integrations.payments_shop.models import StatusChange

    StatusChange.objects.create(payment=instance, status=instance.status)
