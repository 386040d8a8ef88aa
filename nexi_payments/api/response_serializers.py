"""Response bodies. Amounts are strings in major units ("12.50")."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import ISO_8601, serializers
from rest_framework.request import Request

from nexi_payments import enums, flows, money, payment_methods, permissions
from nexi_payments.api.fields import MoneyField
from nexi_payments.enums import (
    ApprovalFailure,
    ApprovalState,
    Channel,
    ContractKind,
    ContractState,
    DisplayStatus,
    OperationKind,
    OperationOutcome,
    OrderState,
    VerificationOutcome,
)
from nexi_payments.flows import card_verification, confirmed_captures
from nexi_payments.models import (
    Approval,
    CardVerification,
    Contract,
    Operation,
    PaymentOrder,
)


class CardResponseSerializer(serializers.Serializer[PaymentOrder]):
    brand = serializers.CharField(source="card_brand", allow_blank=True)
    last4 = serializers.CharField(source="card_last4")
    expiry = serializers.CharField(source="card_expiry", help_text="MMYY")


class MessageResponseSerializer(serializers.Serializer[Any]):
    """A message for the shopper, in the language of the request."""

    tone = serializers.ChoiceField(choices=["good", "wait", "bad", "neutral"])
    title = serializers.CharField()
    text = serializers.CharField()


class _TrailingUnderscoreSerializer(serializers.Serializer[Any]):
    """``fields_`` in the class is "fields" in JSON: DRF itself uses some names."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        return {name.rstrip("_"): field for name, field in fields.items()}


class NextActionResponseSerializer(_TrailingUnderscoreSerializer):
    """The next step of the payment page. The members depend on ``type``."""

    type = serializers.ChoiceField(
        choices=[
            *("enter_card", "choose_method", "redirect", "redirect_to_url"),
            *("pending", "done", "failed", "contact"),
        ],
        help_text="redirect: post `fields` to `url` from the browser. redirect_to_url:"
        " go to `url`. choose_method: this terminal takes no card here. pending: ask"
        " again after `retry_after` seconds. failed: `can_retry` with another card or"
        " method.",
    )
    method = serializers.CharField(required=False)
    url = serializers.CharField(required=False)
    fields_ = serializers.DictField(child=serializers.CharField(), required=False)
    token = serializers.CharField(required=False)
    retry_after = serializers.IntegerField(required=False, help_text="Seconds")
    can_retry = serializers.BooleanField(required=False)


class OfferedMethodResponseSerializer(_TrailingUnderscoreSerializer):
    """A payment method of Nexi's hosted page that is offered."""

    code = serializers.CharField()
    label_ = serializers.CharField(help_text="In the language of the request")


class MethodResponseSerializer(OfferedMethodResponseSerializer):
    """With what it allows."""

    minimum = serializers.CharField(allow_null=True, help_text="Major units")
    maximum = serializers.CharField(allow_null=True, help_text="Major units")
    currencies = serializers.ListField(
        child=serializers.CharField(), help_text="Empty for all"
    )
    refunds = serializers.ChoiceField(
        choices=list(payment_methods.REFUNDS),
        help_text="full: the whole amount only. none: refund outside Nexi.",
    )


class MethodsResponseSerializer(serializers.Serializer[Any]):
    takes_cards = serializers.BooleanField(help_text="Whether `pay/` takes a card")
    methods = MethodResponseSerializer(many=True)


