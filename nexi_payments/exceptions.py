"""All exceptions of this package.

NexiPaymentsError
├── InvalidAmount               an amount that cannot be charged in that currency
├── InvalidReference            a reference that is too long, or missing where needed
├── InvalidCustomer             customer data that Nexi does not accept
├── UnstorableText              a character that the database cannot store
├── ShopOrderError              REFERENCE_LOOKUP does not confirm a phone order
│   ├── ShopOrderUnknown        it knows no order of that reference
│   ├── ShopOrderDiffers        its order has another amount or currency
│   └── ShopOrderUnavailable    it failed: nobody can say
├── CardDataNotAllowed          a text that seems to contain a card number
├── OrderError                  carries ``order``
│   ├── ReferenceInUse          another attempt for the same reference is live or paid
│   ├── OrderBusy               another request is working on this order
│   ├── OrderNotPayable         this order accepts no card any more
│   │   └── PaymentBeingConfirmed   Nexi is still deciding about an attempt
│   ├── MethodNotOffered        this payment method is not offered for this order
│   ├── TooManyAttempts         a velocity limit is reached: wait
│   ├── PossibleDuplicate       the same card was charged the same amount just now
│   ├── CardBlocked             this card may not be tried again for this purchase
│   ├── InvalidState            not possible in the state of the order
│   │   └── MethodForbids       not possible with the payment method
│   ├── AlreadyCharged          money is held or taken: void or refund it
│   ├── ExceedsRemaining        more than remains to capture or to refund
│   ├── RefundKeyInUse          the key of a queued refund names another one
│   ├── AmbiguousCapture        there are several captures: name one
│   ├── ConsentRequired         the card would be saved, and its owner has not agreed
│   ├── AmountChanged           the remaining amount is not what the person saw
│   ├── ApprovalRequired        above the ceiling: another person has to approve it
│   ├── ApprovalClosed          it was decided, used or withdrawn, or it has expired
│   ├── ApprovalNotAllowed      this person may not approve or refuse it
│   └── GatewayDisagrees        Nexi does not confirm what the person decides
├── ContractError               carries ``contract``
│   ├── ContractNotUsable       ended, suspended, not confirmed, or past its last day
│   └── ContractEndUnconfirmed  Nexi has not confirmed the end
├── ClosingError                a day cannot be closed
│   ├── DayNotOver              too early: operations may still be added to it
│   └── DayAlreadyClosed        it was closed before; carries ``closing``
├── TooManyVerifications        too many failed card verifications: wait
├── CardsNotAccepted            this terminal takes cards on Nexi's hosted page only
├── MotoNotAllowed              the terminal accepts no phone orders
├── TerminalUnavailable         Nexi rejected the API key: no new charges there
│   ├── TerminalNotConfigured   TERMINALS has no terminal of that name
│   └── GatewayUnavailable      Nexi did not answer the inquiry before a request
├── SealedCardUnavailable       the cache for sealed cards is unavailable
├── OutcomeNotRecorded          Nexi answered, and our database did not store the answer
└── GatewayError                no usable response of Nexi; carries ids, never bodies
    ├── NotSent                 not one byte of the request left this machine
    ├── Rejected                a complete 4xx response
    ├── MismatchedResponse      a response about another order, amount or currency
    └── UnknownOutcome          everything else: it may or may not have been done

A decline raises nothing: it is a result, and shows in the order's state. No exception
contains a request, a body or a card, so a traceback in an error tracker is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from nexi_payments.gateway_errors import (
    GatewayError,
    MismatchedResponse,
    NotSent,
    Rejected,
    UnknownOutcome,
)
from nexi_payments.input_errors import (
    CardDataNotAllowed,
    InvalidAmount,
    InvalidCustomer,
    InvalidReference,
    NexiPaymentsError,
    UnstorableText,
)
from nexi_payments.staff_errors import (
    ClosingError,
    DayAlreadyClosed,
    DayNotOver,
    ShopOrderDiffers,
    ShopOrderError,
    ShopOrderUnavailable,
    ShopOrderUnknown,
)

if TYPE_CHECKING:
    from django.utils.functional import Promise

    from nexi_payments.models import (
        Approval,
        Contract,
        PaymentOrder,
        QueuedRefund,
    )

__all__ = [
    "AlreadyCharged",
    "AmbiguousCapture",
    "AmountChanged",
    "ApprovalClosed",
    "ApprovalNotAllowed",
    "ApprovalRequired",
    "CardBlocked",
    "CardDataNotAllowed",
    "CardsNotAccepted",
    "ClosingError",
    "ConsentRequired",
    "ContractEndUnconfirmed",
    "ContractError",
    "ContractNotUsable",
    "DayAlreadyClosed",
    "DayNotOver",
    "ExceedsRemaining",
    "GatewayDisagrees",
    "GatewayError",
    "GatewayUnavailable",
    "InvalidAmount",
    "InvalidCustomer",
    "InvalidReference",
    "InvalidState",
    "MethodForbids",
    "MethodNotOffered",
    "MismatchedResponse",
    "MotoNotAllowed",
    "NexiPaymentsError",
    "NotSent",
    "OrderBusy",
    "OrderError",
    "OrderNotPayable",
    "OutcomeNotRecorded",
    "PaymentBeingConfirmed",
    "PossibleDuplicate",
    "ReferenceInUse",
    "RefundKeyInUse",
    "Rejected",
    "SealedCardUnavailable",
    "ShopOrderDiffers",
    "ShopOrderError",
    "ShopOrderUnavailable",
    "ShopOrderUnknown",
    "TerminalNotConfigured",
    "TerminalUnavailable",
    "TooManyAttempts",
    "TooManyVerifications",
    "UnknownOutcome",
    "UnstorableText",
]


class OrderError(NexiPaymentsError):
    """An error about one order; ``order`` is that order."""

    def __init__(self, order: PaymentOrder, message: str) -> None:
        self.order = order
        super().__init__(f"{message} (order {order.order_id})")


class ReferenceInUse(OrderError):
    """``order`` is the live order that holds the reference."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "another payment for this reference is live")


