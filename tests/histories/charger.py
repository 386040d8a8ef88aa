"""``nexi_charge_due`` again and again, as cron would run it, without a new start."""

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
