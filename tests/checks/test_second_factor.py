"""Staff who enter cards need a second factor; a check says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps

from tests.conf.test_settings import KEY, ids, use


def test_staff_who_key_cards_need_a_second_factor(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(
        settings,
        {"API_KEY": "k", "MOTO": True},
        PUBLIC_URL="https://shop.example",
        SEALED_CARD_KEYS=[KEY],
    )
    assert "nexi_payments.W013" in ids(include_deployment_checks=True)
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_otp")
    assert "nexi_payments.W013" not in ids(include_deployment_checks=True)
