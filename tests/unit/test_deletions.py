"""Which fields are deleted."""

import pytest

from dmarc_milter.fields.deletions import MAX_FORGED, Deletion, Ownership, deletions
from dmarc_milter.message.header import Field, Header

OURS = frozenset({"mx.example.org"})


def test_deletions_count_from_the_top_and_come_from_the_bottom() -> None:
    fields = [
        Field("Authentication-Results", b" mx.example.org; a"),
        Field("From", b" x"),
        Field("Authentication-Results", b" other; a"),
        Field("authentication-results", b" mx.example.org; b"),
        Field("Authentication-Results ", b" mx.example.org; c"),
        Field("ARC-Authentication-Results", b" i=1; mx.example.org; c"),
    ]
    assert deletions(Header(fields), Ownership(OURS)) == [
        Deletion("Authentication-Results ", 1),
        Deletion("authentication-results", 3),
        Deletion("Authentication-Results", 1),
    ]


RELAY = Field("Received", b" from x (y [198.51.100.7]) by gw with SMTP")
OWN, OTHER, NONE = (
    Field("Authentication-Results", value) for value in (b" mx.example.org; a", b" gw.example.org; a", b" ; a")
)
BEHIND_RELAYS = {
    # what stands in the message, from the top; how many Received fields are trusted; what goes
    "the relay's own": ([OTHER, RELAY, OTHER], 1, []),
    "ours above what the relay wrote": ([OWN, RELAY], 1, []),
    "ours where a sender can write": ([RELAY, OWN], 1, [1]),
    "ours on both sides": ([OWN, NONE, RELAY, OWN, NONE], 1, [4, 3]),
    "nothing says where the relay ends": ([OWN, OTHER], 0, [1]),
    "between two trusted relays": ([RELAY, OWN, RELAY, OWN], 2, [2]),
    "not from a relay": ([OTHER, RELAY, OWN], None, [2, 1]),
}


@pytest.mark.parametrize(("fields", "trusted", "gone"), BEHIND_RELAYS.values(), ids=BEHIND_RELAYS.keys())
def test_what_stays_of_a_trusted_relays_fields(fields: list[Field], trusted: int | None, gone: list[int]) -> None:
    ownership = Ownership(OURS, frozenset({"gw.example.org"}), trusted)
    found = deletions(Header(fields), ownership)
    assert found is not None
    assert [each.ordinal for each in found] == gone


def test_of_unknown_versions_only_strangers_are_removed() -> None:
    fields = [Field("Authentication-Results", b" gw.example.org 2; a")]
    assert deletions(Header(fields), Ownership(OURS)) == [Deletion("Authentication-Results", 1)]
    assert deletions(Header(fields), Ownership(OURS, trusted_received=0)) == []


COUNTS = {
    "a hundred": ([OWN] * MAX_FORGED, True),
    "more": ([OWN] * (MAX_FORGED + 1), False),
    "more, of several spellings": (
        [OWN._replace(name=f"Authentication-Results{' ' * each}") for each in range(101)],
        False,
    ),
    "more, but others stand among them": ([OTHER, OWN] * MAX_FORGED, True),
    "any number of others": ([OTHER] * 20_000, True),
    "many ids that IDNA has to read": ([Field("Authentication-Results", " bücher; a".encode())] * 101, False),
}


@pytest.mark.parametrize(("fields", "can_be_deleted"), COUNTS.values(), ids=COUNTS.keys())
def test_no_more_than_a_hundred_are_deleted(fields: list[Field], can_be_deleted: bool) -> None:
    assert (deletions(Header(fields), Ownership(OURS)) is not None) is can_be_deleted
