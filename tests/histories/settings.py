"""The demo shop as in production, with short intervals."""

from demo_shop.settings import *  # noqa: F403
from demo_shop.settings import INSTALLED_APPS, MIDDLEWARE, NEXI_PAYMENTS, env

DATABASES["default"]["ATOMIC_REQUESTS"] = env.bool("ATOMIC_REQUESTS", default=False)  # noqa: F405
if _timeout := env.float("HISTORIES_SQLITE_TIMEOUT", default=0):
    DATABASES["default"]["OPTIONS"]["timeout"] = _timeout  # noqa: F405
if env.bool("HISTORIES_POOLED", default=False):
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# the pages' style sheets are not requested here
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name]
if env.str("HISTORIES_RECEIVERS", default=""):
    # before the shop's own receivers: these skip them
    INSTALLED_APPS = ["tests.histories.apps.HistoriesConfig", *INSTALLED_APPS]
_manual = {**NEXI_PAYMENTS["TERMINALS"]["moto"], "CAPTURE": "manual"}
NEXI_PAYMENTS["TERMINALS"]["manual"] = _manual
_methods = ["PAYPAL", "BANCOMATPAY", "GOOGLEPAY", "MYBANK"]
NEXI_PAYMENTS["TERMINALS"]["default"]["METHODS"] = _methods
NEXI_PAYMENTS["HOSTED_EXPIRE_AFTER"] = env.float("NEXI_EXPIRE_AFTER", default=3600)
NEXI_PAYMENTS["DUPLICATES"] = "refund"
# the steps that call the API have a clerk's session
NEXI_PAYMENTS["API_PASSWORD_AUTHENTICATION"] = [
    "rest_framework.authentication.SessionAuthentication"
]
LOGGING["loggers"]["django.request"] = {  # noqa: F405
    "handlers": ["console"],
    "level": "ERROR",
}
LOGGING["loggers"]["nexi_payments"]["level"] = env.str("LOG_LEVEL", default="INFO")  # noqa: F405

#: "lagging http://127.0.0.1:4711 …": each world has a gateway, and two terminals there
_worlds = env.str("HISTORIES_WORLDS", default="").split()
for _world, _url in zip(_worlds[::2], _worlds[1::2], strict=True):
    _there = {**_manual, "BASE_URL": _url}
    NEXI_PAYMENTS["TERMINALS"][f"{_world}-manual"] = _there
    NEXI_PAYMENTS["TERMINALS"][f"{_world}-automatic"] = {
        **_there,
        "CAPTURE": "automatic",
    }
