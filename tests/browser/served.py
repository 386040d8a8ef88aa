"""The demo as ``make demo`` serves it; SIGUSR1 lets half a minute pass in it.

    python -m tests.browser.served PORT

Its logins are as quick to check as they are public.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_shop.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from nexi_payments.testing import demo_clock  # noqa: E402

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
#: Longer than a charge of the simulator is pending, and than the demo waits to look.
LATER = timedelta(seconds=35)


def later(*signalled: Any) -> None:
    demo_clock.advance(LATER)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, later)
    call_command("demo", port=int(sys.argv[1]))
