from typing import Any

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.bridges.payments_shop"
    label = "payments_shop"

    def ready(self) -> None:
        from payments.signals import status_changed

        status_changed.connect(note)


def note(sender: Any, instance: Any, **kwargs: Any) -> None:
    from tests.bridges.payments_shop.models import Told

    Told.objects.create(payment=instance, status=instance.status)
