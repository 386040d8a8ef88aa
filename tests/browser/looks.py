"""How a page of staff is looked at. All of it by hand; CI, whose time is counted, takes
the first two: together they have each width but one, both colours, both languages."""

from __future__ import annotations

import os

import pytest

STAFF = [
    ("dark", 320, "it"),
    ("light", 1280, "en"),
    ("dark", 768, "en"),
    ("light", 320, "en"),
    ("dark", 768, "it"),
    ("light", 1280, "it"),
    ("light", 320, "it"),
    ("dark", 320, "en"),
]
each_of_staff = pytest.mark.parametrize(
    ("scheme", "width", "language"), STAFF[:2] if os.environ.get("CI") else STAFF
)
