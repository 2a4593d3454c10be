"""Which device gets it when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.fleet.waves import BadWaves, order, parse, split


def test_each_wave_says_how_many_have_it_afterwards() -> None:
    assert [len(w) for w in split([f"d{n}" for n in range(200)], parse("1,10%,50%,100%"))] == [1, 19, 80, 100]
    assert [len(w) for w in split(["a", "b", "c"], parse("1, 10%, 50%, 100%"))] == [1, 1, 1]
    assert [len(w) for w in split(["a", "b", "c"], parse("2"))] == [2]
    assert split([], parse("100%")) == []


@pytest.mark.parametrize("text", ["", "0", "x", "101%", "0%", "50%,50%", "10,5", "-1", "nan%", "inf", "1,,2", "1.5"])
def test_what_is_no_list_of_waves(text: str) -> None:
    with pytest.raises(BadWaves):
        parse(text)


@given(st.sets(st.text(max_size=5), max_size=60), st.sampled_from(["1,10%,50%,100%", "100%", "3,33.3%,7,100%"]))
def test_everybody_once_and_in_order(devices: set[str], text: str) -> None:
    ordered = order(devices, "bundle")
    assert ordered == order(sorted(devices, reverse=True), "bundle")
    groups = split(ordered, parse(text))
    assert [device for group in groups for device in group] == ordered
    assert all(groups)


def test_another_bundle_begins_with_another_device() -> None:
    devices = [f"d{n}" for n in range(50)]
    assert len({order(devices, f"bundle-{n}")[0] for n in range(20)}) > 5
