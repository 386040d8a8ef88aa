from django.apps import AppConfig


class DjangoPaymentsConfig(AppConfig):
    name = "nexi_payments.integrations.django_payments"
    label = "nexi_django_payments"
    verbose_name = "Nexi payments for django-payments"

    def ready(self) -> None:
        from nexi_payments.integrations.django_payments import receivers

        receivers.connect()
