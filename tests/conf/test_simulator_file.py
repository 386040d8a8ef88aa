"""Where the built-in simulator keeps its orders: in one file for all processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from nexi_payments.conf import gateway_factory, simulator_file
from nexi_payments.conf.simulator_file import MEMORY, simulator_state

pytestmark = pytest.mark.seen_on("sqlite")

POSTGRESQL = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}
SQLITE = "django.db.backends.sqlite3"


@pytest.fixture(autouse=True)
def a_project_with_debug(settings: Any, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.BASE_DIR = tmp_path
    settings.NEXI_PAYMENTS = {"TERMINALS": {"default": {}}}


@pytest.fixture
def no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mail, "outbox")


@pytest.fixture
def use_database(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(**database: Any) -> None:
        monkeypatch.setitem(settings.DATABASES, "default", database)

    return use


def test_tests_use_memory(use_database: Any, settings: Any, tmp_path: Path) -> None:
    use_database(ENGINE=SQLITE, NAME=tmp_path / "db.sqlite3")
    assert simulator_state() == MEMORY
    assert not simulator_file.lacks_shared_file()
    explicit = str(tmp_path / "state")
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "SIMULATOR_STATE": explicit}
    assert simulator_state() == explicit


@pytest.mark.usefixtures("no_test")
def test_beside_a_sqlite_database(
    use_database: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    expected = str(folder / "db.nexi_simulator.sqlite3")
    for name in (folder / "db.sqlite3", str(folder / "db.sqlite3")):
        use_database(ENGINE=SQLITE, NAME=name)
        assert simulator_state() == expected
    use_database(ENGINE=SQLITE, NAME="db.sqlite3")
    monkeypatch.chdir(folder)
    assert simulator_state() == expected
    assert not simulator_file.lacks_shared_file()
    assert not list(folder.iterdir())  # only named, not made


@pytest.mark.usefixtures("no_test")
def test_in_base_dir_with_another_database(
    use_database: Any, settings: Any, tmp_path: Path
) -> None:
    use_database(**POSTGRESQL)
    assert simulator_state() == str(tmp_path / "shop.nexi_simulator.sqlite3")
    use_database(**{**POSTGRESQL, "NAME": ""})
    assert simulator_state() == str(tmp_path / "default.nexi_simulator.sqlite3")


@pytest.mark.usefixtures("no_test")
@pytest.mark.parametrize("name", [":memory:", "", "file:m?mode=memory&cache=shared"])
def test_a_database_of_one_process(use_database: Any, name: str) -> None:
    use_database(ENGINE=SQLITE, NAME=name)
    assert simulator_state() == MEMORY
    assert not simulator_file.lacks_shared_file()


@pytest.mark.usefixtures("no_test")
def test_without_a_folder(
    use_database: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(**POSTGRESQL)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert simulator_state() == MEMORY
    assert simulator_file.lacks_shared_file()
    settings.BASE_DIR = tmp_path / "x"
    assert simulator_state() == str(tmp_path / "x" / "shop.nexi_simulator.sqlite3")
    del settings.BASE_DIR
    assert simulator_state() == MEMORY
    assert simulator_file.lacks_shared_file()


@pytest.mark.usefixtures("no_test")
def test_a_file_that_cannot_be_written(
    use_database: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(**POSTGRESQL)
    file = tmp_path / "shop.nexi_simulator.sqlite3"
    file.touch()
    assert simulator_state() == str(file)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file)
    assert simulator_state() == MEMORY


@pytest.mark.usefixtures("no_test")
def test_the_simulator_of_a_process_uses_it(
    use_database: Any, settings: Any, tmp_path: Path
) -> None:
    use_database(**POSTGRESQL)
    gateway_factory.simulator.cache_clear()
    try:
        assert gateway_factory.simulator().record("x") is None
        gateway_factory.simulator().close()
    finally:
        gateway_factory.simulator.cache_clear()
    assert (tmp_path / "shop.nexi_simulator.sqlite3").exists()
