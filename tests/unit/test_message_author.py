"""The Author Domain: what RFC 5322 says a From field means, and who else a field may seem to be from."""

import email.utils

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dmarc_milter.dns.name import to_identifier
from dmarc_milter.message.apparent import MAX_APPARENT, MAX_AT_SIGNS, apparent_domains
from dmarc_milter.message.author import MAX_FIELD, MAX_MALFORMED, Author, author
from dmarc_milter.message.mailboxes import MAX_MAILBOXES, MAX_TOKENS
from dmarc_milter.message.reasons import Unusable

READABLE = {
    "addr-spec": (b" alice@example.com", "example.com"),
    "no space behind the colon": (b"alice@example.com", "example.com"),
    "name-addr": (b" Alice <alice@example.com>", "example.com"),
    "angle-addr alone": (b" <alice@example.com>", "example.com"),
    "case": (b" Alice@EXAMPLE.Com", "example.com"),
    "quoted display name": (b' "Example, Alice" <alice@example.com>', "example.com"),
    "dots in a display name": (b" Alice B. Example <alice@example.com>", "example.com"),
    "display name with an address in quotes": (b' "bob@other.example" <alice@example.com>', "example.com"),
    "display name that repeats the address": (b" alice@example.com <alice@example.com>", "example.com"),
    "encoded word": (b" =?utf-8?Q?bob=40other.example?= <alice@example.com>", "example.com"),
    "quoted local part": (b' "alice@other.example"@example.com', "example.com"),
    "quoted pair in local part": (b' "al\\"ice"@example.com', "example.com"),
    "comments": (b" (bob@other.example) alice (a (nested) b) @ (c) example.com (d)", "example.com"),
    "comment with a bracket": (b" (<bob@other.example>) <alice@example.com>", "example.com"),
    "quoted pair in a comment": (b" (\\)<bob@other.example>) alice@example.com", "example.com"),
    "folded": (b" Alice\r\n <alice@example.com>", "example.com"),
    "several mailboxes, one domain": (b" a@example.com, B <b@Example.com>", "example.com"),
    "group": (b" Team: a@example.com, b@example.com;", "example.com"),
    "group and mailbox": (b" Team: a@example.com; , c@example.com", "example.com"),
    "subdomain": (b" a@mail.example.com", "mail.example.com"),
    "U-label": (" a@bücher.example".encode(), "xn--bcher-kva.example"),
    "A-label": (b" a@xn--bcher-kva.example", "xn--bcher-kva.example"),
    "ideographic dot": (" a@bücher。example".encode(), "xn--bcher-kva.example"),
    "UTF-8 local part": (" jörg@example.com".encode(), "example.com"),
    "8-bit display name that is no UTF-8": (b" J\xf6rg <joerg@example.com>", "example.com"),
    "one label": (b" root@localhost", "localhost"),
    "100 KB of comments": (b" " + b"(x)" * 30_000 + b" a@example.com", "example.com"),
    "nested comments": (b" " + b"(" * 50_000 + b")" * 50_000 + b" a@example.com", "example.com"),
    # Obsolete forms (RFC 5322 4.1, 4.4), which a receiver MUST read.
    "obs-domain": (b" a@example (x) . (y) com", "example.com"),
    "obs-domain, folded": (b" a@\r\n example.\r\n com", "example.com"),
    "comment within the domain": (b" a@example(x).com", "example.com"),
    "blank at the end of the domain": (b" <a@example.com\t>", "example.com"),
    "RFC 5322 A.5": (b" Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "silly.test"),
    "RFC 5322 A.6.3": (b" Joe <joe@test   . example>", "test.example"),
    "obs-local-part": (b' "a" . b (x) . "c"@example.com', "example.com"),
    "obs-route": (b" <@a.example, , @b.example:a@example.com>", "example.com"),
    "obs-route with blanks and comments": (b" X < (r) @a . example , : a@example.com>", "example.com"),
    "empty elements": (b" , a@example.com, , b@example.com,", "example.com"),
    "empty elements in a group": (b" Team: , a@example.com, ;", "example.com"),
    "control characters in a comment": (b" (\x01\x07\x7f) a@example.com", "example.com"),
    "control characters in quotes": (b' "\x01\x0b" <a@example.com>', "example.com"),
    "obs-qp": (b' "\\\x00\\\r\\\n" <a@example.com>', "example.com"),
    "control character in a local part": (b' "a\x01"@example.com', "example.com"),
    # Not in the grammar, but doubted by nobody.
    "dots in a local part": (b" .a..b.@example.com", "example.com"),
    "at sign in a display name": (b" Sales @ Acme <sales@example.com>", "example.com"),
    "handle as display name": (b" @acme <news@example.com>", "example.com"),
    "another's address in a display name": (b" jane@other.example via Form <form@example.com>", "example.com"),
    "another's address as display name": (b" jane@other.example <form@example.com>", "example.com"),
    "encoded local part": (b" <=?utf-8?q?ceo?=@example.com>", "example.com"),
    "soft hyphen": (" a@exam\xadple.com".encode(), "example.com"),
}

# A field that cannot be read, and the apparent authors that remain.
UNUSABLE = {
    "no field": ([], Unusable.NO_FIELD, ""),
    "two fields": ([b" a@example.com", b" a@example.com"], Unusable.SEVERAL_FIELDS, ""),
    "empty": ([b""], Unusable.NO_MAILBOX, ""),
    "blanks": ([b" \r\n "], Unusable.NO_MAILBOX, ""),
    "two domains": ([b" a@example.com, b@example.net"], Unusable.SEVERAL_DOMAINS, ""),
    "two domains in a group": ([b" T: a@example.com, b@example.net;"], Unusable.SEVERAL_DOMAINS, ""),
    "empty group": ([b" Undisclosed:;"], Unusable.NO_MAILBOX, ""),
    "empty group with an address for a name": ([b' "a@bank.example":;'], Unusable.NO_MAILBOX, "bank.example"),
    "no domain": ([b" alice"], Unusable.NO_DOMAIN, ""),
    "no domain in brackets": ([b" Alice <alice>"], Unusable.NO_DOMAIN, ""),
    "nothing behind @": ([b" alice@"], Unusable.NO_DOMAIN, ""),
    "empty brackets": ([b" Alice <>"], Unusable.NO_DOMAIN, ""),
    "address literal": ([b" a@[192.0.2.1]"], Unusable.ADDRESS_LITERAL, ""),
    "name as a literal": ([b" a@[bank.example]"], Unusable.ADDRESS_LITERAL, "bank.example"),
    "route alone": ([b" <@a.example,@b.example>"], Unusable.MALFORMED, "a.example b.example"),
    "NUL": (
        [b" a@example.com\x00.attack.example"],
        Unusable.CONTROL_CHARACTER,
        "example.com example.com.attack.example",
    ),
    "bare CR": ([b" a@example.com\rb"], Unusable.CONTROL_CHARACTER, "example.com"),
    "line end that is no fold": (
        [b" a@crook.example\r\nFrom: b@bank.example"],
        Unusable.CONTROL_CHARACTER,
        "crook.example bank.example",
    ),
    "two bracketed addresses": (
        [b" <a@example.com> <b@example.net>"],
        Unusable.MALFORMED,
        "example.com example.net",
    ),
    "brackets, then address": (
        [b" <b@example.net> a@legit.example"],
        Unusable.MALFORMED,
        "example.net legit.example",
    ),
    "two addresses without comma": ([b" a@legit.example b@example.net"], Unusable.SEVERAL_DOMAINS, ""),
    "two addresses of one domain without comma": ([b" a@example.com b@example.com"], Unusable.MALFORMED, "example.com"),
    "two @": ([b" a@legit.example@example.net"], Unusable.SEVERAL_DOMAINS, ""),
    "two @ in brackets": (
        [b" <a@bank.example@crook.example>"],
        Unusable.MALFORMED,
        "bank.example crook.example",
    ),
    "brackets in brackets": (
        [b" <<a@bank.example>@crook.example>"],
        Unusable.MALFORMED,
        "bank.example crook.example",
    ),
    "address for a group's name": (
        [b" a@bank.example: b@crook.example;"],
        Unusable.MALFORMED,
        "bank.example crook.example",
    ),
    "a domain that goes on behind a blank": (
        [b" a@bank.example .crook.example"],
        Unusable.MALFORMED,
        "bank.example bank.example.crook.example",
    ),
    "a domain that goes on behind a comment": (
        [b" a@bank.example(x).crook.example"],
        Unusable.MALFORMED,
        "bank.example bank.example.crook.example",
    ),
    # Readers that decode encoded-words first, or end a text at NUL, show the bank (the Mailsploit of 2017).
    "address in an encoded local part": (
        [b" =?utf-8?q?a=40bank.example=00?=@crook.example"],
        Unusable.MALFORMED,
        "crook.example bank.example",
    ),
    "address and NUL in a quoted local part": (
        [b' "a@bank.example\\\x00"@crook.example'],
        Unusable.MALFORMED,
        "bank.example crook.example",
    ),
    "wide @ in a local part": (
        [" a＠bank.example@crook.example".encode()],
        Unusable.MALFORMED,
        "bank.example crook.example",
    ),
    "empty label": ([b" a@example..com"], Unusable.INVALID_DOMAIN, "example.com"),
    "odd characters": ([b" a@exa|mple.com"], Unusable.INVALID_DOMAIN, "exa"),
    "octets that are no UTF-8": (
        [b" a@b\xfccher.example"],
        Unusable.INVALID_DOMAIN,
        "bcher.example xn--bcher-kva.example",
    ),
    "overlong label": ([b" a@" + b"x" * 64 + b".com"], Unusable.INVALID_DOMAIN, ""),
    "eleven domains": (
        [b" x " + b", ".join(b"a@%d.example" % each for each in range(MAX_APPARENT + 1))],
        Unusable.TOO_MANY_AUTHORS,
        "",
    ),
    "a hundred at signs": ([b"@" * (MAX_AT_SIGNS + 1)], Unusable.TOO_MANY_AUTHORS, ""),
    "long": ([b" " + b"x" * MAX_FIELD + b"@example.com"], Unusable.TOO_LONG, ""),
    "long and malformed": ([b" <a@example.com> " + b"x" * MAX_MALFORMED], Unusable.TOO_LONG, ""),
    "many mailboxes": ([b"a@example.com," * (MAX_MAILBOXES + 1)], Unusable.TOO_LONG, ""),
    "many tokens": ([b"," * (MAX_TOKENS + 1)], Unusable.TOO_LONG, ""),
}

# What an attacker or a careless sender writes; each shows the bank, and nobody else.
SHOWS_BANK = {
    "missing close": "CEO <ceo@bank.example",
    "missing open": "CEO ceo@bank.example>",
    "two of each bracket": "CEO <<ceo@bank.example>>",
    "dot at the end": "ceo@bank.example.",
    "dot at the end, in brackets": "CEO <ceo@bank.example.>",
    "comma in a name": "Doe, John <ceo@bank.example>",
    "colon in a name": "Re: CEO <ceo@bank.example>",
    "brackets in a name": "[Bank] CEO <ceo@bank.example>",
    "backslash in a name": "Bank\\CEO <ceo@bank.example>",
    "semicolon at the end": "ceo@bank.example;",
    "text behind": "CEO <ceo@bank.example> Bank",
    "text before": "CEO ceo@bank.example",
    "blank in the local part": "CEO <the ceo@bank.example>",
    "open quote": '"CEO <ceo@bank.example>',
    "open comment": "CEO <ceo@bank.example> (x",
    "in an open comment": "CEO (ceo@bank.example",
    "in a comment": "(ceo@bank.example) CEO",
    "in quotes": '"ceo@bank.example"',
    "in quotes, wide": '"ceo＠bank．example"',
    "nothing in brackets": "ceo@bank.example <>",
    "mailto": "<mailto:ceo@bank.example>",
    "no-break space": "CEO <ceo@bank.example\u00a0>",
    "zero width space, then text": "ceo@bank.example \u200b x",
    "direction mark": "<ceo@bank.example\u200e>",
    "curly quotes": "CEO <“ceo@bank.example”>",
    "wide @": "CEO <ceo＠bank.example>",
    "small @": "CEO <ceo﹫bank.example>",
    "wide brackets": "CEO ＜ceo@bank.example＞",
    "quoted domain": 'ceo@"bank.example"',
    "blanks in a broken field": "[x] ceo @ bank . example",
    "encoded": "=?utf-8?q?CEO_=3Cceo=40bank=2Eexample=3E?=",
    "encoded in base64": "=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?=",
    "encoded in base64 without padding": "=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ?=",
    "encoded in pieces": "=?utf-8?q?ceo?= =?us-ascii?q?=40bank?=\r\n =?utf-8?q?.example?=",
    "encoded in UTF-16": "=?utf-16be?b?AGMAZQBvAEAAYgBhAG4AawAuAGUAeABhAG0AcABsAGU=?=",
    "encoded in UTF-7": "=?utf-7?q?ceo+AEA-bank.example?=",
    "encoded in an unknown charset": "=?x-none?q?ceo=40bank.example?=",
    "encoded with a language": "=?utf-8*en?q?ceo=40bank.example?=",
    "encoded with a blank and a question mark": "=?utf-8?q?why? ceo=40bank.example?=",
    "encoded in quotes": '"=?utf-8?q?ceo=40bank.example?="',
    "encoded domain": "ceo@=?utf-8?q?bank?=.example",
    "encoded brackets": "CEO =?utf-8?q?=3Cceo=40?=bank.example=?utf-8?q?=3E?=",
}

# Some reader shows the bank; another shows something else.
MAY_SHOW_BANK = {
    "fold within a label": "<ceo@ba\r\n nk.example>",
    "blank within a label, in brackets": "<ceo@ba nk.example>",
    "control character within a label": "ceo@ba\x01nk.example",
    "backspaces": "ceo@bank.example\x08\x08@crook.example",
    "tag character within a label": "ceo@ba\U000e0041nk.example x",
    "backslash within a label": "ceo@ba\\nk.example",
    "comment within a label": "[x] ceo@bank(a@b.example).example",
    "nested comments": "[x] ceo@bank(a (b \\) c) ).(x)example",
    "address in quotes beside another": '"ceo@bank.example" [x] <a@crook.example>',
    "address in a comment beside another": "(ceo@bank.example) [x] <a@crook.example>",
    "encoded end of the domain": "<ceo@bank.example=?utf-8?q?.crook.example?=> x",
}


@pytest.mark.parametrize(("value", "domain"), READABLE.values(), ids=READABLE.keys())
def test_readable(value: bytes, domain: str) -> None:
    assert author([value]) == Author(domain=domain)


@pytest.mark.parametrize(("fields", "why", "apparent"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable(fields: list[bytes], why: Unusable, apparent: str) -> None:
    assert author(fields) == Author(None, why, tuple(apparent.split()))


@pytest.mark.parametrize("text", SHOWS_BANK.values(), ids=SHOWS_BANK.keys())
def test_shows_the_bank_alone(text: str) -> None:
    found = author([text.encode()])
    assert found.unusable is not None
    assert found.apparent == ("bank.example",)


@pytest.mark.parametrize("text", MAY_SHOW_BANK.values(), ids=MAY_SHOW_BANK.keys())
def test_may_show_the_bank(text: str) -> None:
    found = author([text.encode()])
    assert found.unusable is not None
    assert "bank.example" in found.apparent


def test_what_could_not_be_looked_at_is_always_refused() -> None:
    assert [each for each in Unusable if each.is_always_refused] == [Unusable.TOO_MANY_AUTHORS, Unusable.TOO_LONG]


_AROUND = st.lists(
    st.sampled_from([*"()<>[]:;\\,. \t", '"', "a", "é", "\u00a0", "\u200b", "\x01", "=?x?q?", "?="]), max_size=12
).map("".join)


@given(_AROUND, _AROUND)
@example(before="=?x?q?", after="?=")
def test_an_address_is_shown_whatever_stands_around_it(before: str, after: str) -> None:
    found = author([f"{before} ceo@bank.example {after}".encode()])
    assert "bank.example" in ((found.domain,) if found.domain else found.apparent)


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_any_octets_give_a_domain_or_a_reason(fields: list[bytes]) -> None:
    found = author(fields)
    assert (found.domain is None) != (found.unusable is None)
    assert not (found.domain and found.apparent)


_FRAGMENTS = st.lists(
    st.sampled_from([*'()<>[]:;@\\,". \t', "a", "b.example", "legit.example", '\\"', "=?x?=", "é", "@c.example"]),
    max_size=25,
).map("".join)


@given(_FRAGMENTS)
def test_where_pythons_parser_is_sure_of_one_address_it_is_the_same(text: str) -> None:
    found = author([text.encode()])
    addresses = [address for _, address in email.utils.getaddresses([text]) if "@" in address]
    if found.domain is None or not addresses or "@" not in addresses[0] or ":" in text:
        # Python's parser refuses some comments and quotes that the grammar allows, and keeps routes.
        return
    domains = {address.rpartition("@")[2].lower() for address in addresses}
    assert found.domain in {to_identifier(each) or each for each in domains}


@given(_FRAGMENTS)
def test_who_repairs_what_need_not_be_repaired_finds_the_same_domain(text: str) -> None:
    found = author([text.encode()])
    if found.domain is not None and "." in found.domain:
        assert found.domain in (apparent_domains(text.encode()) or ())


_ATOM = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,8}", fullmatch=True)
_LABEL = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
_DOMAIN = st.lists(_LABEL, min_size=2, max_size=4).map(".".join)
_COMMENT = st.sampled_from(["", " ", "(c)", " (a (b) \\) ) ", "\r\n "])


@given(_ATOM, _DOMAIN, st.lists(_ATOM, max_size=3), _COMMENT, _COMMENT, _COMMENT)
def test_what_the_grammar_builds_is_read(
    local: str, domain: str, name: list[str], before: str, within: str, after: str
) -> None:
    address = f"{local}{within}@{within}{domain}"
    text = f"{before}{' '.join(name)} <{address}>{after}" if name else f"{before}{address}{after}"
    assert author([text.encode()]) == Author(domain=domain)
