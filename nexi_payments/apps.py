from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NexiPaymentsConfig(AppConfig):
    name = "nexi_payments"
    verbose_name = _("Nexi payments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from nexi_payments import (  # noqa: F401  registers the system checks
            checks,
            database_checks,
        )
