"""What is answered. Amounts are texts in major units ("12.50")."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import ISO_8601, serializers

from nexi_payments import money, states
from nexi_payments.flows import postauth, verifying
from nexi_payments.models import CardCheck, Contract, Operation, PaymentOrder


class Money(serializers.Field[Any, Any, str, PaymentOrder]):
    """A column of minor units, shown in major ones."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        order = instance if isinstance(instance, PaymentOrder) else instance.order
        minor = getattr(instance, str(self.source))
        return None if minor is None else money.to_major(minor, order.currency)

    def to_representation(self, value: Any) -> str:
        return str(value)


class CardOut(serializers.Serializer[PaymentOrder]):
    brand = serializers.CharField(source="card_brand", allow_blank=True)
    last4 = serializers.CharField(source="card_last4")
    expiry = serializers.CharField(source="card_expiry", help_text="MMYY")


class MessageOut(serializers.Serializer[Any]):
    """For the person who pays, in the language of the request."""

    tone = serializers.ChoiceField(choices=["good", "wait", "bad", "neutral"])
    title = serializers.CharField()
    text = serializers.CharField()


class _Renamed(serializers.Serializer[Any]):
    """``fields_`` in the class is "fields" in JSON: DRF has taken some names."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        found = super().get_fields()
        return {name.rstrip("_"): field for name, field in found.items()}


class NextAction(_Renamed):
    """What the page that pays does now. Members depend on ``type``."""

    type = serializers.ChoiceField(
        choices=["enter_card", "redirect", "pending", "done", "failed", "contact"],
        help_text="redirect: post `fields` to `url` from the browser. pending: ask"
        " again after `after` seconds. failed: `can_retry` with another card.",
    )
    method = serializers.CharField(required=False)
    url = serializers.CharField(required=False)
    fields_ = serializers.DictField(child=serializers.CharField(), required=False)
    token = serializers.CharField(required=False)
    after = serializers.IntegerField(required=False)
    can_retry = serializers.BooleanField(required=False)


class CheckoutOut(serializers.Serializer[Any]):
    """A payment as the shopper may see it."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=list(states.STATES))
    final = serializers.BooleanField()
    amount = serializers.CharField()
    currency = serializers.CharField()
    reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_blank=True)
    card = CardOut(allow_null=True)
    agreement = serializers.CharField(
        allow_blank=True,
        help_text="Show it with a box to tick, and send `agreed`: the card stays on"
        ' file. "" = nothing to agree to.',
    )
    message = MessageOut()
    next_action = NextAction()
    client_secret = serializers.CharField(
        required=False, help_text="Of the payment `id`, which may be a new attempt"
    )


class OrderOut(serializers.Serializer[PaymentOrder]):
    """A payment as the shop's server sees it."""

    id = serializers.CharField(source="public_id")
    order_id = serializers.CharField(help_text="at Nexi")
    state = serializers.ChoiceField(choices=list(states.STATES))
    final = serializers.BooleanField(source="is_final")
    successful = serializers.BooleanField(source="is_successful")
    reason = serializers.CharField(allow_blank=True)
    channel = serializers.ChoiceField(choices=list(states.CHANNELS))
    terminal = serializers.CharField()
    amount = Money()
    currency = serializers.CharField()
    captured = Money(source="captured_amount")
    refunded = Money(source="refunded_amount")
    left_to_capture = Money()
    left_to_refund = Money()
    reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_blank=True)
    card = serializers.SerializerMethodField()
    contract = serializers.CharField(
        source="contract.contract_id",
        default=None,
        allow_null=True,
        help_text="The card on file",
    )
    exemption = serializers.CharField(allow_blank=True)
    response_code = serializers.CharField(allow_blank=True)
    eci = serializers.CharField(allow_blank=True)
    pay_url = serializers.CharField(source="get_absolute_url")
    created_at = serializers.DateTimeField(format=ISO_8601)
    expires_at = serializers.DateTimeField(format=ISO_8601)
    client_secret = serializers.CharField(
        required=False, help_text="Only in the answer to its creation"
    )

    @extend_schema_field(CardOut(allow_null=True))
    def get_card(self, order: PaymentOrder) -> Any:
        return CardOut(order).data if order.card_last4 else None


