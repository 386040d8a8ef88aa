"""What a start costs: a bare project, the same with ours in it, and with others.

    python -m benchmarks.payment.startup [--runs 15] [--keep]

CPU ms of a whole process and its memory at the end, processes alternating; and which
imports it is that ``manage.py check`` waits for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.payment import report
from benchmarks.payment.report import quartiles

ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = """
import json, resource, sys
import requests
import django
from django.conf import settings
kind, app = sys.argv[1:]
settings.configure(
    SECRET_KEY="start",
    USE_TZ=True,
    ALLOWED_HOSTS=["shop.example"],
    ROOT_URLCONF="shop_urls",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]},
    }],
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
        "django.contrib.sessions", "django.contrib.messages",
        "django.contrib.staticfiles", *([app] if app else []),
    ],
    STATIC_URL="static/",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    NEXI_PAYMENTS={
        "TERMINALS": {"default": {"API_KEY": "k", "ENVIRONMENT": "sandbox"}},
        "PUBLIC_URL": "https://shop.example",
        "SEALED_CARD_KEYS": ["dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="],
    },
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    STRIPE_TEST_SECRET_KEY="sk_test_of_nobody",
    PAYMENT_HOST="shop.example",
)
if kind == "setup":
    settings.INSTALLED_APPS.remove("django.contrib.admin")
django.setup()
from django.urls import include, path
urls = sys.modules["shop_urls"] = type(sys)("shop_urls")
urls.urlpatterns = []
if kind != "setup":
    from django.contrib import admin
    urls.urlpatterns.append(path("admin/", admin.site.urls))
    if app:
        urls.urlpatterns.append(path("payments/", include(app + ".urls")))
if kind == "worker":
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import get_resolver
    WSGIHandler()
    get_resolver().url_patterns
if kind == "check":
    import contextlib, io
    from django.core.management import call_command
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(
        io.StringIO()
    ):
        call_command("check")
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([(used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024]))
"""
KINDS = {
    "models only, no admin (`django.setup()`)": "setup",
    "a worker: admin and pages": "worker",
    "`manage.py check`": "check",
}


OURS = "nexi_payments"
#: Beside ours, where they are installed.
OTHERS = {
    "djstripe": "dj-stripe",
    "payments": "django-payments",
    "rest_framework": "Django REST framework",
}
#: Modules of ours that stand for one part of it each; the rest is "other modules".
PARTS = ("models", "flows", "gateway", "admin", "hold", "card", "conf", "customers")


def run_process(kind: str, app: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", _SCRIPT, kind, app],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )


def measure_once(kind: str, app: str = "") -> tuple[float, float]:
    """CPU ms and MiB."""
    cpu, memory = json.loads(run_process(kind, app).stdout)
    return cpu, memory


def compare(kind: str, app: str, runs: int) -> dict[str, list[float]]:
    pairs = [(measure_once(kind), measure_once(kind, app)) for _ in range(runs)]
    return {
        "bare_ms": quartiles([bare[0] for bare, _ in pairs]),
        "ours_ms": quartiles([ours[0] for _, ours in pairs]),
        "added_ms": quartiles([ours[0] - bare[0] for bare, ours in pairs]),
        "ratio": quartiles([ours[0] / bare[0] for bare, ours in pairs]),
        "bare_mib": quartiles([bare[1] for bare, _ in pairs]),
        "ours_mib": quartiles([ours[1] for _, ours in pairs]),
    }


def import_times(app: str) -> dict[str, float]:
    """Module → ms for itself, without what it imports."""
    found = {}
    for line in run_process("check", app, "-X", "importtime").stderr.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if len(fields) == 3 and fields[0].strip().isdigit():
            found[fields[2].strip()] = int(fields[0]) / 1000
    return found


def part_of(module: str) -> str:
    top, _, rest = module.partition(".")
    if top != OURS:
        return top
    first = rest.partition(".")[0]
    return f"{OURS}.{first}" if first in PARTS else f"{OURS}, other modules"


def measure_parts(runs: int) -> dict[str, dict[str, Any]]:
    """Part → how many modules of it a bare project does not import, and their ms as a
    share of all that is added."""
    shares: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for _ in range(runs):
        bare, ours = import_times(""), import_times(OURS)
        added = {name: ms for name, ms in ours.items() if name not in bare}
        whole = sum(added.values())
        sums: dict[str, float] = {}
        for name, ms in added.items():
            sums[part_of(name)] = sums.get(part_of(name), 0) + ms / whole
        counts = {}
        for name in added:
            counts[part_of(name)] = counts.get(part_of(name), 0) + 1
        for name, share in sums.items():
            shares.setdefault(name, []).append(share)
    return {
        name: {"modules": counts.get(name, 0), "share": quartiles(values)}
        for name, values in shares.items()
        if len(values) > 1
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    found = {}
    for name, kind in KINDS.items():
        found[name] = compare(kind, OURS, options.runs)
        print(name, found[name], flush=True)
    beside = {}
    for app, name in OTHERS.items():
        if find_spec(app):
            beside[name] = compare("check", app, options.runs)
            print(name, beside[name])
    imported = measure_parts(max(2, options.runs // 3))
    for name, one in sorted(imported.items(), key=lambda item: -item[1]["share"][1]):
        print(f"{one['share'][1]:6.1%} {one['modules']:4} {name}")
    if options.keep:
        report.save("start", found)
        report.save("start beside", beside)
        report.save("start parts", imported)


if __name__ == "__main__":
    main()
