"""Everything this package raises.

NexiPaymentsError
├── InvalidAmount          an amount that cannot be asked for in that currency
├── InvalidCustomer        customer data of a shape Nexi does not take
├── CardDataNotAllowed     a text that looks like it holds a card number
├── OrderError             carries ``order``
│   ├── ReferenceInUse     another attempt for the same reference is under way or paid
│   ├── OrderBusy          another request is working on this order right now
│   ├── OrderNotPayable    this order takes no card any more
│   ├── TooManyAttempts    declined too often: wait
│   ├── CardBlocked        this card may not be tried again for this purchase
│   ├── WrongState         not to be captured, voided, refunded or resolved as it is
│   ├── MoreThanLeft       more than is left to capture or to refund
│   ├── CaptureNotNamed    there are several captures: say which one
│   ├── ConsentNeeded      the card would be kept on file, and its owner has not agreed
│   ├── AmountChanged      what is left is not what the person saw
│   └── NexiDisagrees      Nexi does not say what the person wants to write down
├── ContractError          carries ``contract``
│   ├── ContractNotUsable  ended, on hold, not confirmed, or past its last day
│   └── ContractUnsettled  Nexi has not confirmed that it is ended
├── TooManyChecks          too many cards were verified in vain: wait
├── MotoNotAllowed         the terminal takes no phone orders
├── TerminalUnavailable    the gateway refuses our key: no new charges on that terminal
├── HoldUnavailable        the cache that keeps cards during 3-D Secure is away
├── OutcomeNotRecorded     the gateway has answered, our database did not take it
└── GatewayError           the gateway gave no usable answer; carries ids, never bodies
    ├── Unsent             not one byte of the request left this machine
    ├── Refused            a complete 4xx answer
    ├── BadAnswer          an answer about another order, amount or currency
    └── UnknownOutcome     everything else: it may or may not have been done

A decline is not here: it is an answer, and shows in the order's state. No exception
holds a request, a body or a card, so that a traceback sent to an error tracker is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexi_payments.models import Contract, PaymentOrder


class NexiPaymentsError(Exception):
    """The root, for ``except`` in host code."""


class InvalidAmount(NexiPaymentsError, ValueError):
    """A float, a negative amount, too many decimals, or a currency we do not know."""


class InvalidCustomer(NexiPaymentsError, ValueError):
    """Unknown members or over-long values in ``customer``."""


class CardDataNotAllowed(NexiPaymentsError, ValueError):
    """A free text holds a run of digits that is a valid card number."""


class OrderError(NexiPaymentsError):
    """Something about one order; ``order`` is that order."""

    def __init__(self, order: PaymentOrder, message: str) -> None:
        self.order = order
        super().__init__(f"{message} (order {order.order_id})")


class ReferenceInUse(OrderError):
    """``order`` is the live order which holds the reference."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "another payment for this reference is live")


class OrderBusy(OrderError):
    """Lost a race, or asked for something while a gateway call is under way."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "another request is working on this payment")


class OrderNotPayable(OrderError):
    """Paid, held, closed or under review: no card is taken."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "this payment takes no card")


class TooManyAttempts(OrderError):
    """``limit`` is which of ``RATE_LIMITS``; ``seconds`` how long its window is."""

    def __init__(self, order: PaymentOrder, limit: str, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        super().__init__(order, f"too many attempts by {limit}")


class CardBlocked(OrderError):
    """The bank has answered "excess re-attempts" to this card for this purchase."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "this card may not be tried again")


class WrongState(OrderError):
    """Captures need an authorization, refunds a capture, resolutions a review."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, f"not possible while {order.state}")


class MoreThanLeft(OrderError):
    """``left`` is what could be asked for, in minor units."""

    def __init__(self, order: PaymentOrder, left: int) -> None:
        self.left = left
        super().__init__(order, f"only {left} minor units are left")


class CaptureNotNamed(OrderError):
    """A cancel takes back one whole capture; here are several."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "there are several captures: name one")


class ConsentNeeded(OrderError):
    """``order.contract`` keeps the card: nothing was sent without a tick."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "the card's owner has not agreed to keep it on file")


class AmountChanged(OrderError):
    """``left`` is what is left now, in minor units: look again before deciding."""

    def __init__(self, order: PaymentOrder, left: int) -> None:
        self.left = left
        super().__init__(order, f"what is left has changed to {left} minor units")


class NexiDisagrees(OrderError):
    """``verdict`` is what Nexi shows (``flows.evidence``), "" without an answer."""

    def __init__(self, order: PaymentOrder, verdict: str) -> None:
        self.verdict = verdict
        super().__init__(order, f"Nexi says {verdict or 'nothing'}")


class ContractError(NexiPaymentsError):
    """Something about a card on file; ``contract`` is that contract."""

    def __init__(self, contract: Contract, message: str) -> None:
        self.contract = contract
        super().__init__(f"{message} (contract {contract.contract_id})")


class ContractNotUsable(ContractError):
    """Nothing was sent: only an active contract before its last day is charged."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract, f"not to be charged while {contract.state}")


class ContractUnsettled(ContractError):
    """Nexi gave no usable answer; it is asked again, and nothing is charged
    meanwhile."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract, "Nexi has not confirmed the end")


class TooManyChecks(NexiPaymentsError):
    """``seconds`` is how long the window of the limit is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__("too many cards were verified in vain")


class MotoNotAllowed(NexiPaymentsError):
    """``TERMINALS[name]["MOTO"]`` is not set."""

    def __init__(self, terminal: str) -> None:
        self.terminal = terminal
        super().__init__(f"terminal {terminal!r} takes no phone orders")


class TerminalUnavailable(NexiPaymentsError):
    """The gateway has refused this terminal's key; charges wait until it is mended."""

    def __init__(self, terminal: str) -> None:
        self.terminal = terminal
        super().__init__(f"terminal {terminal!r} takes no charges: its key was refused")


class HoldUnavailable(NexiPaymentsError):
    """``HOLD_BACKEND`` did not keep a sealed card. Inside a flow this is no error but a
    failed attempt: nothing was charged."""

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        super().__init__(f"the card of order {order_id} could not be held")


class OutcomeNotRecorded(NexiPaymentsError):
    """The last commit failed; the write-ahead mark stays and reconciliation decides."""

    def __init__(self, order_id: str, correlation_id: str) -> None:
        self.order_id = order_id
        self.correlation_id = correlation_id
        super().__init__(f"outcome of {correlation_id} for order {order_id} not stored")


class GatewayError(NexiPaymentsError):
    """No usable answer. ``cause`` is the class name of what went wrong underneath.

    ``status`` is the HTTP status when there was one, ``codes`` the gateway's own error
    codes (``PS0009``, ``GW0001`` …), ``correlation_id`` the header we sent and ``cid``
    the gateway's trace id.
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


class Unsent(GatewayError):
    """Known negative: nothing left this machine."""


class Refused(GatewayError):
    """The request is over, the gateway said no with a 4xx."""


class BadAnswer(GatewayError):
    """``cause`` names the member that differs from what we sent."""


class UnknownOutcome(GatewayError):
    """The default for everything that is not certainly something else."""
