"""Saved cards: contracts, merchant-initiated charges, zero-amount card verifications.

No endpoint creates a contract: the payment that names it does, when it is charged.
Where the reference is open, the simulator is strict: a contract id is used once, a
payment repeats what init said, and an expired or deactivated contract is not charged.
"""

from __future__ import annotations

from dataclasses import replace

from nexi_payments.simulator import (
    idempotency,
    local_time,
    payments,
    records,
    request_schemas,
    responses,
    schema_validator,
    test_cards,
)
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.state import SimulatorState


def charge(state: SimulatorState, request: Request) -> Reply:
    """``POST /orders/mit``. Idempotent by its key."""
    data, key = request.json(), request.idempotency_key
    if not 1 <= len(key) <= idempotency.MAX_KEY_LENGTH:
        return responses.error_reply("PS0025", "idempotency key wrong or missing")
    schema_validator.validate_request(data, request_schemas.MIT)
    fingerprint = idempotency.fingerprint("mit", data)
    store, order = state.store, data["order"]
    with store.transaction():
        earlier = idempotency.earlier_reply(state, key, fingerprint)
        if earlier is not None:
            return earlier
        contract = store.find_contract(data["contractId"])
        if contract is None or not _is_active(state, contract):
            return responses.error_reply(*responses.CONTRACT_NOT_VALID)
        if store.is_used(order["orderId"]):
            return responses.error_reply(*responses.ORDER_ID_USED)
        card = {name: contract[name] for name in ("masked", "expiry", "brand")}
        ending = contract["ending"]
        card["ending"] = test_cards.MIT_ENDINGS.get(ending, ending)
        record = records.new_record("mit", order, card, state.now())
        record["contract"] = contract["contract_id"]
        reply = payments.charge(state, record, data.get("captureType"))
        store.insert(record)
        store.save_reply(key, fingerprint, reply.body, state.now())
    return reply


def verify(state: SimulatorState, request: Request) -> Reply:
    """``POST /orders/card_verification``: no charge, no 3-D Secure, no order."""
    data = request.json()
    schema_validator.validate_request(data, request_schemas.VERIFICATION)
    pan = data["card"]["pan"]
    ending = test_cards.ending_of(pan)
    code = test_cards.DECLINE_CODES.get(ending, "000")
    operation = {
        "orderId": data["order"]["orderId"],
        "operationId": records.new_operation_id(),
        "operationType": "CARD_VERIFICATION",
        "operationResult": "EXECUTED" if code == "000" else "DECLINED",
        "operationTime": local_time.format_time(state.now()),
        "paymentMethod": "CARD",
        "paymentCircuit": test_cards.brand_of(pan),
        "operationAmount": data["order"]["amount"],
        "operationCurrency": data["order"]["currency"],
        "warnings": [],
        "additionalData": {"authorizationStatus": code},
    }
    fault = {"gateway_down": "refused", "answer_lost": "cut"}.get(ending, "")
    return replace(responses.json_reply({"operation": operation}), fault=fault)


def deactivate(state: SimulatorState, request: Request, contract_id: str) -> Reply:
    """``POST /contracts/{id}/deactivation``: 200 without a body. Idempotent."""
    if not state.store.end_contract(contract_id):
        return responses.error_reply(*responses.CONTRACT_NOT_VALID)
    return Reply(200)


def list_for_customer(
    state: SimulatorState, request: Request, customer_id: str
) -> Reply:
    """``GET /contracts/customers/{id}``: active contracts, oldest first."""
    found = state.store.contracts_of_customer(customer_id)
    if not found:
        return Reply(404)
    shown = [
        {
            "contractId": one["contract_id"],
            "contractType": one["type"],
            "contractExpiryDate": one["until"] or None,
            "contractFrequency": one["frequency"] or None,
            "paymentMethod": "CARD",
            "paymentCircuit": one["brand"],
            "paymentInstrumentInfo": f"***{one['masked'][-4:]}",
        }
        for one in found
        if one["active"]
    ]
    return responses.json_reply({"customerId": customer_id, "contracts": shown})


def _is_active(state: SimulatorState, contract: Record) -> bool:
    until = contract["until"]
    today = local_time.format_date(state.now())
    return bool(contract["active"]) and (not until or today <= until)
