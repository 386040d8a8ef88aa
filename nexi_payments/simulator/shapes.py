"""What each request may hold, member by member, as the published schema has it.

The real gateway is laxer in places (it was seen to ignore unknown members); a simulator
that is too strict finds a mistake early, one that is too lax hides it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from nexi_payments.simulator.schema import ListOf, Object, Shape, Text, Whole


def _upto(longest: int, shortest: int = 0) -> Text:
    """Any text of that many characters, line breaks included."""
    return Text(rf"(?s).{{{shortest},{longest}}}")


def _codes(last: int) -> Text:
    """Two-digit codes from 01 to ``last``."""
    return Text("|".join(f"{number:02}" for number in range(1, last + 1)))


_ID: Final = Text(r"(?s).+")
_DATE: Final = Text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Minor units as text; an amount as a JSON number is a mistake here.
_AMOUNT: Final = Text(r"[0-9]{1,18}", "PS0036")
_CURRENCY: Final = Text(r"[A-Z]{3}", "PS0009")

_ADDRESS: Final = Object(
    {
        "name": _upto(50),
        "street": _upto(50, 1),
        "additionalInfo": _upto(50),
        "city": _upto(40, 1),
        "postCode": _upto(16),
        "province": _upto(3, 1),
        # not refused: it warns of two letters (``addresses``)
        "country": Text(r"[A-Z]{2,3}"),
    }
)
_ACCOUNT: Final = Object(
    {
        "chAccDate": _DATE,
        "chAccAgeIndicator": _codes(5),
        "chAccChangeDate": _DATE,
        "chAccChangeIndicator": _codes(4),
        "chAccPwChangeDate": _DATE,
        "chAccPwChangeIndicator": _codes(5),
        "nbPurchaseAccount": Whole(),
        "destinationAddressUsageDate": _DATE,
        "destinationAddressUsageIndicator": _codes(4),
        "destinationNameIndicator": _codes(2),
        "txnActivityDay": Whole(),
        "txnActivityYear": Whole(),
        "provisionAttemptsDay": Whole(),
        "suspiciousAccActivity": _codes(2),
        "paymentAccAgeDate": _DATE,
        "paymentAccIndicator": _codes(5),
    }
)
_RISK: Final = Object(
    {
        "deliveryEmail": Text(r"(?s).*"),
        "deliveryTimeframe": _codes(4),
        "giftCardAmount": Object({"value": Whole(), "currency": _CURRENCY}),
        "giftCardCount": Whole(),
        "preOrderDate": _DATE,
        "preOrderPurchaseIndicator": _codes(2),
        "reorderItemsIndicator": _codes(2),
        "shipIndicator": _codes(7),
    }
)
_CUSTOMER: Final = Object(
    {
        "cardHolderName": _upto(255, 1),
        "cardHolderEmail": _upto(255),
        "billingAddress": _ADDRESS,
        "shippingAddress": _ADDRESS,
        "mobilePhoneCountryCode": Text(r"\+?[0-9]{1,3}"),
        "mobilePhone": _upto(15),
        "homePhone": _upto(18),
        "workPhone": _upto(18),
        "cardHolderAcctInfo": _ACCOUNT,
        "merchantRiskIndicator": _RISK,
    }
)
_SUMMARY: Final = Object(
    {
        "language": Text(r"[A-Za-z]{3}"),
        "summaryList": ListOf(
            Object({"label": _upto(50), "value": Text(r"(?s).*")}),
        ),
    }
)
_ORDER: Final = Object(
    {
        "orderId": Text(r"[A-Za-z0-9#*+\-.:;=?\[\]_{|}]{1,27}"),
        "amount": _AMOUNT,
        "currency": _CURRENCY,
        "customerId": _upto(27),
        "description": _upto(255),
        "customField": _upto(255),
        "customerInfo": _CUSTOMER,
        "transactionSummary": ListOf(_SUMMARY),
        "termsAndConditionsIds": ListOf(Text(r"(?s).*")),
        "installments": ListOf(Object(open=True)),
        "installmentQty": Whole(1),
    },
    ("orderId", "amount", "currency"),
)
#: MOTO has no 3-D Secure step; there the cardholder's name is obligatory.
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
    only_if=("action", _CONTRACT_ACTIONS, "contractId"),
)
_CAPTURE_TYPE: Final = Text(r"IMPLICIT|EXPLICIT")
_COMMON: Final[dict[str, Shape]] = {
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
#: Captures and refunds: the sandbox was found to insist on the currency.
POST_OPERATION: Final = Object(
    {"amount": _AMOUNT, "currency": _CURRENCY, "description": _upto(255)},
    ("amount", "currency"),
)
CANCEL: Final = Object({"description": _upto(255)})


def _payment(proof: str) -> Object:
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


PAYMENT_3STEPS: Final = _payment("authenticationValue")
PAYMENT_2STEPS: Final = _payment("threeDSAuthResponse")
