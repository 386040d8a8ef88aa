"""The app: registers the system checks, installs card extraction, and the redaction of
logs and of what an error tracker is sent."""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _

#: module, function, tag, only with ``--deploy``
_CHECKS: Final = (
    ("configuration", "check_settings", Tags.security, False),
    ("staff_rules", "check_staff_rules", Tags.security, False),
    ("simulator", "check_simulator", Tags.security, False),
    ("hooks", "check_hooks", Tags.security, False),
    ("routers", "check_router", Tags.security, False),
    ("database", "check_databases", Tags.database, False),
    ("staff_rules", "check_groups", Tags.database, False),
    ("hosted_page", "check_hosted_page", Tags.security, False),
    ("hosted_page", "check_notifications", Tags.security, True),
    ("way_back", "check_way_back", Tags.security, False),
    ("way_back", "check_domains", Tags.security, True),
    ("deployment", "check_deployment", Tags.security, True),
    ("second_factor", "check_second_factor", Tags.security, True),
)


class NexiPaymentsConfig(AppConfig):
    name = "nexi_payments"
    verbose_name = _("Nexi payments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for module, function, tag, deploy in _CHECKS:
            register(_lazy_check(module, function), tag, deploy=deploy)
        # not at the top: these modules import models, which need loaded apps
        from nexi_payments.card_extraction import handlers
        from nexi_payments.web import error_tracking, log_redaction

        handlers.install(_rejection_response)
        log_redaction.install()
        error_tracking.install()


@functools.cache  # if ready() is called again, the same check is registered once
def _lazy_check(module: str, function: str) -> Callable[..., list[CheckMessage]]:
    """A check that is imported when it runs. A process that serves pages runs none."""

    def check(**kwargs: Any) -> list[CheckMessage]:
        found = getattr(import_module(f"nexi_payments.checks.{module}"), function)(
            **kwargs
        )
        return list(found)

    check.__name__ = function
    return check


def _rejection_response(request: HttpRequest, *rejection: Any) -> HttpResponseBase:
    """``sensitive.error_response``, imported when it is needed: at the start, no page
    and no gateway client is imported."""
    from nexi_payments.web import sensitive

    return sensitive.error_response(request, *rejection)
