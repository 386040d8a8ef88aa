"""Hides posted fields and local variables from Django's error reports."""

from __future__ import annotations

from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class HideEverythingFilter(SafeExceptionReporterFilter):
    """Hides posted fields and the variables of all frames, also in DEBUG.

    Django's own filter hides fields only without DEBUG, and variables only in frames
    below a decorated view, so not in a middleware that fails.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> Any:
        return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]


def hide_from_error_reports(request: HttpRequest) -> None:
    """Hide everything of this request from Django's error reports. Idempotent."""
    request.exception_reporter_filter = HideEverythingFilter()
    request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
