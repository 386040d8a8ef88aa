"""Request bodies. Unknown members are rejected. Amounts are strings in major units
("12.50")."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final

from rest_framework import serializers

from nexi_payments import conf, shop_time
from nexi_payments.api.fields import (
    AmountField,
    OneLineCharField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UrlOrPathField,
)
from nexi_payments.conf.validators import did_you_mean
from nexi_payments.enums import RefundReason
from nexi_payments.flows import ContractTerms
from nexi_payments.flows.hosted import nexi_links
from nexi_payments.gateway.payloads import EXEMPTIONS

_MEMBER_NAME: Final = re.compile(r"[A-Za-z_]{1,40}", re.ASCII)
_MAX_REPORTED: Final = 20


class StrictSerializer(serializers.Serializer[Any]):
    """Rejects unknown members."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [name for name in data if name not in self.fields][:_MAX_REPORTED]
            if unknown:
                raise serializers.ValidationError(
                    dict(map(self._unknown_member, unknown)), code="unknown"
                )
        return super().to_internal_value(data)

    def _unknown_member(self, name: str) -> tuple[str, list[str]]:
        if not _MEMBER_NAME.fullmatch(name):
            return "?", ["Unknown member."]  # its name may be a card number
        return name, [f"Unknown member{did_you_mean(name, self.fields)}"]


def _optional_text(help_text: str = "", max_length: int = 255) -> StrictCharField:
    return StrictCharField(
        max_length=max_length, required=False, allow_blank=True, help_text=help_text
    )


_DATE_FORMAT: Final = "YYYY-MM-DD"


class AddressRequestSerializer(StrictSerializer):
    """For 3-D Secure. Values that Nexi would reject are omitted without an error."""

    name = _optional_text()
    street = _optional_text()
    street2 = _optional_text("The second line")
    city = _optional_text()
    post_code = _optional_text()
    province = _optional_text("Code of one or two characters")
    country = _optional_text("ISO 3166-1 code, two or three letters")


class AccountRequestSerializer(StrictSerializer):
    """The customer's account at the shop, for 3-D Secure. Invalid values are omitted,
    as in `AddressRequest`."""

    guest = StrictBooleanField(required=False)
    created = _optional_text(_DATE_FORMAT)
    changed = _optional_text(_DATE_FORMAT)
    password_changed = _optional_text(_DATE_FORMAT)
    purchases = StrictIntegerField(required=False, help_text="In the last six months")
    attempts_today = StrictIntegerField(required=False)
    attempts_this_year = StrictIntegerField(required=False)
    cards_added_today = StrictIntegerField(required=False)
    shipping_address_since = _optional_text(_DATE_FORMAT)
    shipping_name_differs = StrictBooleanField(required=False)
    card_since = _optional_text(_DATE_FORMAT)
    suspicious = StrictBooleanField(required=False)


class RiskRequestSerializer(StrictSerializer):
    """Risk data of this purchase, for 3-D Secure. Invalid values are omitted, as in
    `AddressRequest`."""

    delivery = _optional_text("at once, same day, overnight, later")
    delivery_email = _optional_text()
    ship_to = _optional_text("billing, known, other, store, digital, tickets, nothing")
    pre_order = StrictBooleanField(required=False)
    pre_order_date = _optional_text(_DATE_FORMAT)
    reorder = StrictBooleanField(required=False)
    gift_cards = StrictIntegerField(required=False)


class CustomerRequestSerializer(StrictSerializer):
    name = OneLineCharField(max_length=255, required=False, allow_blank=True)
    email = OneLineCharField(max_length=254, required=False, allow_blank=True)
    billing_address = AddressRequestSerializer(required=False)
    shipping_address = AddressRequestSerializer(required=False)
    mobile_phone = _optional_text("With its country code: +39 …")
    home_phone = _optional_text()
    work_phone = _optional_text()
    account = AccountRequestSerializer(required=False)
    risk = RiskRequestSerializer(required=False)


class TerminalRequestSerializer(StrictSerializer):
    def validate_terminal(self, name: str) -> str:
        if name not in conf.current().terminals:
            raise serializers.ValidationError("There is no such terminal.")
        return name


class PurchaseRequestSerializer(TerminalRequestSerializer):
    amount = AmountField()
    currency = StrictCharField(max_length=3, min_length=3, help_text="ISO 4217, EUR")
    description = OneLineCharField(
        max_length=255, required=False, allow_blank=True, default=""
    )
    customer = CustomerRequestSerializer(required=False)


