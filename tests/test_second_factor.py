"""Whoever keys cards needs more than a password; a check says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps

from tests.test_conf import KEY, ids, use


def test_staff_who_key_cards_need_a_second_factor(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(
        settings,
        {"API_KEY": "k", "MOTO": True},
        PUBLIC_URL="https://shop.example",
        HOLD_KEYS=[KEY],
    )
    assert "nexi_payments.W013" in ids(include_deployment_checks=True)
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_otp")
    assert "nexi_payments.W013" not in ids(include_deployment_checks=True)
