"""docs/testing.md, to the letter, in a project of somebody else."""

from __future__ import annotations

from pathlib import Path

from nexi_payments.testing import NexiSimulator
from nexi_payments.testing.simulator import CALL_PATHS
from tests.support import doc_pages
from tests.testing.project import Project

PAGE = doc_pages.DOCS / "testing.md"


def test_the_page_in_a_project_with_a_production_key(tmp_path: Path) -> None:
    conftest, *tests = (
        block.source for block in doc_pages.blocks(PAGE) if block.language == "python"
    )
    terminal = {"API_KEY": "k", "ENVIRONMENT": "production", "METHODS": ["PAYPAL"]}
    settings = {"TERMINALS": {"default": terminal}, "PUBLIC_URL": "https://shop.test"}
    shop = Project(tmp_path, f"NEXI_PAYMENTS = {settings}")
    shop.write("conftest.py", conftest)
    shop.write("test_page.py", "\n".join(tests))
    shop.write("pytest.ini", "[pytest]\nDJANGO_SETTINGS_MODULE = shop.settings\n")
    done = shop.run("-m", "pytest", "-q", "--disable-socket", "-p", "no:cacheprovider")
    assert "13 passed" in done.stdout, done.stdout + done.stderr


def test_the_page_names_everything() -> None:
    text = PAGE.read_text()
    verbs = {name for name in vars(NexiSimulator) if not name.startswith("_")}
    assert not [name for name in verbs if f"`{name}" not in text]
    assert not [call for call in CALL_PATHS if f'`"{call}"`' not in text]
