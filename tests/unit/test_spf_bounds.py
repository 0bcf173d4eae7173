"""How much of an identity, a record and an answer SPF looks at, and what becomes of the rest."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.common.reason import Unreadable
from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.name import MAX_NAME
from dmarc_milter.dns.zone import ZoneResolver, records_of
from dmarc_milter.spf import macro, record
from dmarc_milter.spf.check import Check, SpfResult
from dmarc_milter.spf.evaluation import check_host
from dmarc_milter.spf.explanation import MAX_SHOWN, explain
from dmarc_milter.spf.macro import MacroValues
from tests.support.keys import strings

ADDRESS = b"\xc0\x00\x02\x01"


def check(text: str, *, local_part: str = "a", helo: str = "h.example.com", explanation: str = "no") -> Check:
    published = {"example.com": text, "why.example.com": explanation}
    zone = {name: [(RecordType.TXT, strings(each))] for name, each in published.items()}
    return asyncio.run(resolved(ZoneResolver(records_of(zone)), local_part, helo))


async def resolved(zone: ZoneResolver, local_part: str, helo: str) -> Check:
    found = await check_host(zone, ADDRESS, "example.com", f"{local_part}@example.com", helo)
    if found.explanation is not None:
        assert len(await explain(zone, found.explanation) or "") <= MAX_SHOWN
    return found


LONG = {"local_part": "v" * 65}
LONG_HELO = {"helo": ".".join(["label"] * 300)}
TOO_LONG = {
    "the local part": ("v=spf1 exists:%{l}.example.com +all", LONG, SpfResult.PERMERROR),
    "a part of it": ("v=spf1 exists:%{l1-}.example.com +all", LONG, SpfResult.PERMERROR),
    "the path": ("v=spf1 exists:%{S}.example.com +all", {"local_part": "v" * 243}, SpfResult.PERMERROR),
    "HELO": ("v=spf1 exists:%{h}.example.com +all", LONG_HELO, SpfResult.PERMERROR),
    "HELO in an include": ("v=spf1 include:%{h}.example.com +all", LONG_HELO, SpfResult.PERMERROR),
    "HELO in a redirect": ("v=spf1 redirect=%{h}.example.com", LONG_HELO, SpfResult.PERMERROR),
    "HELO in an explanation": ("v=spf1 -all exp=%{h}.example.com", LONG_HELO, SpfResult.FAIL),
    "the local part behind a match": ("v=spf1 ip4:192.0.2.1 exists:%{l}.example.com", LONG, SpfResult.PASS),
    "the domain of a long local part": ("v=spf1 exists:%{o}.none.example ~all", LONG, SpfResult.SOFTFAIL),
    "nothing of it": ("v=spf1 ip4:192.0.2.1 -all", LONG | LONG_HELO, SpfResult.PASS),
    "nothing that is too long": ("v=spf1 exists:%{l}.%{h} ~all", {"local_part": "v" * 64}, SpfResult.SOFTFAIL),
}


@pytest.mark.parametrize(("text", "said", "result"), TOO_LONG.values(), ids=TOO_LONG.keys())
def test_what_is_longer_than_rfc_5321_allows_is_not_expanded(
    text: str, said: dict[str, str], result: SpfResult
) -> None:
    """No later term may pass, for the sender chose that length."""
    assert check(text, **said).result is result


_MACROS = st.sampled_from(["%{h}", "%{h2}", "%{hr}", "%{l1r-}", "%{D}", "%%", "%_", ".", "label", "x" * 70])


def cut_label_by_label(text: str) -> str:
    """RFC 7208 7.3, in its words: labels are removed from the left until the name fits."""
    name = text.removesuffix(".").lower()
    while len(name.encode()) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def parsed(text: str) -> macro.MacroString:
    found = macro.parse(text)
    assert not isinstance(found, Unreadable)
    return found


@given(st.lists(_MACROS, max_size=40), st.text("ab.-ü", max_size=80))
def test_a_name_is_cut_as_the_rfc_says(parts: list[str], helo: str) -> None:
    values = MacroValues("v-e-r-p@example.com", ADDRESS, helo, "example.com")
    string = parsed("".join(parts))
    name = macro.expand_domain(string, values)
    whole = cut_label_by_label(macro.expand(string, values, 1 << 20))
    assert name == whole or (len(name.encode()) > MAX_NAME < len(whole.encode()))


@given(st.lists(_MACROS, max_size=40), st.integers(1, 400))
def test_an_expansion_ends_where_it_may(parts: list[str], most: int) -> None:
    values = MacroValues("v@example.com", ADDRESS, "h.example.com", "example.com")
    string = parsed("".join(parts))
    assert macro.expand(string, values, most) == macro.expand(string, values, 1 << 20)[:most]


def test_an_explanation_is_cut() -> None:
    assert check("v=spf1 -all exp=why.example.com", explanation="%{h}" * 2_000).result is SpfResult.FAIL


TOP_LABEL = re.compile(r".*\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?", re.DOTALL)
"""The ABNF of RFC 7208 7.1 for a domain-spec without macros at its end, as it stands there."""


@given(st.text("a1-./", max_size=12))
def test_a_domain_ends_in_a_top_label(domain: str) -> None:
    parsed = record.parse(f"v=spf1 include:x{domain}".encode())
    assert isinstance(parsed, Unreadable) is (TOP_LABEL.fullmatch(f"x{domain}") is None)