class CheckoutResponseSerializer(serializers.Serializer[Any]):
    """A payment, for the shopper's browser."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=list(OrderState.values))
    final = serializers.BooleanField()
    amount = serializers.CharField()
    currency = serializers.CharField()
    reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_blank=True)
    card = CardResponseSerializer(allow_null=True)
    consent_text = serializers.CharField(
        allow_blank=True,
        help_text="Show it with a checkbox and send `consent`: the card is saved."
        ' "" = no consent is needed.',
    )
    message = MessageResponseSerializer()
    method = serializers.CharField(
        allow_blank=True,
        help_text='The payment method on Nexi\'s hosted page; "" = a card here, or none'
        " yet",
    )
    methods = OfferedMethodResponseSerializer(many=True)
    next_action = NextActionResponseSerializer()
    client_secret = serializers.CharField(
        required=False,
        help_text="The secret of the payment `id`, which may be a new attempt",
    )


class OrderResponseSerializer(serializers.Serializer[PaymentOrder]):
    """A payment, for the shop's server."""

    id = serializers.CharField(source="order_id", help_text="May be shown and logged")
    order_id = serializers.CharField(help_text="The same value, by Nexi's name for it")
    state = serializers.ChoiceField(choices=list(OrderState.values))
    display_status = serializers.ChoiceField(
        choices=list(DisplayStatus.values),
        help_text="For people: `state`, or a finer word where money or the reason say"
        " more. Decide by `state` and the amounts.",
    )
    final = serializers.BooleanField(source="is_final")
    successful = serializers.BooleanField(source="is_successful")
    reason = serializers.CharField(allow_blank=True)
    channel = serializers.ChoiceField(choices=list(Channel.values))
    terminal = serializers.CharField()
    method = serializers.CharField(
        allow_blank=True,
        help_text='The payment method on Nexi\'s hosted page; "" = a card here, or none'
        " yet",
    )
    amount = MoneyField()
    currency = serializers.CharField()
    captured = MoneyField(source="captured_amount")
    refunded = MoneyField(source="refunded_amount")
    remaining_to_capture = serializers.SerializerMethodField()
    remaining_to_refund = serializers.SerializerMethodField()
    reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_blank=True)
    card = serializers.SerializerMethodField()
    contract = serializers.CharField(
        source="contract.contract_id",
        default=None,
        allow_null=True,
        help_text="The id of the contract (saved card)",
    )
    exemption = serializers.CharField(allow_blank=True)
    response_code = serializers.CharField(allow_blank=True)
    eci = serializers.CharField(allow_blank=True)
    pay_url = serializers.SerializerMethodField(
        help_text="The URL of the card page. Anybody with the URL can open it, so it is"
        " null for users who may neither create payments nor take phone orders."
    )
    created_at = serializers.DateTimeField(format=ISO_8601)
    expires_at = serializers.DateTimeField(format=ISO_8601)
    cancelled_at = serializers.DateTimeField(
        format=ISO_8601,
        allow_null=True,
        help_text="When the shop cancelled it: no card is accepted any more",
    )
    client_secret = serializers.CharField(
        required=False, help_text="Only in the response to its creation"
    )

    def get_remaining_to_capture(self, order: PaymentOrder) -> str:
        return _major_text(flows.available(order).capture or 0, order)

    def get_remaining_to_refund(self, order: PaymentOrder) -> str:
        return _major_text(flows.available(order).refund or 0, order)

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_pay_url(self, order: PaymentOrder) -> str | None:
        user = getattr(self.context.get("request"), "user", None)
        allowed = user is not None and permissions.user_has_any(
            user, permissions.CREATE_PAYMENTS, permissions.TAKE_MOTO
        )
        return order.page_url() if allowed else None

    @extend_schema_field(CardResponseSerializer(allow_null=True))
    def get_card(self, order: PaymentOrder) -> Any:
        return CardResponseSerializer(order).data if order.card_last4 else None


def order_data(order: PaymentOrder, request: Request) -> dict[str, Any]:
    """The data of ``OrderResponse``, limited to what the user may see."""
    data: dict[str, Any] = OrderResponseSerializer(
        order, context={"request": request}
    ).data
    return data


class NexiLinkResponseSerializer(serializers.Serializer[Any]):
    """A payment link of Nexi's, and its payment."""

    order = OrderResponseSerializer()
    is_open = serializers.BooleanField(help_text="Whether it can be paid")
    expires_on = serializers.DateField(
        allow_null=True, help_text="The last day of an open link"
    )
    url = serializers.CharField(
        allow_null=True,
        help_text="To be sent to the customer. Stored nowhere: only in the responses to"
        " its creation and to GET",
    )


class OperationDetailResponseSerializer(serializers.Serializer[Operation]):
    """A request to Nexi. ``outcome`` "accepted": Nexi has not confirmed it yet."""

    id = serializers.IntegerField(source="pk")
    kind = serializers.ChoiceField(choices=list(OperationKind.values))
    outcome = serializers.ChoiceField(choices=list(OperationOutcome.values))
    amount = MoneyField(allow_null=True)
    capture = serializers.IntegerField(
        source="capture_id",
        allow_null=True,
        help_text="The id of the capture that is refunded or cancelled",
    )
    remaining_to_refund = serializers.SerializerMethodField(
        help_text="Of a confirmed capture; null for anything else"
    )
    adopted = serializers.BooleanField(
        source="is_adopted", help_text="Made at Nexi, not here"
    )
    by_totals = serializers.BooleanField(
        help_text="A capture that only Nexi's total shows: it has no id"
    )
    correlation_id = serializers.CharField(
        allow_blank=True, help_text='Sent to Nexi with the request; "" if adopted'
    )
    request_id = serializers.CharField(
        allow_blank=True, help_text="The project's own request id"
    )
    cid = serializers.CharField(allow_blank=True, help_text="Nexi's trace id")
    gateway_operation_id = serializers.CharField(allow_blank=True)
    result = serializers.CharField(allow_blank=True)
    response_code = serializers.CharField(allow_blank=True)
    authorization_code = serializers.CharField(
        allow_blank=True, help_text="The issuer's; a chargeback names it"
    )
    rrn = serializers.CharField(
        allow_blank=True, help_text="Retrieval reference number; a chargeback names it"
    )
    reason = serializers.CharField(
        allow_blank=True,
        help_text="Of a refund or void: a code of `RefundReason`, or words",
    )
    created_at = serializers.DateTimeField(format=ISO_8601)
    settled_at = serializers.DateTimeField(format=ISO_8601, allow_null=True)

    def get_remaining_to_refund(self, operation: Operation) -> str | None:
        remaining = confirmed_captures.remaining_of(operation)
        return None if remaining is None else _major_text(remaining, operation.order)


