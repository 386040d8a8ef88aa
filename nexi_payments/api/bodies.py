"""What may be sent. Unknown members are refused: nobody sets what is not offered.
Amounts are texts in major units ("12.50")."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.utils import timezone
from rest_framework import serializers

from nexi_payments import conf
from nexi_payments.conf.reading import did_you_mean
from nexi_payments.flows import CardOnFile
from nexi_payments.gateway.payloads import EXEMPTIONS

_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_]{1,40}", re.ASCII)
_SHOWN: Final = 20
_ADDRESS: Final = r"^(/|https?://)\S*$"


class Strict(serializers.Serializer[Any]):
    """Refuses members that it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [name for name in data if name not in self.fields][:_SHOWN]
            if unknown:
                raise serializers.ValidationError(
                    dict(map(self._why, unknown)), code="unknown"
                )
        return super().to_internal_value(data)

    def _why(self, name: str) -> tuple[str, list[str]]:
        if not _NAME.fullmatch(name):
            return "?", ["A member with an odd name is not known here."]
        return name, [f"Not known here{did_you_mean(name, self.fields)}"]


class Text(serializers.CharField):
    """A JSON string; DRF would take a number for one, too."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.Field[bool, Any, bool, bool]):
    """true or false, and no word that means it."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data

    def to_representation(self, value: bool) -> bool:
        return value


class Seconds(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Amount(serializers.Field[Any, Any, str, Any]):
    """Major units as a text: "12.50". Numbers are refused: floats."""

    default_error_messages = {
        "invalid": 'Must be a text like "12.50": major units, a point, no sign.'
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not _AMOUNT.fullmatch(data):
            self.fail("invalid")
        return Decimal(data)

    def to_representation(self, value: Any) -> str:
        return str(value)


def _maybe(help_text: str = "", longest: int = 255) -> Text:
    return Text(
        max_length=longest, required=False, allow_blank=True, help_text=help_text
    )


_DAY: Final = "YYYY-MM-DD"


class PlaceIn(Strict):
    """For 3-D Secure. What Nexi would not take is left out, and is no error."""

    name = _maybe()
    street = _maybe()
    more = _maybe("The second line")
    city = _maybe()
    post_code = _maybe()
    province = _maybe("Its code, one or two characters")
    country = _maybe("Its code, two or three letters")


class AccountIn(Strict):
    """The customer's account with the shop, as `PlaceIn`."""

    guest = Flag(required=False)
    created = _maybe(_DAY)
    changed = _maybe(_DAY)
    password_changed = _maybe(_DAY)
    purchases = Seconds(required=False, help_text="In six months")
    attempts_today = Seconds(required=False)
    attempts_this_year = Seconds(required=False)
    cards_added_today = Seconds(required=False)
    shipping_address_since = _maybe(_DAY)
    shipping_name_differs = Flag(required=False)
    card_since = _maybe(_DAY)
    suspicious = Flag(required=False)


class RiskIn(Strict):
    """This purchase, as `PlaceIn`. The words: docs, "What the bank is told"."""

    delivery = _maybe("at once, same day, overnight, later")
    delivery_email = _maybe()
    ship_to = _maybe("billing, known, other, store, digital, tickets, nothing")
    pre_order = Flag(required=False)
    pre_order_date = _maybe(_DAY)
    reorder = Flag(required=False)
    gift_cards = Seconds(required=False)


class CustomerIn(Strict):
    name = _maybe()
    email = _maybe(longest=254)
    billing_address = PlaceIn(required=False)
    shipping_address = PlaceIn(required=False)
    mobile_phone = _maybe("With its country code: +39 …")
    home_phone = _maybe()
    work_phone = _maybe()
    account = AccountIn(required=False)
    risk = RiskIn(required=False)


class OnTerminal(Strict):
    def validate_terminal(self, name: str) -> str:
        if name not in conf.current().terminals:
            raise serializers.ValidationError("There is no such terminal.")
        return name


class Purchase(OnTerminal):
    amount = Amount()
    currency = Text(max_length=3, min_length=3, help_text="ISO 4217, EUR")
    description = Text(max_length=255, required=False, allow_blank=True, default="")
    customer = CustomerIn(required=False)


class Address(serializers.RegexField):
    """A path, or a web address that can be taken apart."""

    def to_internal_value(self, data: Any) -> str:
        found = super().to_internal_value(data)
        try:
            urlsplit(found)
        except ValueError:
            self.fail("invalid")
        return found


class ContractIn(Strict):
    """Keeps the card on file, if whoever pays agrees: `agreement` in the checkout."""

    description = Text(max_length=255, required=False, allow_blank=True, default="")
    every = Seconds(
        min_value=1, max_value=9999, required=False, help_text="Days between charges"
    )
    amount = Amount(required=False, help_text="Of each charge; needs `every`")
    until = serializers.DateField(required=False, help_text="The last day")
    customer_id = Text(max_length=27, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> CardOnFile:
        if "amount" in attrs and "every" not in attrs:
            raise serializers.ValidationError({"amount": ["Needs `every`."]})
        if attrs.get("until", date.max) < timezone.localdate():
            raise serializers.ValidationError({"until": ["This day is over."]})
        return CardOnFile(**attrs)


class OrderIn(Purchase):
    contract = ContractIn(required=False)
    exemption = serializers.ChoiceField(
        choices=list(EXEMPTIONS), required=False, help_text="What 3-D Secure is asked"
    )
    reference = Text(
        max_length=100,
        required=False,
        help_text="The shop's own order number: while a payment for it is live, the"
        " same purchase gives that payment.",
    )
    terminal = Text(max_length=64, required=False, default="default")
    success_url = Address(
        _ADDRESS, max_length=500, required=False, help_text="Where a paid shopper goes"
    )
    failure_url = Address(_ADDRESS, max_length=500, required=False)
    expires_in = Seconds(
        min_value=1, max_value=2_592_000, required=False, help_text="Seconds"
    )


class CardIn(Strict):
    """As the form fields of the card page; read by the same form."""

    cardholder_name = Text(max_length=100)
    card_number = Text(max_length=23, write_only=True)
    expiry = Text(max_length=9, write_only=True, help_text="MM/YY")
    security_code = Text(max_length=4, min_length=3, write_only=True)


class PayIn(CardIn):
    agreed = Flag(
        required=False,
        default=False,
        help_text="Whoever pays has ticked `agreement` of the checkout.",
    )


class AgreedIn(Strict):
    """What is left of ``PayIn`` when the card was taken out."""

    agreed = Flag(required=False, default=False)


class ReturnIn(Strict):
    """What the bank posted, and the token from ``next_action``."""

    token = Text(max_length=128)
    PaRes = Text(max_length=65536, required=False, allow_blank=True, default="")
    paymentId = Text(max_length=64, required=False, allow_blank=True, default="")


class PartIn(Strict):
    amount = Amount(required=False, help_text="Major units; all that is left if absent")
    seen = Amount(required=False, help_text="What you believe to be left: else 409")


class RefundIn(PartIn):
    capture = Seconds(
        required=False, min_value=1, help_text="Operation id of a capture"
    )


class CancelIn(Strict):
    capture = Seconds(
        required=False, min_value=1, help_text="Operation id; needed if there are more"
    )


class ChargeIn(Strict):
    """A charge to a card on file."""

    amount = Amount()
    currency = Text(max_length=3, min_length=3, help_text="ISO 4217, EUR")
    reference = Text(max_length=100, help_text="It is charged once")
    description = Text(max_length=255, required=False, allow_blank=True, default="")


class NothingIn(Strict):
    """An empty object."""
