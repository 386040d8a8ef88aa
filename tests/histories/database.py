"""A new database for a run, and its users."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def fresh_database(wanted: str, folder: Path, name: str = "nexi_histories") -> str:
    """A new database: a file, or one beside that of the URL.

    The process id is part of its name, so that runs do not drop each other's.
    """
    if wanted == "sqlite":
        return f"sqlite:///{folder / 'shop.sqlite3'}"
    url = f"{wanted.rpartition('/')[0]}/{name}_{os.getpid()}"
    drop(wanted, url)
    encoding = "" if wanted.startswith("postgres") else " CHARACTER SET utf8mb4"
    _execute(wanted, f"CREATE DATABASE {_name(url)}{encoding}")
    return url


def drop(wanted: str, url: str) -> None:
    """Drops the database at ``url``, connected to that of ``wanted``."""
    if wanted == "sqlite":
        return  # deleted with its folder
    force = " WITH (FORCE)" if wanted.startswith("postgres") else ""
    _execute(wanted, f"DROP DATABASE IF EXISTS {_name(url)}{force}")


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _execute(url: str, statement: str) -> None:
    if url.startswith("postgres"):
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())
        return
    import environ
    import MySQLdb

    facts = environ.Env.db_url_config(url)
    admin = MySQLdb.connect(
        host=facts["HOST"],
        port=int(facts["PORT"] or 3306),
        user=facts["USER"],
        password=facts["PASSWORD"],
    )
    admin.query(statement)
    admin.close()


def create_tables_and_clerks() -> list[dict[str, str]]:
    """Tables, products, and the session cookies of two clerks."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from demo_shop.seed import seed

    call_command("migrate", verbosity=0)
    seed()
    users = get_user_model().objects
    return [
        session_cookies(users.create_superuser(one, "", one)) for one in ("one", "two")
    ]


def create_members(many: int) -> list[dict[str, str]]:
    """Session cookies of shoppers with an account; after ``set_up``."""
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    names = [f"member-{number}" for number in range(many)]
    return [session_cookies(users.create_user(one, "", one)) for one in names]


def new_session(name: str) -> dict[str, str]:
    """Session cookies of one of the users, from now on."""
    from django.contrib.auth import get_user_model

    return session_cookies(get_user_model().objects.get(username=name))


def session_cookies(user: Any) -> dict[str, str]:
    from django.contrib.auth import (
        BACKEND_SESSION_KEY,
        HASH_SESSION_KEY,
        SESSION_KEY,
    )
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return {"sessionid": str(session.session_key)}
