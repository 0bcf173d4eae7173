"""Reasons as values."""

import pytest

from dmarc_milter.common.reason import Reason, ReasonCode, Unreadable, UnreadableError


class Code(ReasonCode):
    MISSING_TAG = "missing-tag"
    BELOW = "below"


def test_calling_a_code_gives_a_reason() -> None:
    assert Code.MISSING_TAG(tag="d") == Reason(Code.MISSING_TAG, (("tag", "d"),))
    assert Code.MISSING_TAG(tag="d") != Code.MISSING_TAG(tag="s")
    assert len({Code.MISSING_TAG(tag="d"), Code.MISSING_TAG(tag="d")}) == 1


def test_parameters_have_names() -> None:
    reason = Code.BELOW(domain="example.com", because=Code.MISSING_TAG(tag="d"))
    assert reason["domain"] == "example.com"
    assert str(reason) == "below domain=example.com because=missing-tag tag=d"
    with pytest.raises(KeyError):
        reason["other"]


def test_an_error_carries_what_the_parser_returns() -> None:
    assert UnreadableError(Code.MISSING_TAG(tag="d"), 7).unreadable == Unreadable(Code.MISSING_TAG(tag="d"), 7)
