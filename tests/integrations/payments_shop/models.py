from django.db import models
from payments.models import BasePayment


class Payment(BasePayment):
    class Meta:
        app_label = "payments_shop"

    def get_success_url(self) -> str:
        return f"/thanks/{self.pk}/"

    def get_failure_url(self) -> str:
        return f"/sorry/{self.pk}/"


class StatusChange(models.Model):
    """Each ``status_changed`` that this shop was sent."""

    payment = models.ForeignKey(Payment, on_delete=models.CASCADE)
    status = models.CharField(max_length=10)

    def __str__(self) -> str:
        return self.status
