"""Errors of a call to Nexi. ``exceptions`` exports them: import them from there."""

from __future__ import annotations

from nexi_payments.input_errors import NexiPaymentsError


class GatewayError(NexiPaymentsError):
    """No usable response. ``cause`` is the class name of the underlying error.

    ``status`` is the HTTP status, if there was one. ``codes`` are the gateway's error
    codes (``PS0009``, ``GW0001`` …), ``correlation_id`` is the header we sent, ``cid``
    the gateway's trace id. ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        cause: str,
        *,
        correlation_id: str = "",
        cid: str = "",
        status: int | None = None,
        codes: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        self.cause = cause
        self.correlation_id = correlation_id
        self.cid = cid
        self.status = status
        self.codes = codes
        self.retry_after = retry_after
        parts = [cause, f"status {status}" if status else "", *codes, correlation_id]
        super().__init__(" ".join(part for part in parts if part))


class NotSent(GatewayError):
    """Not one byte of the request left this machine."""


class Rejected(GatewayError):
    """A complete 4xx response: the gateway did not process the request."""


class MismatchedResponse(GatewayError):
    """``cause`` names the member that differs from what we sent."""


class UnknownOutcome(GatewayError):
    """Everything else: the request may or may not have been processed."""
