"""``USER_MODEL`` names one of ``tests.hosts.people``; limits as they are by default."""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, NEXI_PAYMENTS, env

NAME = env("USER_MODEL")
INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.people"]
AUTH_USER_MODEL = f"people.{NAME}"
NEXI_PAYMENTS = {k: v for k, v in NEXI_PAYMENTS.items() if k != "RATE_LIMITS"}
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # two of these run at the same time, beside the suite that has started them
    of_suite = DATABASES["default"]["NAME"]
    DATABASES["default"]["TEST"] = {"NAME": f"test_{of_suite}_{NAME.lower()}"}
