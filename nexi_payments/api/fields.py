"""Serializer fields that accept only what they document."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from rest_framework import serializers

from nexi_payments import money
from nexi_payments.models import PaymentOrder
from nexi_payments.text_input import URL_OR_PATH_PATTERN, has_control_characters

_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?", re.ASCII)

_URL_OR_PATH_PATTERN: Final = f"^{URL_OR_PATH_PATTERN}$"


class StrictCharField(serializers.CharField):
    """A JSON string. DRF's own field accepts numbers, too."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class OneLineCharField(StrictCharField):
    """A JSON string without line breaks and control characters."""

    default_error_messages = {
        "control_characters": "Must not contain line breaks or control characters."
    }

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if has_control_characters(text):
            self.fail("control_characters")
        return text


class StrictBooleanField(serializers.Field[bool, Any, bool, bool]):
    """JSON true or false. DRF's own field accepts words such as "yes", too."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data

    def to_representation(self, value: bool) -> bool:
        return value


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer. DRF's own field accepts strings, too."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class AmountField(serializers.Field[Any, Any, str, Any]):
    """An amount in major units as a string: "12.50". JSON numbers are rejected,
    because they are floats."""

    default_error_messages = {
        "invalid": 'Must be a string like "12.50": major units, a point, no sign.'
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not _AMOUNT.fullmatch(data):
            self.fail("invalid")
        return Decimal(data)

    def to_representation(self, value: Any) -> str:
        return str(value)


class UrlOrPathField(serializers.RegexField):
    """A path, or an http(s) URL that can be parsed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(_URL_OR_PATH_PATTERN, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        try:
            urlsplit(url)
        except ValueError:
            self.fail("invalid")
        return url


class MoneyField(serializers.Field[Any, Any, str, PaymentOrder]):
    """A column in minor units, shown in major units."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        order = instance if isinstance(instance, PaymentOrder) else instance.order
        minor = getattr(instance, str(self.source))
        return None if minor is None else money.to_major(minor, order.currency)

    def to_representation(self, value: Any) -> str:
        return str(value)