class OrderBusy(OrderError):
    """A concurrent request was faster, or a gateway call is under way."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "another request is working on this payment")


class OrderNotPayable(OrderError):
    """Paid, authorized, closed or under review: no card is accepted."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "this payment accepts no card")


class PaymentBeingConfirmed(OrderNotPayable):
    """``order`` is an attempt on Nexi's hosted page that Nexi shows as pending. It may
    become paid: nothing else may be paid for this purchase now.
    """


class MethodNotOffered(OrderError):
    """``method`` is not among ``flows.payment_methods(order)``. Nothing was sent."""

    def __init__(self, order: PaymentOrder, method: str) -> None:
        self.method = method
        super().__init__(order, f"the payment method {method[:32]!r} is not offered")


class TooManyAttempts(OrderError):
    """``limit`` is a key of ``RATE_LIMITS``; ``seconds`` is its window's length."""

    def __init__(self, order: PaymentOrder, limit: str, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        super().__init__(order, f"too many attempts by {limit}")


class PossibleDuplicate(OrderError):
    """``duplicates`` are the earlier payments: same amount, last four digits, less than
    ten minutes ago. Nothing was sent; ``allow_duplicate`` charges again.
    """

    def __init__(
        self, order: PaymentOrder, duplicates: tuple[PaymentOrder, ...]
    ) -> None:
        self.duplicates = duplicates
        ids = ", ".join(one.order_id for one in duplicates)
        super().__init__(order, f"the same card and amount were charged in {ids}")


class CardBlocked(OrderError):
    """The issuer answered 413, "excess re-attempts", for this card and purchase; at the
    desk any code that forbids to try it again."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "this card may not be tried again")


class InvalidState(OrderError):
    """Captures need an authorization, refunds a capture, resolutions a review."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, f"not possible while {order.state}")


class MethodForbids(InvalidState):
    """The payment method has no such operation, or the whole amount only. ``sentence``
    tells staff what to do instead. Nothing was sent.
    """

    def __init__(self, order: PaymentOrder, sentence: str | Promise) -> None:
        self.sentence = sentence
        OrderError.__init__(self, order, f"not possible with {order.method}")


class AlreadyCharged(OrderError):
    """A payment that holds or took money cannot be cancelled: void or refund ``order``.
    Under review it may have: resolve it first.
    """

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, f"{order.state}: void or refund it instead")


class ExceedsRemaining(OrderError):
    """``remaining`` is the largest possible amount, in minor units."""

    def __init__(self, order: PaymentOrder, remaining: int) -> None:
        self.remaining = remaining
        super().__init__(order, f"only {remaining} minor units remain")


class RefundKeyInUse(OrderError):
    """The key was used for another order, amount or capture; ``refund`` is that row.
    Nothing was queued.
    """

    def __init__(self, order: PaymentOrder, refund: QueuedRefund) -> None:
        self.refund = refund
        super().__init__(order, "the key of this refund was used for another one")