def _major_text(minor: int, order: PaymentOrder) -> str:
    return str(money.to_major(minor, order.currency))


class ApprovalResponseSerializer(serializers.Serializer[Approval]):
    """A refund or phone order that needs another person's approval."""

    id = serializers.IntegerField(source="pk")
    order = serializers.CharField(source="order.order_id")
    kind = serializers.ChoiceField(choices=sorted(enums.APPROVABLE))
    #: CharField: two enums named ``state`` collide in the OpenAPI schema
    state = serializers.CharField(help_text=", ".join(ApprovalState.values))
    amount = serializers.CharField(source="total")
    currency = serializers.CharField(source="order.currency")
    reference = serializers.CharField(source="order.reference", allow_null=True)
    terminal = serializers.CharField()
    capture = serializers.IntegerField(
        source="capture_id",
        allow_null=True,
        help_text="The id of the capture that is to be refunded",
    )
    asked_by = serializers.CharField(source="requester_name")
    decided_by = serializers.CharField(
        source="approver_name", allow_blank=True, help_text='"" = nobody yet'
    )
    reason = serializers.CharField(allow_blank=True)
    decision_reason = serializers.CharField(allow_blank=True)
    failure = serializers.CharField(
        allow_blank=True,
        help_text="Why an outdated request was not sent: "
        + ", ".join(ApprovalFailure.values),
    )
    operation = OperationDetailResponseSerializer(
        allow_null=True, help_text="What was sent with it; null = nothing yet"
    )
    created_at = serializers.DateTimeField(format=ISO_8601)
    expires_at = serializers.DateTimeField(format=ISO_8601)
    decided_at = serializers.DateTimeField(format=ISO_8601, allow_null=True)


class ContractResponseSerializer(serializers.Serializer[Contract]):
    """A contract (saved card). It has no card number: only Nexi has that."""

    id = serializers.CharField(source="contract_id")
    #: CharField: two enums named ``state`` collide in the OpenAPI schema
    state = serializers.CharField(help_text=", ".join(ContractState.values))
    usable = serializers.BooleanField(source="is_usable")
    kind = serializers.ChoiceField(
        choices=[ContractKind.UNSCHEDULED, ContractKind.SCHEDULED]
    )
    customer_id = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    terminal = serializers.CharField()
    brand = serializers.CharField(source="card_brand", allow_blank=True)
    last4 = serializers.CharField(source="card_last4", allow_blank=True)
    expiry = serializers.CharField(source="card_expiry", help_text="MMYY")
    interval_days = serializers.IntegerField(
        source="frequency", allow_null=True, help_text="Days between charges"
    )
    amount = serializers.CharField(source="total", allow_null=True)
    currency = serializers.CharField()
    until = serializers.DateField(allow_null=True)
    next_charge = serializers.DateTimeField(
        source="next_charge_at", format=ISO_8601, allow_null=True
    )
    consented_at = serializers.DateTimeField(format=ISO_8601, allow_null=True)
    created_at = serializers.DateTimeField(format=ISO_8601)
    ended_at = serializers.DateTimeField(format=ISO_8601, allow_null=True)


class CardVerificationResponseSerializer(serializers.Serializer[CardVerification]):
    """A zero-amount card verification. No money moved, with any outcome."""

    id = serializers.CharField(source="order_id", help_text="The order id at Nexi")
    outcome = serializers.SerializerMethodField(
        help_text="done: successful. declined: by the issuer. not_sent: no issuer was"
        " asked. in_doubt: the outcome stays unknown. open: in progress, read again."
    )
    successful = serializers.BooleanField(source="is_successful")
    terminal_rejected = serializers.BooleanField(
        help_text="Nexi did not accept the terminal's API key for this request; this is"
        " not about the card"
    )
    response_code = serializers.CharField(allow_blank=True)
    terminal = serializers.CharField()
    card = CardResponseSerializer(source="*")
    correlation_id = serializers.CharField(help_text="Sent to Nexi with the request")
    created_at = serializers.DateTimeField(format=ISO_8601)

    @extend_schema_field(
        serializers.ChoiceField(choices=list(VerificationOutcome.values))
    )
    def get_outcome(self, verification: CardVerification) -> str:
        return card_verification.current_outcome(verification)


class OperationResponseSerializer(serializers.Serializer[Any]):
    operation = OperationDetailResponseSerializer()
    order = OrderResponseSerializer()


class FieldErrorResponseSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemResponseSerializer(_TrailingUnderscoreSerializer):
    """Problem details (RFC 9457). Programs read ``code``."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors_ = FieldErrorResponseSerializer(many=True, required=False)
    hint = serializers.CharField(required=False)
    remaining = serializers.CharField(required=False)
    order = serializers.CharField(required=False)
    approval = serializers.IntegerField(
        required=False, help_text="The id of a request for approval"
    )
    approval_state = serializers.CharField(required=False)
    retry_after = serializers.IntegerField(required=False)
    captcha_url = serializers.CharField(required=False)
    request_id = serializers.CharField(
        required=False, help_text="The project's own request id"
    )