class OperationOut(serializers.Serializer[Operation]):
    """One request to Nexi. ``outcome`` "accepted": sent, Nexi has yet to confirm."""

    id = serializers.IntegerField(source="pk")
    kind = serializers.ChoiceField(choices=list(states.KINDS))
    outcome = serializers.ChoiceField(choices=list(states.OUTCOMES))
    amount = Money(allow_null=True)
    of = serializers.IntegerField(
        source="of_id", allow_null=True, help_text="The capture it is about"
    )
    left_to_refund = serializers.SerializerMethodField(
        help_text="Of a confirmed capture; null for anything else"
    )
    correlation_id = serializers.CharField(help_text="what Nexi was sent")
    request_id = serializers.CharField(allow_blank=True, help_text="the host's own")
    cid = serializers.CharField(allow_blank=True, help_text="Nexi's trace id")
    gateway_operation_id = serializers.CharField(allow_blank=True)
    result = serializers.CharField(allow_blank=True)
    response_code = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(format=ISO_8601)
    settled_at = serializers.DateTimeField(format=ISO_8601, allow_null=True)

    def get_left_to_refund(self, operation: Operation) -> str | None:
        if operation.kind != states.CAPTURE or operation.outcome != states.DONE:
            return None
        left = postauth.left_of(operation)
        return str(money.to_major(left, operation.order.currency))


class ContractOut(serializers.Serializer[Contract]):
    """A card on file. Never a card number: that is at Nexi alone."""

    id = serializers.CharField(source="contract_id")
    #: a text, as two sets of choices named "state" have no name in a description
    state = serializers.CharField(help_text=", ".join(states.CONTRACT_STATES))
    usable = serializers.BooleanField(source="is_usable")
    kind = serializers.ChoiceField(choices=[states.UNSCHEDULED, states.SCHEDULED])
    customer_id = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    terminal = serializers.CharField()
    brand = serializers.CharField(source="card_brand", allow_blank=True)
    last4 = serializers.CharField(source="card_last4", allow_blank=True)
    expiry = serializers.CharField(source="card_expiry", help_text="MMYY")
    every = serializers.IntegerField(
        source="frequency", allow_null=True, help_text="Days between charges"
    )
    amount = serializers.CharField(source="total", allow_null=True)
    currency = serializers.CharField()
    until = serializers.DateField(allow_null=True)
    next_charge = serializers.DateTimeField(
        source="due_at", format=ISO_8601, allow_null=True
    )
    agreed_at = serializers.DateTimeField(format=ISO_8601, allow_null=True)
    created_at = serializers.DateTimeField(format=ISO_8601)
    ended_at = serializers.DateTimeField(format=ISO_8601, allow_null=True)


class CheckOut(serializers.Serializer[CardCheck]):
    """A card that was verified for nothing; no money has moved, whatever it says."""

    id = serializers.CharField(source="order_id", help_text="at Nexi")
    outcome = serializers.SerializerMethodField(
        help_text="done: good. refused: by the bank. not_sent: no bank was asked."
        " in_doubt: nobody can say. open: being asked, look again."
    )
    good = serializers.BooleanField(source="is_good")
    key_refused = serializers.BooleanField(
        help_text="Nexi refuses the key of the terminal; this is not about the card"
    )
    response_code = serializers.CharField(allow_blank=True)
    terminal = serializers.CharField()
    card = CardOut(source="*")
    correlation_id = serializers.CharField(help_text="what Nexi was sent")
    created_at = serializers.DateTimeField(format=ISO_8601)

    @extend_schema_field(serializers.ChoiceField(choices=list(states.OUTCOMES)))
    def get_outcome(self, check: CardCheck) -> str:
        return verifying.standing(check)


class DoneOut(serializers.Serializer[Any]):
    operation = OperationOut()
    order = OrderOut()


class FieldProblem(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemOut(_Renamed):
    """RFC 9457. ``code`` is the word for programs."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors_ = FieldProblem(many=True, required=False)
    hint = serializers.CharField(required=False)
    left = serializers.CharField(required=False)
    order = serializers.CharField(required=False)
    retry_after = serializers.IntegerField(required=False)
    request_id = serializers.CharField(required=False, help_text="the host's own")
