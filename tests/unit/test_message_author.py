"""The Author Domain: what RFC 5322 says a From field means, and what nobody should guess about."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.message.author import Author, Unusable, author

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
}

UNUSABLE = {
    "no field": ([], Unusable.NO_FIELD),
    "two fields": ([b" a@example.com", b" a@example.com"], Unusable.SEVERAL_FIELDS),
    "empty": ([b""], Unusable.NO_MAILBOX),
    "blanks": ([b" \r\n "], Unusable.NO_MAILBOX),
    "two domains": ([b" a@example.com, b@example.net"], Unusable.SEVERAL_DOMAINS),
    "two domains in a group": ([b" T: a@example.com, b@example.net;"], Unusable.SEVERAL_DOMAINS),
    "empty group": ([b" Undisclosed:;"], Unusable.NO_MAILBOX),
    "no domain": ([b" alice"], Unusable.NO_DOMAIN),
    "no domain in brackets": ([b" Alice <alice>"], Unusable.NO_DOMAIN),
    "nothing behind @": ([b" alice@"], Unusable.NO_DOMAIN),
    "empty brackets": ([b" Alice <>"], Unusable.NO_DOMAIN),
    "address literal": ([b" a@[192.0.2.1]"], Unusable.ADDRESS_LITERAL),
    "route": ([b" <@legit.example,@b.example:a@example.com>"], Unusable.ROUTE),
    "NUL": ([b" a@example.com\x00.attack.example"], Unusable.CONTROL_CHARACTER),
    "bare CR": ([b" a@example.com\rb"], Unusable.CONTROL_CHARACTER),
    "bare LF": ([b" a@example.com\nFrom: b@example.net"], Unusable.CONTROL_CHARACTER),
    "two bracketed addresses": ([b" <a@example.com> <b@example.net>"], Unusable.MALFORMED),
    "address, then brackets": ([b" a@legit.example <b@example.net>"], Unusable.SEVERAL_DOMAINS),
    "brackets, then address": ([b" <b@example.net> a@legit.example"], Unusable.MALFORMED),
    "two addresses without comma": ([b" a@legit.example b@example.net"], Unusable.SEVERAL_DOMAINS),
    "two @": ([b" a@legit.example@example.net"], Unusable.SEVERAL_DOMAINS),
    "two @ in brackets": ([b" <a@legit.example@example.net>"], Unusable.MALFORMED),
    "unclosed bracket": ([b" <a@example.com"], Unusable.MALFORMED),
    "unclosed quote": ([b' "a@example.com'], Unusable.MALFORMED),
    "unclosed comment": ([b" a@example.com (b"], Unusable.MALFORMED),
    "unclosed group": ([b" T: a@example.com"], Unusable.MALFORMED),
    "comma at the end": ([b" a@example.com,"], Unusable.MALFORMED),
    "semicolon list": ([b" a@example.com; b@example.com"], Unusable.MALFORMED),
    "blanks in the domain": ([b" a@example .com"], Unusable.MALFORMED),
    "empty label": ([b" a@example..com"], Unusable.INVALID_DOMAIN),
    "dot at the end": ([b" a@example.com."], Unusable.INVALID_DOMAIN),
    "odd characters": ([b" a@exa|mple.com"], Unusable.INVALID_DOMAIN),
    "octets that are no UTF-8": ([b" a@ex\xffample.com"], Unusable.INVALID_DOMAIN),
    "overlong label": ([b" a@" + b"x" * 64 + b".com"], Unusable.INVALID_DOMAIN),
    "encoded word for an address": ([b" =?utf-8?b?YUBsZWdpdC5leGFtcGxl?="], Unusable.NO_DOMAIN),
    "encoded domain": ([b" a@=?utf-8?Q?legit?=.example"], Unusable.INVALID_DOMAIN),
    "300 KB": ([b" " + b"x" * 300_000 + b"@example.com"], Unusable.TOO_LONG),
}


@pytest.mark.parametrize(("value", "domain"), READABLE.values(), ids=READABLE.keys())
def test_readable(value: bytes, domain: str) -> None:
    assert author([value]) == Author(domain=domain)


@pytest.mark.parametrize(("fields", "why"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable(fields: list[bytes], why: Unusable) -> None:
    assert author(fields) == Author(unusable=why)


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_any_octets_give_a_domain_or_a_reason(fields: list[bytes]) -> None:
    found = author(fields)
    assert (found.domain is None) != (found.unusable is None)


_FRAGMENTS = st.lists(
    st.sampled_from([*'()<>[]:;@\\,". \t', "a", "b.example", "legit.example", '\\"', "=?x?=", "é", "@c.example"]),
    max_size=25,
).map("".join)


@given(_FRAGMENTS)
def test_where_pythons_parser_is_sure_of_one_address_it_is_the_same(text: str) -> None:
    found = author([text.encode()])
    addresses = [address for _, address in email.utils.getaddresses([text]) if "@" in address]
    if found.domain is None or not addresses:
        # Python's parser refuses some comments and quotes that the grammar allows.
        return
    assert found.domain in {address.rpartition("@")[2].lower() for address in addresses}


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
