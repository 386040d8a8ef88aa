"""What an error tracker is told of requests with a card, however they end."""

from __future__ import annotations

from pathlib import Path

from tests.support import warm_processes

ROOT = Path(__file__).resolve().parents[2]


def test_an_error_tracker_learns_no_card(migrated: Path) -> None:
    done = warm_processes.run(
        *("-m", "tests.support.sentry_api_requests"),
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{migrated}",
        },
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "good 200 []",
        "good-moto 201 []",
        "secret 401 []",
        "permission 403 []",
        "names 400 []",
        "continue 400 []",
        "method 405 []",
        "throttled 429 []",
        "cache 200 []",
        "cache-moto 200 []",
        "key 500 []",
        "database 500 []",
    ]
