"""Schemas of the request bodies, as published by Nexi.

The real gateway is more tolerant in places: it was seen to ignore unknown members. A
strict simulator finds a client's mistake early; a tolerant one hides it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from nexi_payments.simulator.schema_validator import (
    Integer,
    ListOf,
    Object,
    Schema,
    Text,
)


def _text_up_to(longest: int, shortest: int = 0) -> Text:
    """Text of ``shortest`` to ``longest`` characters, line breaks included."""
    return Text(rf"(?s).{{{shortest},{longest}}}")


def _two_digit_codes(last: int) -> Text:
    """Two-digit codes from 01 to ``last``."""
    return Text("|".join(f"{number:02}" for number in range(1, last + 1)))


_ID: Final = Text(r"(?s).+")
_DATE: Final = Text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Minor units as text; a JSON number is invalid.
_AMOUNT: Final = Text(r"[0-9]{1,18}", "PS0036")
_CURRENCY: Final = Text(r"[A-Z]{3}", "PS0009")

_ADDRESS: Final = Object(
    {
        "name": _text_up_to(50),
        "street": _text_up_to(50, 1),
        "additionalInfo": _text_up_to(50),
        "city": _text_up_to(40, 1),
        "postCode": _text_up_to(16),
        "province": _text_up_to(3, 1),
        # two letters are not rejected: ``address_warnings`` warns
        "country": Text(r"[A-Z]{2,3}"),
    }
)
_ACCOUNT: Final = Object(
    {
        "chAccDate": _DATE,
        "chAccAgeIndicator": _two_digit_codes(5),
        "chAccChangeDate": _DATE,
        "chAccChangeIndicator": _two_digit_codes(4),
        "chAccPwChangeDate": _DATE,
        "chAccPwChangeIndicator": _two_digit_codes(5),
        "nbPurchaseAccount": Integer(),
        "destinationAddressUsageDate": _DATE,
        "destinationAddressUsageIndicator": _two_digit_codes(4),
        "destinationNameIndicator": _two_digit_codes(2),
        "txnActivityDay": Integer(),
        "txnActivityYear": Integer(),
        "provisionAttemptsDay": Integer(),
        "suspiciousAccActivity": _two_digit_codes(2),
        "paymentAccAgeDate": _DATE,
        "paymentAccIndicator": _two_digit_codes(5),
    }
)
_RISK: Final = Object(
    {
        "deliveryEmail": Text(r"(?s).*"),
        "deliveryTimeframe": _two_digit_codes(4),
        "giftCardAmount": Object({"value": Integer(), "currency": _CURRENCY}),
        "giftCardCount": Integer(),
        "preOrderDate": _DATE,
        "preOrderPurchaseIndicator": _two_digit_codes(2),
        "reorderItemsIndicator": _two_digit_codes(2),
        "shipIndicator": _two_digit_codes(7),
    }
)
_CUSTOMER: Final = Object(
    {
        "cardHolderName": _text_up_to(255, 1),
        "cardHolderEmail": _text_up_to(255),
        "billingAddress": _ADDRESS,
        "shippingAddress": _ADDRESS,
        "mobilePhoneCountryCode": Text(r"\+?[0-9]{1,3}"),
        "mobilePhone": _text_up_to(15),
        "homePhone": _text_up_to(18),
        "workPhone": _text_up_to(18),
        "cardHolderAcctInfo": _ACCOUNT,
        "merchantRiskIndicator": _RISK,
    }
)
_SUMMARY: Final = Object(
    {
        "language": Text(r"[A-Za-z]{3}"),
        "summaryList": ListOf(
            Object({"label": _text_up_to(50), "value": Text(r"(?s).*")}),
        ),
    }
)
_ORDER: Final = Object(
    {
        "orderId": Text(r"[A-Za-z0-9#*+\-.:;=?\[\]_{|}]{1,27}"),
        "amount": _AMOUNT,
        "currency": _CURRENCY,
        "customerId": _text_up_to(27),
        "description": _text_up_to(255),
        "customField": _text_up_to(255),
        "customerInfo": _CUSTOMER,
        "transactionSummary": ListOf(_SUMMARY),
        "termsAndConditionsIds": ListOf(Text(r"(?s).*")),
        "installments": ListOf(Object(additional_members=True)),
        "installmentQty": Integer(1),
    },
    ("orderId", "amount", "currency"),
)
#: MOTO has no 3-D Secure; the cardholder's name is required.
_MOTO_ORDER: Final = Object(
    {
        **_ORDER.members,
        "customerInfo": replace(_CUSTOMER, required=("cardHolderName",)),
    },
    (*_ORDER.required, "customerInfo"),
)
_CARD: Final = Object(
    {
        "pan": Text(r"[0-9]{13,19}", luhn=True),
        "expiryDate": Text(r"(0[1-9]|1[0-2])[0-9]{2}"),  # MMYY
        "cvv": Text(r"[0-9]{3,4}"),
    },
    ("pan", "expiryDate"),
)
_CONTRACT_ACTIONS: Final = frozenset(
    {"CONTRACT_CREATION", "SUBSEQUENT_PAYMENT", "CARD_SUBSTITUTION"}
)
_RECURRENCE: Final = Object(
    {
        "action": Text("|".join(("NO_RECURRING", *sorted(_CONTRACT_ACTIONS)))),
        "contractId": Text(r"[A-Za-z0-9]{1,18}"),
        "contractType": Text(r"MIT_UNSCHEDULED|MIT_SCHEDULED|CIT"),
        "contractExpiryDate": _DATE,
        "contractFrequency": Text(r"[0-9]{1,4}"),
    },
    ("action",),
    required_if=("action", _CONTRACT_ACTIONS, "contractId"),
)
_CAPTURE_TYPE: Final = Text(r"IMPLICIT|EXPLICIT")
_COMMON: Final[dict[str, Schema]] = {
    "order": _ORDER,
    "card": _CARD,
    "recurrence": _RECURRENCE,
    "exemptions": Text(r"NO_PREFERENCE|CHALLENGE_REQUESTED"),
    "actionType": Text(r"VERIFY|PAY"),
}

INIT: Final = Object(_COMMON, ("order", "card"))
VALIDATION: Final = Object(
    {"operationId": _ID, "threeDSAuthResponse": _ID},
    ("operationId", "threeDSAuthResponse"),
)
MOTO: Final = Object(
    {"order": _MOTO_ORDER, "card": _CARD, "captureType": _CAPTURE_TYPE},
    ("order", "card"),
)
MIT: Final = Object(
    {
        "order": _ORDER,
        "contractId": Text(r"[A-Za-z0-9]{1,18}", "PS0017"),
        "captureType": _CAPTURE_TYPE,
        "recurrence": _RECURRENCE,
    },
    ("order", "contractId"),
)
VERIFICATION: Final = Object({"order": _ORDER, "card": _CARD}, ("order", "card"))
#: Captures and refunds: the sandbox requires the currency.
POST_CHARGE_OPERATION: Final = Object(
    {"amount": _AMOUNT, "currency": _CURRENCY, "description": _text_up_to(255)},
    ("amount", "currency"),
)
CANCEL: Final = Object({"description": _text_up_to(255)})

#: Ports 80 and 443 only; any port on this machine, which the real gateway cannot reach.
_MERCHANT_URL: Final = Text(
    r"(?=.{1,2048}\Z)https?://"
    r"((([a-z0-9-]+\.)*localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?"
    r"|[^\s/?#@:]+(:(80|443))?)"
    r"([/?#]\S*)?"
)
_PAYMENT_SESSION: Final = Object(
    {
        "actionType": Text(r"PAY|VERIFY|PREAUTH"),
        "amount": _AMOUNT,
        "recurrence": _RECURRENCE,
        "captureType": _CAPTURE_TYPE,
        "exemptions": Text(r"NO_PREFERENCE|CHALLENGE_REQUESTED"),
        "language": Text(r"[A-Za-z]{3}"),
        "paymentService": Text(r"[A-Za-z0-9_]{2,40}"),
        "resultUrl": _MERCHANT_URL,
        "cancelUrl": _MERCHANT_URL,
        "notificationUrl": _MERCHANT_URL,
    },
    ("amount", "language"),
)
_INSTALMENT_PLAN: Final = Object(
    {"planType": Text(r"ACQUIRER_AGREEMENT"), "installmentQty": Integer(1)},
    ("planType", "installmentQty"),
)
_HOSTED_ORDER: Final = Object(
    {
        name: schema
        for name, schema in _ORDER.members.items()
        if not name.startswith("installment")
    }
    | {"invoiceId": _text_up_to(30, 1), "plan": _INSTALMENT_PLAN},
    _ORDER.required,
)
HOSTED_PAGE: Final = Object(
    {
        "order": _HOSTED_ORDER,
        "paymentSession": replace(
            _PAYMENT_SESSION,
            required=(*_PAYMENT_SESSION.required, "resultUrl", "cancelUrl"),
        ),
    },
    ("order", "paymentSession"),
)
PAYMENT_LINK: Final = Object(
    {
        "order": _HOSTED_ORDER,
        "paymentSession": _PAYMENT_SESSION,
        "expirationDate": _DATE,
    },
    ("order", "paymentSession", "expirationDate"),
)
RENEWAL: Final = Object({"expirationDate": _DATE}, ("expirationDate",))
EMPTY: Final = Object()


def _payment_schema(proof: str) -> Object:
    three_ds = Object(
        {
            "threeDSAuthResponse": _ID,
            "authenticationValue": _ID,
            "eci": Text(r"[0-9]{1,2}"),
            "xid": _ID,
        },
        (proof,),
    )
    return Object(
        {
            **_COMMON,
            "operationId": _ID,
            "captureType": _CAPTURE_TYPE,
            "threeDSAuthData": three_ds,
        },
        ("operationId", "order", "card", "threeDSAuthData"),
    )


PAYMENT_3STEPS: Final = _payment_schema("authenticationValue")
PAYMENT_2STEPS: Final = _payment_schema("threeDSAuthResponse")
