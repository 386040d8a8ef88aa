"""``python docs/_ext``: writes the tables into the pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

sys.path.append(str(Path(__file__).resolve().parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "demo_shop.settings"
django.setup()

import tables  # noqa: E402  # it reads models

tables.write()
