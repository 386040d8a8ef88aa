"""``Idempotency-Key``: a repeated request gets the stored response and does nothing.

A key belongs to one caller and one request. Two guards make the action happen once: the
key's record here, and in the flows a nonce derived from the key. So it also happens
once if a process dies between the two, or if twenty requests arrive at the same time.

For a request with a card, neither the card, nor a fingerprint of it, nor the response
is stored. A repeated request gets the current state of the payment."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

from django.db import IntegrityError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments.api.problem_details import Problem
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.pan_scanner import contains_card_number

HEADER: Final = "Idempotency-Key"
_PATTERN: Final = re.compile(r"[!-~]{8,255}")
#: Never stored: it is derived again for each response.
_SECRET_MEMBER: Final = "client_secret"  # noqa: S105  a name

_MAX_CALLER_LENGTH: Final = 64

Action = Callable[[], Response]


class IdempotencyKey:
    """The key of one request. ``payload`` is the body without card fields.

    Raises ``Problem`` (400) without a valid key. ``nonce`` is for the flows.
    """

    def __init__(self, request: Request, payload: Any) -> None:
        self.value = request.headers.get(HEADER, "")
        if not _is_valid(self.value):
            raise Problem(
                400,
                "idempotency_key_missing",
                f"Send {HEADER}: 8 to 255 characters, a new one for each action, for"
                " instance a UUID. Nothing was done.",
            )
        if isinstance(request.auth, PaymentOrder):
            self.caller = f"order:{request.auth.order_id}"
        else:
            self.caller = _shortened_caller(f"user:{request.user.pk}")
        request_line = [request.method, request.path, payload]
        canonical = json.dumps(request_line, sort_keys=True, default=str)
        self.fingerprint = hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def digest(self) -> str:
        """The stored form: some databases compare "a" and "A" as equal."""
        return hashlib.sha256(self.value.encode()).hexdigest()

    @property
    def nonce(self) -> str:
        """32 characters, for ``Operation.nonce`` and ``PaymentOrder.request_nonce``."""
        caller_and_key = f"{self.caller}\0{self.value}".encode()
        return hashlib.sha256(caller_and_key).hexdigest()[:32]

    def find_record(self) -> IdempotencyRecord | None:
        """The record of this key, if any.

        Raises ``Problem`` (409) if the key was used for another request.
        """
        record = IdempotencyRecord.objects.filter(
            caller=self.caller, key=self.digest
        ).first()
        if record is not None and record.fingerprint != self.fingerprint:
            raise Problem(
                409,
                "idempotency_key_reused",
                f"This {HEADER} was used for another request. Nothing was done.",
            )
        return record

    def create_record(self) -> IdempotencyRecord:
        """Raises ``IntegrityError`` if a concurrent request created it first."""
        return IdempotencyRecord.objects.create(
            caller=self.caller,
            key=self.digest,
            fingerprint=self.fingerprint,
            created_at=timezone.now(),
        )

    def get_or_create_record(self) -> tuple[IdempotencyRecord, bool]:
        """The record, and whether this request created it.

        Raises ``Problem``: 409 if the key was used for another request, or if
        concurrent requests create and delete the record again and again.
        """
        for _ in range(3):  # a rejected request deletes its record again
            record = self.find_record()
            if record is not None:
                return record, False
            try:
                return self.create_record(), True
            except IntegrityError:
                continue
        raise Problem(
            409,
            "order_busy",
            "Another request with this key is under way. Nothing was done; try again.",
            retry_after=1,
        )


def _shortened_caller(caller: str) -> str:
    """``caller``, as a digest if it is too long: a primary key may be an e-mail
    address."""
    if len(caller) <= _MAX_CALLER_LENGTH:
        return caller
    return (
        "user#" + hashlib.sha256(caller.encode()).hexdigest()[: _MAX_CALLER_LENGTH - 5]
    )


def _is_valid(text: str) -> bool:
    return bool(_PATTERN.fullmatch(text)) and not contains_card_number(text)


def run_in_transaction(
    key: IdempotencyKey, action: Action, make_secret: Callable[[Any], str]
) -> Response:
    """Run an action that uses our database only.

    One commit stores the key, the action and its response, or nothing. ``make_secret``
    derives the client secret of a repeated response, which is not stored.
    """

    record = key.find_record()
    if record is None:
        try:
            return _run_and_store(key, action)
        except IntegrityError:
            record = key.find_record()
            if record is None:
                raise
    response = replay(record)
    response.data[_SECRET_MEMBER] = make_secret(response.data)
    return response


@db_transactions.retried()
def _run_and_store(key: IdempotencyKey, action: Action) -> Response:
    record = key.create_record()
    response = action()
    store_response(record, response)
    return response


def run_once(key: IdempotencyKey, action: Action) -> Response:
    """Run an action that calls the gateway.

    It runs again only while no response is stored; the nonce makes that idempotent.
    """
    record, _ = key.get_or_create_record()
    if record.body:
        return replay(record)
    response = action()
    store_response(record, response)
    return response


def store_response(record: IdempotencyRecord, response: Response) -> None:
    """Store the first response; later ones do not replace it.

    A response that may still change (an open operation) is not stored.
    """
    data = {
        name: value for name, value in response.data.items() if name != _SECRET_MEMBER
    }
    if (data.get("operation") or {}).get("outcome") == "open":
        return
    body = json.dumps(data, default=str)
    IdempotencyRecord.objects.filter(pk=record.pk, body="").update(
        status=response.status_code, body=body
    )


def replay(record: IdempotencyRecord) -> Response:
    """The stored response, with the header ``Idempotency-Replayed``."""
    response = Response(json.loads(record.body), status=record.status)
    response["Idempotency-Replayed"] = "true"
    return response


def discard(record: IdempotencyRecord) -> None:
    """Forget a request that did nothing: the client may repeat it with its key."""
    record.delete()


def link_order(record: IdempotencyRecord, order: PaymentOrder) -> None:
    """Link a request with a card to its payment, from which repetitions are answered.

    Idempotent: the first link stays.
    """
    IdempotencyRecord.objects.filter(pk=record.pk, body="").update(
        body=json.dumps({"id": order.order_id})
    )


def linked_order(record: IdempotencyRecord) -> PaymentOrder | None:
    """The payment of ``link_order``, or ``None``."""
    if not record.body:
        return None
    return PaymentOrder.find_by_order_id(json.loads(record.body)["id"])
