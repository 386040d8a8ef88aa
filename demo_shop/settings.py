"""Settings of the demo project. Only this file reads the environment."""

from decimal import Decimal
from pathlib import Path

import django
import environ

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = (
    env.str("SECRET_KEY", default="demo only, never with real cards")
    if DEBUG
    else env.str("SECRET_KEY")
)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "nexi_payments",
    "demo_shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "demo_shop.urls"
WSGI_APPLICATION = "demo_shop.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "demo_shop.views.shop_context",
                "demo_shop.simulator_panel.panel_context",
            ]
        },
    }
]

DATABASES = {
    "default": env.db_url(
        "DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'demo.sqlite3'}"
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
    }
else:
    DATABASES["default"].setdefault("CONN_MAX_AGE", 600)
    # or the first page of each thread fails after the server has cut its connections
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}

AUTH_PASSWORD_VALIDATORS: list[dict[str, str]] = []  # demo logins are short on purpose
# the demo's clock jumps by months, and sessions expire by it
SESSION_COOKIE_AGE = 10 * 365 * 86_400
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "account"
LOGOUT_REDIRECT_URL = "shop"
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("it", "Italiano"),
    # languages of the payment pages only; the shop itself stays in English
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("es", "Español"),
    ("fr", "Français"),
]
LOCALE_PATHS = [BASE_DIR / "demo_shop" / "locale"]
TIME_ZONE = "Europe/Rome"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_MAIL = "django.core.mail.backends.console.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _MAIL}}
else:
    EMAIL_BACKEND = _MAIL


def _seconds(name: str) -> float | None:
    value: float | None = env.float(name, default=None)
    return value


def _given(**values: object) -> dict[str, object]:
    """Drop unset values, so that the package's defaults apply."""
    return {name: value for name, value in values.items() if value is not None}


def _methods(default: list[str]) -> list[str] | str:
    found: list[str] = env.list("NEXI_METHODS", default=default)
    return "auto" if found == ["auto"] else found


_base_url = env.str("NEXI_BASE_URL", default=None)
_default_terminal = _given(
    # a local gateway needs no key
    API_KEY=env.str("NEXI_API_KEY", default="demo" if _base_url else None),
    BASE_URL=_base_url,
    ENVIRONMENT=env.str("NEXI_ENVIRONMENT", default=None),
    FLOW=env.str("NEXI_FLOW", default=None),
    CAPTURE=env.str("NEXI_CAPTURE", default=None),
    THREE_DS_HOSTS=env.list("NEXI_THREE_DS_HOSTS", default=None),
    HOSTED_PAGE_HOSTS=env.list("NEXI_HOSTED_PAGE_HOSTS", default=None),
)
#: Cards are read on our page, or on Nexi's. A phone order's card always on ours.
_cards = _given(CARDS=env.str("NEXI_CARDS", default=None))
#: A gateway of somebody else may list none: then only what the environment names.
_SAMPLE_METHODS = [] if _base_url else ["PAYPAL", "GOOGLEPAY", "BANCOMATPAY"]
#: All who try the demo share one address and its logins. The limit by order stays: the
#: panel shows when it ends, and a button lets the time pass.
_SHARED_BY_TESTERS = {"reference": (5, 3600), "user": None, "address": None}
_simulated = DEBUG and "API_KEY" not in _default_terminal
_RATE_LIMITS = _SHARED_BY_TESTERS if _simulated else None
_ways_to_pay = {**_cards, "METHODS": _methods(_SAMPLE_METHODS)}
NEXI_PAYMENTS = _given(
    TERMINALS={
        "default": {**_default_terminal, **_ways_to_pay},
        "two_steps": {**_default_terminal, **_ways_to_pay, "FLOW": "2steps"},
        # other methods are captured at once
        "manual": {**_default_terminal, **_cards, "CAPTURE": "manual"},
        "nexi_page": {**_default_terminal, **_ways_to_pay, "CARDS": "hosted_page"},
        "moto": {
            **_default_terminal,
            **_given(API_KEY=env.str("NEXI_MOTO_API_KEY", default=None)),
            "MOTO": True,
            "MAX_AMOUNT": Decimal("5000"),
            "LINK_TERMINAL": "default",
        },
    },
    PUBLIC_URL=env.str("NEXI_PUBLIC_URL", default=None),
    SEALED_CARD_KEYS=env.list("NEXI_SEALED_CARD_KEYS", default=None),
    SEALED_CARD_TTL=_seconds("NEXI_SEALED_CARD_TTL"),
    SEALED_CARD_CVV=env.bool("NEXI_SEALED_CARD_CVV", default=None),
    CONNECT_TIMEOUT=_seconds("NEXI_CONNECT_TIMEOUT"),
    TOTAL_TIMEOUT=_seconds("NEXI_TOTAL_TIMEOUT"),
    KEEP_ALIVE=_seconds("NEXI_KEEP_ALIVE"),
    SETTLE_AFTER=_seconds("NEXI_SETTLE_AFTER"),
    WATCH_FOR=_seconds("NEXI_WATCH_FOR"),
    EXPIRE_AFTER=_seconds("NEXI_EXPIRE_AFTER"),
    HOSTED_EXPIRE_AFTER=_seconds("NEXI_HOSTED_EXPIRE_AFTER"),
    # `curl -u` of docs/api.md; a shop has tokens, or a second factor
    API_PASSWORD_AUTHENTICATION=(
        ["rest_framework.authentication.BasicAuthentication"] if DEBUG else None
    ),
    RATE_LIMITS=env.str("NEXI_RATE_LIMITS", default=None) or _RATE_LIMITS,
    MERCHANT_NAME="Caffè Demo",
    INTEGRITY=True,
    SIMULATOR_STATE=env.str(
        "NEXI_SIMULATOR_STATE", default=str(BASE_DIR / "simulator.sqlite3")
    ),
)

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Payments of the demo shop",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVERS": [{"url": "/"}],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"nexi_payments": {"handlers": ["console"], "level": "INFO"}},
}
