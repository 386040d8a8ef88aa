"""The keys that a comparison remembers, in parts."""

from __future__ import annotations

import pytest

from nexi_payments.flows.closing import seen_keys
from nexi_payments.flows.closing.seen_keys import SeenKeys

pytestmark = pytest.mark.seen_on("sqlite")


def test_what_was_added_is_there_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_keys, "_PART", 3)
    seen = SeenKeys()
    added = [9, 2**62, 1, 5, 5, 7, 3, 11]
    assert 9 not in seen
    for key in added:
        seen.add(key)
    assert [key for key in range(13) if key in seen] == [1, 3, 5, 7, 9, 11]
    assert 2**62 in seen
    assert [len(part) for part in seen._parts] == [3, 3]
    assert {part.itemsize for part in seen._parts} == {8}
