from django.apps import AppConfig


class OscarConfig(AppConfig):
    name = "nexi_payments.integrations.oscar"
    label = "nexi_oscar"
    verbose_name = "Nexi payments for django-oscar"

    def ready(self) -> None:
        from nexi_payments.integrations.oscar import receivers

        receivers.connect()
