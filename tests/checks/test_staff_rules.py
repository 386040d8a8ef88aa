"""``TERMINAL_RIGHTS`` and ``APPROVAL_CEILINGS``: read, refused and warned of."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import conf
from nexi_payments.checks import staff_rules

pytestmark = pytest.mark.django_db


def texts(messages: Any) -> list[tuple[str, str]]:
    return [(one.id.removeprefix("nexi_payments."), one.msg) for one in messages]


def test_what_is_read(change_settings: Any) -> None:
    change_settings(
        TERMINAL_RIGHTS={"Milan": {"moto": ["take", "see"], "*": ("see",)}},
        APPROVAL_CEILINGS={"take_moto": {"*": {"EUR": 0, "USD": None}}},
    )
    found = conf.current()
    assert found.terminal_rights == {
        "Milan": {"moto": frozenset({"take", "see"}), "*": frozenset({"see"})}
    }
    assert found.approval_ceilings == {"take_moto": {"*": {"EUR": 0, "USD": None}}}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"TERMINAL_RIGHTS": ["Milan"]}, "['TERMINAL_RIGHTS'] must be a dict"),
        ({"TERMINAL_RIGHTS": {"Milan": "moto"}}, "['Milan'] must be a dict"),
        ({"TERMINAL_RIGHTS": {7: {}}}, "['TERMINAL_RIGHTS']: 7 is not a name"),
        (
            {"TERMINAL_RIGHTS": {"Milan": {"moto": ["refunds"]}}},
            "['Milan']['moto'] is 'refunds'; it must be one of see, take, refund",
        ),
        (
            {"TERMINAL_RIGHTS": {"Milan": {"moto": []}}},
            "['Milan']['moto'] must name one of see, take, refund",
        ),
        (
            {"TERMINAL_RIGHTS": {"Milan": {"moto": "take"}}},
            "['Milan']['moto'] must be a list of strings",
        ),
        (
            {"APPROVAL_CEILINGS": {"refund": {}}},
            "['APPROVAL_CEILINGS'] has an unknown key 'refund'",
        ),
        (
            {"APPROVAL_CEILINGS": {"take_moto": {"*": {"EURO": 1}}}},
            "['take_moto']['*']: ",
        ),
        *(
            (
                {"APPROVAL_CEILINGS": {"take_moto": {"*": {"EUR": wrong}}}},
                "['take_moto']['*']['EUR'] must be a whole number of minor units",
            )
            for wrong in (-1, 1.5, "100", True)
        ),
    ],
)
def test_what_is_refused(keys: Any, says: str, change_settings: Any) -> None:
    change_settings(**keys)
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.current()
    assert says in str(caught.value)


def test_a_terminal_that_is_unknown(change_settings: Any) -> None:
    change_settings(TERMINAL_RIGHTS={"Milan": {"motto": ["see"], "*": ["see"]}})
    assert texts(staff_rules.check_staff_rules()) == [
        ("W040", "TERMINAL_RIGHTS names the terminal 'motto', which TERMINALS lacks.")
    ]
    change_settings(TERMINAL_RIGHTS={"Milan": {"moto": ["see"]}})
    assert texts(staff_rules.check_staff_rules()) == []


def test_a_currency_without_a_ceiling(change_settings: Any) -> None:
    change_settings(APPROVAL_CEILINGS={"take_moto": {"*": {"USD": 1}}})
    assert texts(staff_rules.check_staff_rules()) == [
        ("W041", "APPROVAL_CEILINGS of take_moto for '*' has no ceiling in EUR.")
    ]
    change_settings(APPROVAL_CEILINGS={"take_moto": {"*": {"EUR": None}}})
    assert texts(staff_rules.check_staff_rules()) == []


def test_a_group_that_does_not_exist(change_settings: Any) -> None:
    change_settings(
        TERMINAL_RIGHTS={"Milan": {"*": ["see"]}},
        APPROVAL_CEILINGS={"take_moto": {"*": {"EUR": 1}, "Clercs": {"EUR": 1}}},
    )
    Group.objects.create(name="Milan")
    messages = run_checks(tags=["database"], databases=["default"])
    ours = [one for one in messages if one.id.startswith("nexi_payments.W042")]
    assert [one.msg for one in ours] == [
        "TERMINAL_RIGHTS or APPROVAL_CEILINGS names the group 'Clercs', which does not"
        " exist."
    ]
    assert staff_rules.check_groups(databases=[]) == []


def test_settings_that_cannot_be_read_are_told_once(settings: Any) -> None:
    settings.NEXI_PAYMENTS = {"TERMINAL_RIGHTS": 1}
    assert staff_rules.check_staff_rules() == []
    assert staff_rules.check_groups(databases=["default"]) == []
