from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.units import (
    Unreadable,
    format_duration,
    format_share,
    format_size,
    parse_bool,
    parse_duration,
    parse_share,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5), ("700ms", 0.7), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("7d", 604800.0),
        ("1w", 604800.0), ("1h30m", 5400.0), ("1w2d3h4m5s6ms", 788645.006), ("0", 0.0), ("0s", 0.0), ("1.5h", 5400.0),
        (" 5s ", 5.0), ("36500d", 36500 * 86400.0),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "5 s", "5sek", "s", "-5s", "+5s", "1m1h", "5s5s", "5S", "1e3s", "inf", "nan", "٥s", "5s\n5s", "1_0s",
     ".5s", "5.s", "36501d", "9" * 400 + "s", "1" * 5000],
)  # fmt: skip
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


def test_the_text_of_an_error_says_how_to_write_it() -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration("5 sek")
    assert str(caught.value) == "'5 sek' is not a duration; write it like 500ms, 5s, 2m, 1h or 7d"
    with pytest.raises(Unreadable) as caught_too:
        parse_duration("90")
    assert caught_too.value.reason == "has no unit"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (90.0, "1m30s"), (5400.0, "1h30m"), (604800.0, "7d"),
        (3661.25, "1h1m1.25s"), (-5.0, "-5s"), (0.0001, "0s"), (59.9999, "1m"), (86400.0, "1d"), (10.0, "10s"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=36500 * 86_400_000))
def test_durations_come_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert math.isclose(parse_duration(format_duration(seconds)), seconds, abs_tol=1e-4)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 67108864), ("10MB", 10_000_000), ("1GiB", 2**30), ("512KiB", 524288), ("100B", 100), ("100", 100),
        ("0", 0), ("1.5KiB", 1536), ("1kB", 1000), ("1KB", 1000), ("2TiB", 2**41), ("1TB", 10**12),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "64m", "64 MiB", "-1B", "1.5", "1.5B", "64mib", "MiB", "1e3", "9" * 15 + "TiB", "8388608TiB"]
)
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"), (999, "999B"), (1000, "1kB"), (1024, "1KiB"), (67108864, "64MiB"), (10_000_000, "10MB"),
        (10**12, "1TB"), (1234567, "1.2MiB"), (2**20 - 1, "1.0MiB"), (-2048, "-2KiB"), (1001, "1.0KiB"),
        (1234567 * 1024, "1.2GiB"),
    ],
)  # fmt: skip
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 999), st.sampled_from(["B", "KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB"]))
def test_sizes_come_back(count: int, unit: str) -> None:
    size = parse_size(f"{count}{unit}")
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 2**62))
def test_any_size_comes_back_roughly(size: int) -> None:
    assert math.isclose(parse_size(format_size(size)), size, rel_tol=0.06)


@pytest.mark.parametrize(
    ("text", "share"),
    [("80%", 0.8), ("0.8", 0.8), ("1", 1.0), ("0", 0.0), ("100%", 1.0), ("0.1%", 0.001), ("55%", 0.55), ("1.0", 1.0)],
)
def test_shares(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "80", "130%", "1.1", "-1%", "80 %", "80 percent", "%", "nan", "1e-1"])
def test_no_shares(text: str) -> None:
    with pytest.raises(ValueError):
        parse_share(text)


def test_a_forgotten_percent_sign_is_seen() -> None:
    with pytest.raises(ValueError, match=r"'80' is more than 100%; write it like 80% or 0.8"):
        parse_share("80")


@given(st.integers(0, 10_000))
def test_shares_come_back(hundredths: int) -> None:
    share = hundredths / 10_000
    assert math.isclose(parse_share(format_share(share)), share, abs_tol=1e-9)


@given(st.text(max_size=30))
def test_nothing_but_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size, parse_share, parse_bool):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert math.isfinite(value)
        assert value >= 0


def test_words_for_yes_and_no() -> None:
    assert [parse_bool(word) for word in ("true", "Yes", "ON", "false", "no", "off")] == [True] * 3 + [False] * 3
    with pytest.raises(ValueError, match="neither true nor false"):
        parse_bool("1")
