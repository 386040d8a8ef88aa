from django.apps import AppConfig


class DjangoPaymentsBridge(AppConfig):
    name = "nexi_payments.bridges.django_payments"
    label = "nexi_django_payments"
    verbose_name = "Nexi payments for django-payments"

    def ready(self) -> None:
        from nexi_payments.bridges.django_payments import receivers

        receivers.connect()