class ContractRequestSerializer(StrictSerializer):
    """Saves the card, with the shopper's consent: see `consent_text` of the
    checkout."""

    description = OneLineCharField(
        max_length=255, required=False, allow_blank=True, default=""
    )
    interval_days = StrictIntegerField(
        min_value=1, max_value=9999, required=False, help_text="Days between charges"
    )
    amount = AmountField(
        required=False, help_text="Of each charge; needs `interval_days`"
    )
    until = serializers.DateField(required=False, help_text="The last day")
    customer_id = OneLineCharField(max_length=27, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> ContractTerms:
        if "amount" in attrs and "interval_days" not in attrs:
            raise serializers.ValidationError({"amount": ["Needs `interval_days`."]})
        if attrs.get("until", date.max) < shop_time.today():
            raise serializers.ValidationError({"until": ["Must not be in the past."]})
        return ContractTerms(**attrs)


class OrderRequestSerializer(PurchaseRequestSerializer):
    contract = ContractRequestSerializer(required=False)
    exemption = serializers.ChoiceField(
        choices=list(EXEMPTIONS),
        required=False,
        help_text="Exemption to request from 3-D Secure",
        # DRF's own message repeats the value
        error_messages={"invalid_choice": f"Must be one of {', '.join(EXEMPTIONS)}."},
    )
    reference = OneLineCharField(
        max_length=100,
        required=False,
        help_text="The shop's own order number. While a payment for it is live, the"
        " same purchase returns that payment.",
    )
    terminal = StrictCharField(max_length=64, required=False, default="default")
    success_url = UrlOrPathField(
        max_length=500,
        required=False,
        help_text="Where the shopper is sent after the payment",
    )
    failure_url = UrlOrPathField(max_length=500, required=False)
    expires_in = StrictIntegerField(
        min_value=1, max_value=2_592_000, required=False, help_text="Seconds"
    )


class CardRequestSerializer(StrictSerializer):
    """The form fields of the card page, validated by the same form."""

    cardholder_name = OneLineCharField(max_length=100)
    card_number = StrictCharField(max_length=23, write_only=True)
    expiry = StrictCharField(max_length=9, write_only=True, help_text="MM/YY")
    security_code = StrictCharField(max_length=4, min_length=3, write_only=True)


class PayRequestSerializer(CardRequestSerializer):
    consent = StrictBooleanField(
        required=False,
        default=False,
        help_text="The shopper has accepted `consent_text` of the checkout.",
    )


class PayDetailsRequestSerializer(StrictSerializer):
    """``PayRequest`` without the card."""

    consent = StrictBooleanField(required=False, default=False)


class HostedPageRequestSerializer(StrictSerializer):
    method = StrictCharField(max_length=32, help_text="A code of `methods/`")
    language = StrictCharField(
        max_length=16,
        required=False,
        help_text="Of Nexi's page; the language of the request if absent",
    )


class NexiLinkRenewalRequestSerializer(StrictSerializer):
    expires_on = serializers.DateField(
        help_text="The last day: from tomorrow to 90 days ahead, in Italian time"
    )

    def validate_expires_on(self, day: date) -> date:
        first, last = nexi_links.last_days()
        if not first <= day <= last:
            raise serializers.ValidationError(f"Must be from {first} to {last}.")
        return day


class NexiLinkRequestSerializer(NexiLinkRenewalRequestSerializer):
    language = StrictCharField(
        max_length=16,
        required=False,
        help_text="Of Nexi's page; the language of the request if absent",
    )


class ContinueRequestSerializer(StrictSerializer):
    """What the issuer posted, and ``token`` of ``next_action``."""

    token = StrictCharField(max_length=128)
    PaRes = StrictCharField(
        max_length=65536, required=False, allow_blank=True, default=""
    )
    paymentId = StrictCharField(
        max_length=64, required=False, allow_blank=True, default=""
    )


class CaptureRequestSerializer(StrictSerializer):
    amount = AmountField(
        required=False, help_text="Major units; the whole remaining amount if absent"
    )
    expected_remaining = AmountField(
        required=False,
        help_text="The remaining amount that you know; 409 if it is another one",
    )


class RefundRequestSerializer(CaptureRequestSerializer):
    capture = StrictIntegerField(
        required=False, min_value=1, help_text="The operation id of a capture"
    )
    reason = StrictCharField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text="Kept on the operation. A code of `RefundReason`"
        f" ({', '.join(RefundReason.values)}), which staff read in their language, or"
        " your own words",
    )


class CancelRequestSerializer(StrictSerializer):
    reason = StrictCharField(
        max_length=300,
        required=False,
        allow_blank=True,
        default="",
        help_text="For the history of the payment and its signal",
    )


class CancelCaptureRequestSerializer(StrictSerializer):
    capture = StrictIntegerField(
        required=False,
        min_value=1,
        help_text="The operation id of the capture; required if there are several",
    )


class ChargeRequestSerializer(StrictSerializer):
    """A merchant-initiated charge to a saved card."""

    amount = AmountField()
    currency = StrictCharField(max_length=3, min_length=3, help_text="ISO 4217, EUR")
    reference = OneLineCharField(max_length=100, help_text="Charged at most once")
    description = OneLineCharField(
        max_length=255, required=False, allow_blank=True, default=""
    )


class EmptyRequestSerializer(StrictSerializer):
    """An empty object."""


class RefuseApprovalRequestSerializer(StrictSerializer):
    reason = StrictCharField(max_length=300, help_text="For the history of the payment")


class MotoDetailsRequestSerializer(PurchaseRequestSerializer):
    """``MotoRequest`` without the card."""

    reference = OneLineCharField(max_length=100, help_text="Required for phone orders")
    terminal = StrictCharField(
        max_length=64, required=False, help_text="The first with MOTO if absent"
    )
    allow_duplicate = StrictBooleanField(
        required=False,
        default=False,
        help_text="Charge the same amount to the same card again within ten minutes",
    )


class MotoRequestSerializer(MotoDetailsRequestSerializer, CardRequestSerializer):
    """A phone order and its card."""


class CardVerificationDetailsRequestSerializer(TerminalRequestSerializer):
    """``CardVerificationRequest`` without the card."""

    currency = StrictCharField(
        max_length=3, min_length=3, required=False, default="EUR", help_text="ISO 4217"
    )
    terminal = StrictCharField(
        max_length=64, required=False, help_text="The first with MOTO if absent"
    )


class CardVerificationRequestSerializer(
    CardVerificationDetailsRequestSerializer, CardRequestSerializer
):
    """A zero-amount card verification."""
