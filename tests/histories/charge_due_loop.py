"""Runs ``nexi_charge_due`` repeatedly, as cron would, in one process."""

from __future__ import annotations

import io
import time

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    while True:
        call_command("nexi_charge_due", stdout=io.StringIO())
        time.sleep(1)


if __name__ == "__main__":
    main()
