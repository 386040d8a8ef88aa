from django.apps import AppConfig


class OscarBridge(AppConfig):
    name = "nexi_payments.bridges.oscar"
    label = "nexi_oscar"
    verbose_name = "Nexi payments for django-oscar"

    def ready(self) -> None:
        from nexi_payments.bridges.oscar import receivers

        receivers.connect()
