"""Settings: what is read, what is refused and with which words; the system checks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import conf

KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
E005 = "nexi_payments.E005"
LIVE = {"API_KEY": "k", "ENVIRONMENT": "production"}


def use(settings: Any, terminal: Any = None, **keys: Any) -> conf.Settings:
    settings.NEXI_PAYMENTS = {"TERMINALS": {"default": terminal or {}}, **keys}
    return conf.current()


def test_defaults(settings: Any) -> None:
    found = use(settings, {"API_KEY": " k\n"})
    terminal = found.terminal("default")
    assert terminal.environment == "sandbox"  # a key without a word
    assert terminal.api_key == "k"
    assert terminal.base_url.startswith("https://xpaysandbox.nexigroup.com/")
    assert terminal.three_ds_hosts == ("xpaysandbox.nexigroup.com",)
    assert (terminal.flow, terminal.capture, terminal.moto) == (
        "3steps",
        "automatic",
        False,
    )
    assert (found.sealed_card_ttl, found.connect_timeout, found.total_timeout) == (
        900,
        5,
        25,
    )
    assert (found.keep_alive, found.settle_after) == (10, 900)
    assert (found.watch_for, found.expire_after) == (259_200, 1800)
    assert found.sealed_card_cvv
    assert not found.require_liability_shift
    assert "'k'" not in repr(found)


def test_no_key_and_debug_is_the_simulator(settings: Any) -> None:
    settings.DEBUG = True
    terminal = use(settings).terminal("default")
    assert (terminal.environment, terminal.simulated) == ("simulator", True)


def test_production_is_said_out_loud(settings: Any) -> None:
    terminal = use(settings, LIVE).terminal("default")
    assert terminal.base_url == (
        "https://xpay.nexigroup.com/api/phoenix-0.0/psp/api/v1"
    )


def test_a_gateway_on_this_machine(settings: Any) -> None:
    terminal = use(
        settings, {"API_KEY": "k", "BASE_URL": "http://localhost:9000/api/"}
    ).terminal("default")
    assert terminal.base_url == "http://localhost:9000/api"
    assert terminal.three_ds_hosts == ("localhost:9000",)
    assert not terminal.simulated


def test_a_server_refuses_real_money_with_debug(settings: Any) -> None:
    """It runs no system check: E021 is for ``manage.py``."""
    settings.DEBUG = True
    keys = {"PUBLIC_URL": "https://shop.example", "SEALED_CARD_KEYS": [KEY]}
    with pytest.raises(ImproperlyConfigured, match="real money, and DEBUG is on"):
        use(settings, LIVE, **keys)
    with pytest.raises(ImproperlyConfigured, match="real money"):
        conf.current()  # it is not kept
    assert conf.load().is_live("default")
    settings.DEBUG = False
    assert conf.current().is_live("default")


def test_values_are_taken(settings: Any) -> None:
    found = use(
        settings,
        {
            "API_KEY": "k",
            "FLOW": "2steps",
            "CAPTURE": "manual",
            "MOTO": True,
            "MAX_AMOUNT": Decimal(5),
            "CURRENCIES": ["EUR", "USD"],
            "THREE_DS_HOSTS": ["a.example"],
            "LINK_TERMINAL": "default",
        },
        PUBLIC_URL="https://shop.example/",
        SEALED_CARD_KEYS=[KEY.rstrip("=")],
        SEALED_CARD_TTL=0.5,
        SEALED_CARD_CVV=False,
        KEEP_ALIVE=0,
    )
    terminal = found.terminal("default")
    assert (terminal.flow, terminal.capture, terminal.moto) == (
        "2steps",
        "manual",
        True,
    )
    assert (terminal.max_amount, terminal.currencies) == (Decimal(5), ("EUR", "USD"))
    assert (terminal.three_ds_hosts, terminal.link_terminal) == (
        ("a.example",),
        "default",
    )
    assert found.public_url == "https://shop.example"
    assert (found.sealed_card_ttl, found.sealed_card_cvv, found.keep_alive) == (
        0.5,
        False,
        0,
    )
    assert len(found.sealed_card_keys[0]) == 32


def terminal(**keys: Any) -> dict[str, Any]:
    return {"TERMINALS": {"default": {"API_KEY": "k", **keys}}}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "must be a dict"),
        ({}, "at least one terminal"),
        ({"TERMINALS": {}}, "at least one terminal"),
        ({"TERMINALS": {"default": 7}}, "must be a dict"),
        ({**terminal(), "SEALED_CARD_TLL": 1}, "Did you mean 'SEALED_CARD_TTL'"),
        ({**terminal(), "zzz": 1}, "unknown key 'zzz'$"),
        (terminal(API_KYE="x"), "Did you mean 'API_KEY'"),
        (terminal(ENVIRONMENT="prodution"), "Did you mean 'production'"),
        (terminal(FLOW="3step"), "Did you mean '3steps'"),
        (terminal(CAPTURE="auto"), "one of automatic, manual"),
        (terminal(API_KEY="a b"), "characters that are not valid in an API key"),
        (terminal(API_KEY="a\nb"), "characters that are not valid in an API key"),
        (terminal(API_KEY="", ENVIRONMENT="sandbox"), "needs an API_KEY for sandbox"),
        (terminal(BASE_URL="http://shop.example"), "must be an https URL"),
        (terminal(BASE_URL="https://u:p@shop.example"), "must be an https URL"),
        (terminal(BASE_URL="https://shop.example/?a=1"), "must be an https URL"),
        (terminal(BASE_URL="ftp://localhost"), "must be an https URL"),
        (
            terminal(ENVIRONMENT="production", BASE_URL="http://localhost:1"),
            "must be an https URL",
        ),
        (terminal(MOTO="yes"), "True or False"),
        (terminal(MAX_AMOUNT=1.5), "must be a Decimal"),
        (terminal(MAX_AMOUNT=Decimal("NaN")), "more than zero"),
        (terminal(MAX_AMOUNT=0), "more than zero"),
        (terminal(CURRENCIES="EUR"), "must be a list"),
        (terminal(CURRENCIES=["EURO"]), "'EURO' is not a currency"),
        ({**terminal(), "SEALED_CARD_TTL": 0}, "at least"),
        ({**terminal(), "SEALED_CARD_TTL": True}, "number of seconds"),
        ({**terminal(), "SEALED_CARD_TTL": "900"}, "number of seconds"),
        ({**terminal(), "TOTAL_TIMEOUT": float("nan")}, "at least"),
        ({**terminal(), "SEALED_CARD_CVV": 1}, "True or False"),
        ({**terminal(), "SEALED_CARD_KEYS": KEY}, "must be a list"),
        ({**terminal(), "SEALED_CARD_KEYS": ["short"]}, "keys of 32 bytes"),
        ({**terminal(), "SEALED_CARD_KEYS": ["✗"]}, "keys of 32 bytes"),
        ({**terminal(), "PUBLIC_URL": "shop.example"}, "must be an https URL"),
        (
            {**terminal(ENVIRONMENT="production"), "PUBLIC_URL": "http://localhost"},
            "must be an https URL",
        ),
    ],
)
def test_what_is_refused(settings: Any, value: Any, words: str) -> None:
    settings.NEXI_PAYMENTS = value
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        conf.current()
    assert "a\nb" not in str(caught.value)
    errors = [e for e in run_checks() if e.id and e.id.startswith("nexi_payments")]
    assert [error.id for error in errors] == ["nexi_payments.E001"]


def test_an_unknown_terminal_names_its_neighbour(settings: Any) -> None:
    found = use(settings, {"API_KEY": "k"})
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'default'"):
        found.terminal("defualt")


def test_the_simulator_is_refused_where_shoppers_are(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mail, "outbox")  # as outside a test run
    with pytest.raises(ImproperlyConfigured, match="charges no money"):
        use(settings, {"ENVIRONMENT": "simulator"})
    settings.DEBUG = True
    assert use(settings, {"ENVIRONMENT": "simulator"}).terminal("default").simulated


def test_a_key_is_needed_where_shoppers_are(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mail, "outbox")
    with pytest.raises(ImproperlyConfigured, match="needs an API_KEY"):
        use(settings)


def test_a_shop_without_a_key_runs_its_tests(settings: Any) -> None:
    # Django's runner switches DEBUG off, then runs the system checks
    found = use(settings)
    assert found.terminal("default").simulated
    assert len(found.sealed_card_keys[0]) == 32
    assert [e.id for e in run_checks() if e.id in ("nexi_payments.E001", E005)] == []


def test_a_public_url_is_needed_with_a_real_gateway(settings: Any) -> None:
    use(settings, {"API_KEY": "k"})
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_URL"):
        conf.site_address("shop.example")


def test_the_client_of_a_real_terminal(settings: Any) -> None:
    found = use(settings, {"API_KEY": "k", "BASE_URL": "http://localhost:9/x"})
    transport = conf.client(found.terminal("default"))._transport
    assert transport.base_url == "http://localhost:9/x"
    assert (transport.connect_timeout, transport.keep_alive) == (5, 10)


def test_the_order_prefix(settings: Any) -> None:
    one = conf.current().order_prefix
    settings.SECRET_KEY = "another"
    other = conf.current().order_prefix
    assert len(one) == len(other) == 3
    assert one != other
    assert (one + other).isalnum()


def test_the_simulator_in_this_process_is_one(settings: Any, tmp_path: Any) -> None:
    from nexi_payments.conf import gateway_factory

    gateway_factory.simulator.cache_clear()
    use(
        settings,
        {"ENVIRONMENT": "simulator"},
        SIMULATOR_STATE=str(tmp_path / "state.sqlite3"),
    )
    one = gateway_factory.simulator()
    assert gateway_factory.simulator() is one
    assert one.record("x") is None
    assert (tmp_path / "state.sqlite3").exists()
    gateway_factory.simulator.cache_clear()
    one.reset()


#: True of the project of these tests: the API on a local cache, no receiver.
OF_THE_TESTS = {"nexi_payments.W020", "nexi_payments.W021"}


def ids(**options: Any) -> set[str]:
    found = run_checks(**options)
    ours = {m.id for m in found if m.id and m.id.startswith("nexi_payments")}
    return ours - OF_THE_TESTS


def test_checks_are_silent_on_good_settings(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]
    use(settings, LIVE, PUBLIC_URL="https://shop.example", SEALED_CARD_KEYS=[KEY])
    assert ids() == set()
    assert ids(include_deployment_checks=True) == {"nexi_payments.W011"}
    use(
        settings,
        LIVE,
        PUBLIC_URL="https://shop.example",
        SEALED_CARD_KEYS=[KEY],
        SEALED_CARD_CVV=False,
    )
    assert ids(include_deployment_checks=True) == set()


def test_checks_say_what_is_lacking(settings: Any) -> None:
    use(
        settings,
        {**LIVE, "FLOW": "2steps", "LINK_TERMINAL": "gone"},
        REQUIRE_LIABILITY_SHIFT=True,
        SETTLE_AFTER=10,
    )
    settings.ROOT_URLCONF = "tests.support.urls_empty"
    assert ids(tags=["security"]) == {
        "nexi_payments.E002",
        "nexi_payments.E004",
        "nexi_payments.E005",
        "nexi_payments.E006",
        "nexi_payments.E007",
        "nexi_payments.W004",
    }


def test_checks_on_a_public_url_with_a_path(settings: Any) -> None:
    use(settings, LIVE, PUBLIC_URL="https://shop.example/pay", SEALED_CARD_KEYS=[KEY])
    assert ids() == {"nexi_payments.E003"}


def test_checks_before_going_live(settings: Any) -> None:
    settings.DEBUG = True
    use(settings, {"ENVIRONMENT": "simulator"})
    assert ids(include_deployment_checks=True) == {
        "nexi_payments.E010",
        "nexi_payments.W011",
        "nexi_payments.W012",
    }
    use(
        settings,
        {"API_KEY": "k"},
        PUBLIC_URL="https://shop.example",
        SEALED_CARD_KEYS=[KEY],
    )
    assert "nexi_payments.W010" in ids(include_deployment_checks=True)
    assert "nexi_payments.W013" not in ids(include_deployment_checks=True)
    settings.NEXI_PAYMENTS = {}
    assert ids(include_deployment_checks=True) == {"nexi_payments.E001"}


def test_a_simulator_beside_a_real_terminal(settings: Any) -> None:
    settings.NEXI_PAYMENTS = {
        "TERMINALS": {"default": LIVE, "test": {"ENVIRONMENT": "simulator"}},
        "PUBLIC_URL": "https://shop.example",
        "SEALED_CARD_KEYS": [KEY],
    }
    assert ids() == {"nexi_payments.E009"}
