"""A merchant's side of the wire, written from the API page and sharing nothing with the
client. Every answer it gets is held against the published schema."""

from __future__ import annotations

import functools
import json
import re
import uuid
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from nexi_payments.simulator import TEST_CARDS, Reply, Simulator, TestCard
from tests.support.hosted_page_schema import hosted_page_api

SITE = "http://gateway.test:8900/some/prefix"
API = SITE + "/api/phoenix-0.0/psp/api/v1"
RESULT_URL = "https://shop.test/hosted/a/result/"
CANCEL_URL = "https://shop.test/hosted/a/cancel/"
NOTIFICATION_URL = "https://shop.test/notify/a/b/"
CARDS = {card.ending: card for card in reversed(TEST_CARDS)}


@functools.cache
def openapi() -> dict[str, Any]:
    path = Path(__file__).parent.parent / "openapi.yaml"
    # libyaml's reader takes a tenth of the time; some platforms lack it
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(), Loader=loader)


def document_of(path: str) -> dict[str, Any]:
    """The document that describes a path: hosted pages have one of their own."""
    hosted = re.match(r"/orders/hpp|/(orders/)?paybylink", path)
    return hosted_page_api() if hosted else openapi()


def validator(document: dict[str, Any], pointer: str) -> Draft202012Validator:
    """For the schema at ``pointer`` inside the document."""
    resource = Resource(contents=document, specification=DRAFT202012)
    return Draft202012Validator(
        {"$ref": f"urn:npg#{pointer}"},
        registry=Registry().with_resource("urn:npg", resource),
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


@functools.cache
def request_schema(name: str) -> Draft202012Validator:
    return validator(openapi(), f"/components/schemas/{name}")


def documented_path(path: str) -> str:
    """The documented path that a path on the wire is an instance of."""
    path = path.partition("?")[0].rstrip("/")
    for known in document_of(path)["paths"]:
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", known), path) and (
            known == path or "{" in known
        ):
            return known
    raise AssertionError(f"{path} is not documented")


@functools.cache
def answer_schema(path: str, method: str, status: str) -> Draft202012Validator | None:
    """For the body of a documented answer; ``None`` if it has no body."""
    document = document_of(path)
    found = document["paths"][path][method]["responses"][status]
    escaped = path.replace("~", "~0").replace("/", "~1")
    pointer = f"/paths/{escaped}/{method}/responses/{status}"
    if "$ref" in found:
        pointer = found["$ref"].lstrip("#")
        found = document["components"]["responses"][pointer.rpartition("/")[2]]
    if "content" not in found:
        return None
    return validator(document, f"{pointer}/content/application~1json/schema")


def assert_documented(method: str, path: str, reply: Reply) -> None:
    """Status documented, ``cid`` there, body as the schema says."""
    assert re.fullmatch(r"[0-9a-f-]{36}", reply.headers["cid"])
    known = documented_path(path)
    schema = answer_schema(known, method.lower(), str(reply.status))
    if schema is None:
        assert reply.body == b""
        return
    schema.validate(json.loads(reply.body))


class MerchantClient:
    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        documented: bool = True,
    ) -> Reply:
        sent = {"X-Api-Key": "key", "Correlation-Id": str(uuid.uuid4())}
        raw = b"" if body is None else json.dumps(body).encode()
        reply = self.simulator.handle(method, API + path, sent | (headers or {}), raw)
        if documented:
            assert_documented(method, path, reply)
        return reply

    def post(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """The body of a 200."""
        reply = self.call("POST", path, body, headers)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def get(self, path: str) -> Any:
        reply = self.call("GET", path)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def rejected_code(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> str:
        """The error code of a 400."""
        reply = self.call("POST", path, body, headers)
        assert reply.status == 400, reply
        [error] = json.loads(reply.body)["errors"]
        return error["code"]

    # -- roads -------------------------------------------------------------------------

    def init(self, body: Any, flow: str = "3steps") -> str:
        return self.post(f"/orders/{flow}/init", body)["operation"]["operationId"]

    def authenticated_payment(self, body: Any) -> dict[str, Any]:
        """A 3-step payment body after init, challenge and validation."""
        operation_id = self.init(body)
        back = self.simulator.answer_challenge(operation_id, "approve")
        answer = self.post(
            "/orders/3steps/validation",
            {"operationId": operation_id, "threeDSAuthResponse": back["PaRes"]},
        )
        proof = {
            name: answer["threeDSAuthResult"][name]
            for name in ("authenticationValue", "eci", "xid")
        }
        return {**body, "operationId": operation_id, "threeDSAuthData": proof}

    def pay(self, body: Any, capture: str = "IMPLICIT") -> str:
        """The operation id of a finished payment."""
        ready = self.authenticated_payment(body) | {"captureType": capture}
        return self.post("/orders/3steps/payment", ready)["operation"]["operationId"]

    def post_charge(
        self, operation_id: str, what: str, amount: str, **changes: str
    ) -> Any:
        body = {"amount": amount, "currency": "EUR", **changes}
        path = f"/operations/{operation_id}/{what}"
        return self.post(path, body, idempotency_header())["operationId"]

    def result(self, operation_id: str) -> str:
        return self.get(f"/operations/{operation_id}")["operationResult"]

    def totals(self, order_id: str = "ORDER1") -> tuple[str, str]:
        status = self.get(f"/orders/{order_id}")["orderStatus"]
        return status["authorizedAmount"], status["capturedAmount"]


def idempotency_header(value: str = "") -> dict[str, str]:
    return {"Idempotency-Key": value or str(uuid.uuid4())}


def card_body(ending: str = "challenge") -> dict[str, str]:
    return card_fields(CARDS[ending])


def card_fields(it: TestCard) -> dict[str, str]:
    return {
        "pan": it.number,
        "expiryDate": it.expiry.replace("/", ""),
        "cvv": it.cvv,
    }


def purchase(ending: str = "challenge", order_id: str = "ORDER1") -> dict[str, Any]:
    return {
        "order": {"orderId": order_id, "amount": "1250", "currency": "EUR"},
        "card": card_body(ending),
    }


def hosted_order(
    order_id: str = "ORDER1", service: str = "", currency: str = "EUR", **session: str
) -> dict[str, Any]:
    """The body of ``POST /orders/hpp``."""
    wanted = {
        "actionType": "PAY",
        "amount": "1250",
        "recurrence": {"action": "NO_RECURRING"},
        "exemptions": "NO_PREFERENCE",
        "language": "ENG",
        "resultUrl": RESULT_URL,
        "cancelUrl": CANCEL_URL,
        "notificationUrl": NOTIFICATION_URL,
        **({"paymentService": service} if service else {}),
        **session,
    }
    order = {"orderId": order_id, "amount": "1250", "currency": currency}
    return {"order": order, "paymentSession": wanted}


def phone_order(ending: str = "challenge") -> dict[str, Any]:
    body = purchase(ending)
    body["order"]["customerInfo"] = {"cardHolderName": "Giulia Bianchi"}
    return body
