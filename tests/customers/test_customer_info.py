"""Customer data for 3-D Secure: invalid data is left out, the payment goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from nexi_payments.customers import (
    MEMBERS,
    Account,
    Address,
    Customer,
    Risk,
    build_customer_info,
)
from nexi_payments.customers.countries import alpha3
from nexi_payments.exceptions import CardDataNotAllowed, InvalidCustomer
from nexi_payments.flows.orders import customer_data
from tests.gateway.test_payloads import schema

PAN = "4349940199004549"  # published by Nexi for tests
TODAY = date(2026, 3, 31)
ROME = Address(
    name="Giulia Bianchi",
    street="Via Verdi 3",
    street2="scala B",
    city="Roma",
    post_code="00184",
    province="RM",
    country="IT",
)
FULL: Customer = {
    "name": "Giulia Bianchi",
    "email": "giulia@shop.example",
    "billing_address": ROME,
    "shipping_address": {"street": "5 High St", "city": "Leeds", "country": "GBR"},
    "mobile_phone": "+39 333 123 4567",
    "home_phone": "06 1234567",
    "work_phone": "0039 06 7654321",
    "account": Account(
        created=TODAY - timedelta(days=61),
        changed=TODAY,
        password_changed=TODAY - timedelta(days=60),
        purchases=3,
        attempts_today=1,
        attempts_this_year=12_000,
        cards_added_today=0,
        shipping_address_since=TODAY - timedelta(days=29),
        shipping_name_differs=False,
        card_since=TODAY - timedelta(days=30),
        suspicious=False,
    ),
    "risk": Risk(
        delivery="overnight",
        delivery_email="giulia@shop.example",
        ship_to="other",
        pre_order=True,
        pre_order_date=TODAY + timedelta(days=90),
        reorder=False,
        gift_cards=2,
    ),
}


def test_everything_at_once_is_what_the_schema_takes() -> None:
    told = build_customer_info(FULL, TODAY)
    assert told.omitted == []
    schema("CustomerInfo").validate(told.members)
    assert told.members == {
        "billingAddress": {
            "name": "Giulia Bianchi",
            "street": "Via Verdi 3",
            "additionalInfo": "scala B",
            "city": "Roma",
            "postCode": "00184",
            "province": "RM",
            "country": "ITA",
        },
        "shippingAddress": {"street": "5 High St", "city": "Leeds", "country": "GBR"},
        "mobilePhoneCountryCode": "+39",
        "mobilePhone": "3331234567",
        "homePhone": "061234567",
        "workPhone": "+39067654321",
        "cardHolderAcctInfo": {
            "chAccDate": "2026-01-29",
            "chAccAgeIndicator": "05",
            "chAccChangeDate": "2026-03-31",
            "chAccChangeIndicator": "01",
            "chAccPwChangeDate": "2026-01-30",
            "chAccPwChangeIndicator": "04",
            "nbPurchaseAccount": 3,
            "txnActivityDay": 1,
            "txnActivityYear": 9999,
            "provisionAttemptsDay": 0,
            "destinationAddressUsageDate": "2026-03-02",
            "destinationAddressUsageIndicator": "02",
            "destinationNameIndicator": "01",
            "paymentAccAgeDate": "2026-03-01",
            "paymentAccIndicator": "04",
            "suspiciousAccActivity": "01",
        },
        "merchantRiskIndicator": {
            "deliveryTimeframe": "03",
            "deliveryEmail": "giulia@shop.example",
            "shipIndicator": "03",
            "preOrderPurchaseIndicator": "02",
            "preOrderDate": "2026-06-29",
            "reorderItemsIndicator": "01",
            "giftCardCount": 2,
        },
    }


def test_a_guest_has_no_account() -> None:
    assert build_customer_info({"account": Account(guest=True)}, TODAY).members == {
        "cardHolderAcctInfo": {"chAccAgeIndicator": "01"}
    }


def test_longer_texts_are_cut() -> None:
    long = Address(
        name="n" * 90,
        street="s" * 90,
        street2="m" * 90,
        city="c" * 90,
        post_code="x" * 90,
    )
    told = build_customer_info({"billing_address": long}, TODAY)
    assert {k: len(v) for k, v in told.members["billingAddress"].items()} == {
        "name": 50,
        "street": 50,
        "additionalInfo": 50,
        "city": 40,
        "postCode": 16,
    }
    schema("CustomerInfo").validate(told.members)
    assert told.omitted == []


@pytest.mark.parametrize(
    ("member", "value", "why"),
    [
        ("country", "Italia", "no_country"),
        ("country", "XX", "no_country"),
        ("country", 39, "no_country"),
        ("province", "Roma", "no_province"),
        ("province", "ROM", "no_province"),
        ("street", "<script>alert(1)</script>", "no_text"),
        ("street", "javascript:alert(1)", "no_text"),
        ("street", "\x00", "no_text"),
        ("street", PAN, "card"),
        ("street", "x" * 60 + PAN, "card"),
    ],
)
def test_a_bad_value_goes_the_address_stays(member: str, value: Any, why: str) -> None:
    told = build_customer_info(
        {"shipping_address": replace(ROME, **{member: value})}, TODAY
    )
    assert told.omitted == [(f"shipping_address.{member}", why)]
    wire = {"street2": "additionalInfo", "post_code": "postCode"}.get(member, member)
    whole = build_customer_info({"shipping_address": ROME}, TODAY).members[
        "shippingAddress"
    ]
    del whole[wire]
    assert told.members == {"shippingAddress": whole}
    schema("CustomerInfo").validate(told.members)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mobile_phone", "333 1234567", "no_phone"),  # of which country?
        ("mobile_phone", "+39", "no_phone"),
        ("home_phone", "ask at the bar", "no_phone"),
        ("work_phone", PAN, "card"),
        ("home_phone", f"+{PAN}", "card"),
        ("mobile_phone", f"+{PAN}", "card"),
        ("work_phone", "+378282246310005", "card"),  # an Amex has fifteen digits
        ("billing_address", "Via Verdi 3, Roma", "unknown"),
        ("account", 7, "unknown"),
        ("risk", [], "unknown"),
    ],
)
def test_bad_members(name: str, value: Any, why: str) -> None:
    told = build_customer_info({name: value}, TODAY)
    assert (told.members, told.omitted) == ({}, [(name, why)])


@pytest.mark.parametrize(
    ("group", "member", "value", "why"),
    [
        ("account", "created", "yesterday", "no_date"),
        ("account", "created", TODAY + timedelta(days=2), "no_date"),
        ("account", "created", date(1, 1, 1), "no_date"),
        ("account", "purchases", -1, "no_number"),
        ("account", "purchases", True, "no_number"),
        ("account", "purchases", "3", "no_number"),
        ("account", "suspicious", "perhaps", "unknown"),
        ("risk", "delivery", "by pigeon", "unknown"),
        ("risk", "ship_to", ["billing"], "unknown"),  # not hashable
        ("risk", "delivery_email", "nobody", "no_email"),
        ("risk", "gift_cards", 1.5, "no_number"),
    ],
)
def test_bad_facts(group: str, member: str, value: Any, why: str) -> None:
    told = build_customer_info({group: {member: value}}, TODAY)
    assert (told.members, told.omitted) == ({}, [(f"{group}.{member}", why)])


def test_an_unknown_name_is_noted_without_the_name() -> None:
    told = build_customer_info({"billing_address": {PAN: "x", "city": "Roma"}}, TODAY)
    assert told.members == {"billingAddress": {"city": "Roma"}}
    assert told.omitted == [("billing_address.?", "unknown")]


def test_an_object_that_raises_costs_no_sale() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no database")

    told = build_customer_info(
        {"billing_address": {"city": Broken(), "country": "it"}}, TODAY
    )
    assert told.members == {"billingAddress": {"country": "ITA"}}
    assert told.omitted == [("billing_address.city", "unknown")]


@pytest.mark.parametrize(
    ("number", "country", "rest"),
    [
        ("+39 333 123 4567", "+39", "3331234567"),
        ("+1 (212) 555-0100", "+1", "2125550100"),
        ("0044 7700 900123", "+44", "7700900123"),
        ("+44 (0) 7700 900123", "+44", "7700900123"),
        ("+377 6 12 34 56 78", "+377", "612345678"),
        ("+7 912 345 67 89", "+7", "9123456789"),
    ],
)
def test_mobile_numbers_are_taken_apart(number: str, country: str, rest: str) -> None:
    assert build_customer_info({"mobile_phone": number}, TODAY).members == {
        "mobilePhoneCountryCode": country,
        "mobilePhone": rest,
    }


def test_countries() -> None:
    class Known:
        iso_3166_1_a3 = "GRC"

    class Coded:
        code = "SM"

    assert [alpha3(one) for one in ("it", " DE ", "fra", "EL", "UK")] == [
        *("ITA", "DEU", "FRA", "GRC", "GBR")
    ]
    assert (alpha3(Known()), alpha3(Coded())) == ("GRC", "SMR")
    assert [alpha3(one) for one in ("", None, "ZZ", "Italy", 380)] == [""] * 5


def test_a_member_that_does_not_exist_is_the_developers_mistake() -> None:
    with pytest.raises(InvalidCustomer, match="Did you mean 'billing_address'"):
        customer_data.validated_contact({"biling_address": ROME})
    with pytest.raises(CardDataNotAllowed):
        customer_data.validated_contact({"name": PAN})
    assert set(MEMBERS) == set(FULL)
