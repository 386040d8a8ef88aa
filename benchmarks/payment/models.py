"""The rows that are written beside ours."""

from django.db import models


class BaselineRow(models.Model):
    """The least a shop keeps of a payment."""

    order_id = models.CharField(max_length=32, unique=True)
    state = models.CharField(max_length=16, default="created")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    operation_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "payment"

    def __str__(self) -> str:
        return self.order_id


try:
    from payments.models import BasePayment
except (ImportError, RuntimeError):  # not installed, or not among the apps
    pass
else:

    class PeerPayment(BasePayment):
        """What django-payments asks for."""

        class Meta:
            app_label = "payment"

        def get_success_url(self) -> str:
            return "/done/"

        def get_failure_url(self) -> str:
            return "/failed/"
