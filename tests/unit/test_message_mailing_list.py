"""List-Id and the domains that run a list."""

import pytest

from dmarc_milter.message.header import Field, Header
from dmarc_milter.message.mailing_list import MailingList, list_pattern, mailing_list

FIELDS = {
    "plain": ([("List-Id", b" <dev.lists.example>"), ("List-Post", b" x")], MailingList("dev.lists.example", True)),
    "described": ([("List-ID", b' "Dev, the <list>" <Dev.Lists.example>')], MailingList("dev.lists.example", False)),
    "folded": ([("List-Id", b" Dev\r\n\t<dev.lists.example>\r\n ")], MailingList("dev.lists.example", False)),
    "unsubscribe": ([("List-Id", b"<a.b>"), ("List-Unsubscribe", b" <x>")], MailingList("a.b", True)),
    "only a post address": ([("List-Post", b" <mailto:x@y>")], None),
    "twice": ([("List-Id", b" <a.example>"), ("List-Id", b" <b.example>")], None),
    "no brackets": ([("List-Id", b" dev.lists.example")], None),
    "not a name": ([("List-Id", b" <a b>")], None),
    "another behind it": ([("List-Id", b" <a.example> <b.example>")], MailingList("b.example", False)),
    "octets": ([("List-Id", b" <\xff\x00>")], None),
    "too long": ([("List-Id", b" " * 5000 + b"<a.example>")], None),
    "none": ([], None),
}


@pytest.mark.parametrize(("fields", "expected"), FIELDS.values(), ids=FIELDS.keys())
def test_list_id(fields: list[tuple[str, bytes]], expected: MailingList | None) -> None:
    assert mailing_list(Header(Field(*each) for each in fields)) == expected


@pytest.mark.parametrize(
    ("domain", "runs"),
    [
        ("lists.example.org", True),
        ("dev.lists.example.org", True),
        ("example.org", True),
        ("bounces.lists.example.org", True),
        ("org", False),
        ("other.example.org", False),
        ("crook.example", False),
        ("xlists.example.org", False),
    ],
)
def test_who_runs_it(domain: str, runs: bool) -> None:
    assert MailingList("dev.lists.example.org", True).is_run_by(domain) is runs


def test_a_list_below_a_top_level_domain_is_run_by_itself_only() -> None:
    assert not MailingList("list.example", True).is_run_by("crook.example")


@pytest.mark.parametrize(
    ("pattern", "list_id", "authenticated", "covered"),
    [
        ("lists.example.org", "dev.lists.example.org", "lists.example.org", True),
        ("lists.example.org", "dev.customer.example", "lists.example.org", True),
        ("lists.example.org", "dev.lists.example.org", "example.org", False),
        ("lists.example.org", "dev.lists.example.org", "b.lists.example.org", False),
        (".example.org", "dev.lists.example.org", "b.lists.example.org", True),
        (".example.org", "dev.example.org", "crook.example", False),
        ("*", "dev.lists.example.org", "lists.example.org", True),
        ("*", "dev.lists.example.org", "crook.example", False),
    ],
)
def test_lists_of_the_settings(pattern: str, list_id: str, authenticated: str, covered: bool) -> None:
    read = list_pattern(pattern)
    assert read is not None
    assert str(read) == pattern
    assert read.covers(MailingList(list_id, True), authenticated) is covered


@pytest.mark.parametrize("text", ["", "**", "*.example.org", "a b", "."])
def test_no_pattern(text: str) -> None:
    assert list_pattern(text) is None
