"""The OpenAPI description: complete, without a warning, and as strict as the code."""

from __future__ import annotations

from pathlib import Path

from tests.support import openapi_validation, warm_processes

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = openapi_validation.openapi_schema()["components"]["schemas"]


def test_it_is_made_without_a_warning(tmp_path: Path) -> None:
    done = warm_processes.run(
        *("-W", "ignore", "manage.py", "spectacular"),
        *("--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml")),
        cwd=ROOT,
        env={"PATH": "", "DJANGO_SETTINGS_MODULE": "demo_shop.settings"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "operationId: create_order" in (tmp_path / "schema.yml").read_text()


def test_bodies_take_no_further_members() -> None:
    bodies = {name for name in SCHEMAS if name.endswith("Request")}
    assert bodies >= {
        "OrderRequest",
        "PayRequest",
        "MotoRequest",
        "RefundRequest",
        "ContinueRequest",
    }
    for name in bodies:
        assert SCHEMAS[name]["additionalProperties"] is False, name


def test_nobody_may_send_what_is_not_his() -> None:
    assert sorted(SCHEMAS["OrderRequest"]["properties"]) == [
        "amount",
        "contract",
        "currency",
        "customer",
        "description",
        "exemption",
        "expires_in",
        "failure_url",
        "reference",
        "success_url",
        "terminal",
    ]
    assert sorted(SCHEMAS["PayRequest"]["properties"]) == [
        "card_number",
        "cardholder_name",
        "consent",
        "expiry",
        "security_code",
    ]


def test_no_answer_holds_a_card_number() -> None:
    for name, schema in SCHEMAS.items():
        if not name.endswith("Request"):
            members = set(schema.get("properties", ()))
            assert not members & {"card_number", "security_code"}, name


def test_every_post_wants_a_key_and_every_door_its_credentials() -> None:
    for path, item in openapi_validation.openapi_schema()["paths"].items():
        for method, facts in item.items():
            headers = [p["name"] for p in facts["parameters"] if p["in"] == "header"]
            assert headers == (["Idempotency-Key"] if method == "post" else []), path
            if "/checkout/" in path:
                assert facts["security"] == [{"clientSecret": []}]
            else:
                assert {} not in facts["security"]
            assert facts["description"], path
