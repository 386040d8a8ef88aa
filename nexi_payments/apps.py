import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register
from django.utils.translation import gettext_lazy as _

#: module, function, tag, only with ``--deploy``
_CHECKS: Final = (
    ("checks", "check_settings", Tags.security, False),
    ("checks", "check_outside_debug", Tags.security, False),
    ("database_checks", "check_router", Tags.security, False),
    ("database_checks", "check_databases", Tags.database, False),
    ("deployment_checks", "check_deployment", Tags.security, True),
)


class NexiPaymentsConfig(AppConfig):
    name = "nexi_payments"
    verbose_name = _("Nexi payments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for module, function, tag, deploy in _CHECKS:
            register(_later(module, function), tag, deploy=deploy)


@functools.cache  # ready() may be called again: the same check is registered once
def _later(module: str, function: str) -> Callable[..., list[CheckMessage]]:
    """The check, imported when it is run: a process that serves pages never does."""

    def check(**kwargs: Any) -> list[CheckMessage]:
        found = getattr(import_module(f"nexi_payments.{module}"), function)(**kwargs)
        return list(found)

    check.__name__ = function
    return check
