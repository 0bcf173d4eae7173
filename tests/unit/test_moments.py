"""Moments as people write them, in a zone whose clock jumps."""

import argparse
import time
from collections.abc import Iterator

import pytest

from dmarc_milter.cli import moments
from dmarc_milter.cli.moments import moment
from tests.support.clock import local_time


@pytest.fixture(autouse=True)
def vienna() -> Iterator[None]:
    """UTC+1, in summer UTC+2. In 2026 the clock goes forward on March 29 at 02:00, and back on October 25 at 03:00."""
    # As rules, not by name: no package of time zones is asked.
    with local_time("CET-1CEST,M3.5.0,M10.5.0/3"):
        yield


def at(text: str) -> float:
    """With its offset, so the local time has no part in it."""
    return moment(text, 0.0)


NOW = 1_795_600_800.0
"""2026-11-25 11:00 in Vienna."""

MOMENTS = {
    "90s": NOW - 90,
    "999999999w": 0.0,
    "30m": NOW - 1_800,
    "24h": NOW - 86_400,
    "7d": NOW - 604_800,
    "2w": NOW - 1_209_600,
    "2026-11-24": at("2026-11-24T00:00:00+01:00"),
    "2026-07-01": at("2026-07-01T00:00:00+02:00"),
    "2026-11-24T10:00": at("2026-11-24T10:00:00+01:00"),
    "2026-11-24 10:00:30": at("2026-11-24T10:00:30+01:00"),
    "2026-11-24T10:00Z": at("2026-11-24T11:00:00+01:00"),
    "2026-11-24T10:00-05:00": at("2026-11-24T16:00:00+01:00"),
    "10:59": at("2026-11-25T10:59:00+01:00"),
    "11:00": NOW,
    "11:01": at("2026-11-24T11:01:00+01:00"),
    "10:30Z": at("2026-11-24T11:30:00+01:00"),
    "09:30Z": at("2026-11-25T10:30:00+01:00"),
    # Nobody's clock showed this one; the hour before it is still UTC+1.
    "2026-03-29T02:30": at("2026-03-29T02:30:00+01:00"),
    "2026-03-29T03:00": at("2026-03-29T03:00:00+02:00"),
    # The clock showed this one twice.
    "2026-10-25T02:30": at("2026-10-25T02:30:00+02:00"),
    "2026-10-25T02:30+01:00": at("2026-10-25T03:30:00+02:00"),
    "2026-10-25T03:00": at("2026-10-25T03:00:00+01:00"),
}


@pytest.mark.parametrize(("text", "expected"), MOMENTS.items())
def test_moments(text: str, expected: float) -> None:
    assert moment(text, NOW) == expected


def test_a_time_of_yesterday_is_that_of_the_clock() -> None:
    """The day on which the clock goes back has 25 hours."""
    now = at("2026-10-25T09:00:00+01:00")
    assert moment("10:00", now) == at("2026-10-24T10:00:00+02:00")
    assert moment("24h", now) == at("2026-10-24T10:00:00+02:00")


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "10", "7", "7x", "-7d", "9999999999d", "2026", "2026-13-01", "25:00", "10:00 pm", "٣d"],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="is none of: a duration"):
        moment(text, NOW)


def test_a_moment_as_an_option() -> None:
    before = time.time()
    assert before - 60 <= moments.option("1m") <= time.time() - 60
    with pytest.raises(argparse.ArgumentTypeError, match="'soon' is none of"):
        moments.option("soon")


def test_moments_are_told_in_the_local_time() -> None:
    summer, winter = at("2026-07-01T08:00:05Z"), at("2026-11-25T08:00:05Z")
    assert (moments.told(summer), moments.told(winter)) == ("2026-07-01 10:00:05", "2026-11-25 09:00:05")
    assert moments.written(summer) == "2026-07-01T10:00:05+02:00"
    assert moments.written(winter) == "2026-11-25T09:00:05+01:00"
    assert (moments.zone(summer), moments.zone(winter)) == ("CEST", "CET")