class AmbiguousCapture(OrderError):
    """A cancel needs one capture, and there are several."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "there are several captures: name one")


class ConsentRequired(OrderError):
    """``order.contract`` saves the card, which needs consent. Nothing was sent."""

    def __init__(self, order: PaymentOrder) -> None:
        super().__init__(order, "the cardholder has not consented to save the card")


class AmountChanged(OrderError):
    """``remaining`` is the current remaining amount, in minor units."""

    def __init__(self, order: PaymentOrder, remaining: int) -> None:
        self.remaining = remaining
        super().__init__(
            order, f"the remaining amount has changed to {remaining} minor units"
        )


class ApprovalRequired(OrderError):
    """The amount is above the ceiling of the person who asks (``APPROVAL_CEILINGS``).
    Nothing was sent. ``approval`` is stored and waits for another person. When that one
    has decided against it, or it has expired, its ``state`` says so.
    """

    def __init__(self, approval: Approval) -> None:
        self.approval = approval
        super().__init__(approval.order, f"approval {approval.pk} is {approval.state}")


class ApprovalClosed(OrderError):
    """Nothing is left to decide; ``approval.state`` says why. Nothing was sent now."""

    def __init__(self, approval: Approval) -> None:
        self.approval = approval
        super().__init__(approval.order, f"approval {approval.pk} is {approval.state}")


class ApprovalNotAllowed(OrderError):
    """People do not approve what they asked for themselves. Others need
    ``approve_payment``, and the right on the terminal. Nothing was changed.
    """

    def __init__(self, approval: Approval) -> None:
        self.approval = approval
        super().__init__(approval.order, f"approval {approval.pk}: not by this person")


class GatewayDisagrees(OrderError):
    """``verdict`` is what Nexi shows (``flows.manual_review.Shown``), "" without a
    response.
    """

    def __init__(self, order: PaymentOrder, verdict: str) -> None:
        self.verdict = verdict
        super().__init__(order, f"Nexi says {verdict or 'nothing'}")


class ContractError(NexiPaymentsError):
    """An error about a saved card; ``contract`` is that contract."""

    def __init__(self, contract: Contract, message: str) -> None:
        self.contract = contract
        super().__init__(f"{message} (contract {contract.contract_id})")


class ContractNotUsable(ContractError):
    """Only a usable contract is charged. Nothing was sent."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract, f"cannot be charged while {contract.state}")


class ContractEndUnconfirmed(ContractError):
    """Nexi gave no usable response. The request is sent again later; no charge is made
    meanwhile.
    """

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract, "Nexi has not confirmed the end")


class TooManyVerifications(NexiPaymentsError):
    """``limit`` is a key of ``RATE_LIMITS``; ``seconds`` is its window's length."""

    def __init__(self, limit: str, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        super().__init__(f"too many failed card verifications by {limit}")


class CardsNotAccepted(NexiPaymentsError):
    """``TERMINALS[name]["CARDS"]`` is "hosted_page": no card may be sent to this
    server. Nothing was sent to Nexi.
    """

    def __init__(self, terminal: str) -> None:
        self.terminal = terminal
        super().__init__(
            f"terminal {terminal!r} takes cards on Nexi's hosted page only"
        )


class MotoNotAllowed(NexiPaymentsError):
    """``TERMINALS[name]["MOTO"]`` is not set."""

    def __init__(self, terminal: str) -> None:
        self.terminal = terminal
        super().__init__(f"terminal {terminal!r} accepts no phone orders")


class TerminalUnavailable(NexiPaymentsError):
    """Nexi rejected this terminal's API key. No new charges until it works again."""

    def __init__(self, terminal: str, cause: str = "Nexi rejected its API key") -> None:
        self.terminal = terminal
        super().__init__(f"terminal {terminal!r} accepts no charges: {cause}")


class TerminalNotConfigured(TerminalUnavailable, ImproperlyConfigured):
    """``TERMINALS`` has no terminal of this name, or no longer. Nothing was sent."""

    def __init__(self, terminal: str, hint: str = "") -> None:
        super().__init__(terminal, f"it is not in NEXI_PAYMENTS['TERMINALS']{hint}")


class GatewayUnavailable(TerminalUnavailable):
    """Nexi did not answer the status inquiry that goes before each capture, void,
    refund, cancel and charge of a saved card. Nothing was sent; try again later.
    Renewing and cancelling a payment link of Nexi's: its answer was lost.
    """

    def __init__(self, terminal: str) -> None:
        super().__init__(terminal, "Nexi does not answer")


class SealedCardUnavailable(NexiPaymentsError):
    """``SEALED_CARD_BACKEND`` did not store a sealed card, or ``SEALED_CARD_KEYS`` gave
    no key. During 3-D Secure flows turn it into a failed attempt: nothing was charged.
    """

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        super().__init__(f"the card of order {order_id} could not be sealed")


class OutcomeNotRecorded(NexiPaymentsError):
    """The commit of the outcome failed. The operation stays unsettled, and
    reconciliation settles it.
    """

    def __init__(self, order_id: str, correlation_id: str) -> None:
        self.order_id = order_id
        self.correlation_id = correlation_id
        super().__init__(f"outcome of {correlation_id} for order {order_id} not stored")
