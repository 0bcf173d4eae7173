"""The DNS of the attacks: how each name behaves, in one table. The first row that fits counts."""

from tests.protocol.hostile.keys import costly_key, plain_record, wide_key, wrong_keys
from tests.support.hostile_dns import (
    ALIAS_LOOP,
    ELSEWHERE,
    ENDLESS_ALIASES,
    MX,
    NO_DATA,
    NO_SUCH_NAME,
    PTR,
    REFUSAL,
    SERVER_FAILURE,
    SILENCE,
    TXT,
    A,
    Behaviour,
    Record,
    Table,
    addresses,
    exchanges,
    text,
)

LATE = 2.9
"""Seconds: just below `[dns] timeout`."""
NEIGHBOURHOOD = "ip4:198.18.0.0/16"
"""Where all clients of the attacks are."""
REJECT = "v=DMARC1; p=reject"

FAILING: dict[str, Behaviour] = {
    "servfail": SERVER_FAILURE,
    "refused": REFUSAL,
    "silent": SILENCE,
    "late": text("v=DMARC1; p=none", seconds=LATE),
    "later": text("v=DMARC1; p=none", seconds=30),
    "alias": text("v=DMARC1; p=none", then=SERVER_FAILURE, ttl=0),
    "loop": ALIAS_LOOP,
    "endless": ENDLESS_ALIASES,
    "elsewhere": ELSEWHERE,
    "stall": Behaviour(is_truncated=True, over_tcp="stall"),
    "trickle": text("v=DMARC1; p=none", is_truncated=True, over_tcp="trickle"),
    "close": Behaviour(is_truncated=True, over_tcp="close"),
    "wrongid": text("v=DMARC1; p=none", spoilt="id"),
    "wrongname": text("v=DMARC1; p=none", spoilt="question"),
    "garbage": Behaviour(spoilt="garbage"),
    "short": text("v=DMARC1; p=none", spoilt="short"),
    "huge": text("v=DMARC1; p=none; rua=" + "x" * 60_000),
    "many": text(*(f"v=DMARC1; p=none; n={n}" for n in range(1_500))),
}
"""What the `_dmarc` of an attacker's domain may do; for `dead-...` all names of the domain do it."""


def _failing() -> Table:
    return [
        row
        for name, how in FAILING.items()
        for row in (
            (f"*dead-{name}-m*.test", "*", how),
            (f"_dmarc.*{name}-m*.test", "*", how),
            (f"*dead-{name}.suffix-m*.example", "*", how),
            (f"_dmarc.*{name}.suffix-m*.example", "*", how),
        )
    ]


VICTIMS: Table = [
    ("_dmarc.bank-m*.example", "TXT", text(REJECT)),
    ("_dmarc.brief0-m*.example", "TXT", text(REJECT, ttl=0)),
    ("_dmarc.brief1-m*.example", "TXT", text(REJECT, ttl=1)),
    ("_dmarc.brief2-m*.example", "TXT", text(REJECT, ttl=2)),
    ("_dmarc.quarantine-m*.example", "TXT", text("v=DMARC1; p=quarantine")),
    ("_dmarc.suffix-m*.example", "TXT", text("v=DMARC1; p=reject; psd=y")),
    ("_dmarc.bank.suffix-m*.example", "TXT", text(REJECT)),
    ("_dmarc.np-m*.example", "TXT", text("v=DMARC1; p=none; sp=none; np=reject")),
    ("invoice.np-m*.example", "*", NO_SUCH_NAME),
    ("failing.np-m*.example", "*", SERVER_FAILURE),
    ("_dmarc.good-m*.example", "TXT", text(REJECT)),
    ("good-m*.example", "TXT", text(f"v=spf1 {NEIGHBOURHOOD} -all")),
    # An honest domain whose name servers are far away.
    ("_dmarc.distant-m*.example", "TXT", text(REJECT, seconds=1.0)),
    # Its SPF record asks for names that the client chooses.
    ("_dmarc.reverse-m*.example", "TXT", text(REJECT)),
    ("reverse-m*.example", "TXT", text("v=spf1 ptr include:spf.reverse-m{n}.example -all")),
    # Names of the Author Domain's own tree that fail: what then is done is the Domain Owner's own doing.
    ("_dmarc.ownfail-m*.example", "TXT", SERVER_FAILURE),
    ("_dmarc.ownsilent-m*.example", "TXT", SILENCE),
    ("_dmarc.keyfail-m*.example", "TXT", text(REJECT)),
    ("*._domainkey.keyfail-m*.example", "TXT", SERVER_FAILURE),
    ("_dmarc.spffail-m*.example", "TXT", text(REJECT)),
    ("spffail-m*.example", "TXT", SERVER_FAILURE),
    ("_dmarc.keysilent-m*.example", "TXT", text(REJECT)),
    ("*._domainkey.keysilent-m*.example", "TXT", SILENCE),
    ("*._domainkey.good-m*.example", "TXT", text(plain_record())),
    ("_domainkey.*.example", "*", NO_SUCH_NAME),
    ("*-m*.example", "TXT", text("v=spf1 ip4:192.0.2.1 -all")),
    ("*-m*.example", "A", NO_DATA),
]

TEN = range(10)


def _chain(term: str, tail: str) -> Table:
    """Records that lead from one to the next, each of them late."""
    rows: Table = [(f"{term}-m*.test", "TXT", text(f"v=spf1 {tail.format(0)}", ttl=1))]
    return [*rows, *((f"{term}{n}-m*.test", "TXT", text(f"v=spf1 {tail.format(n + 1)}", seconds=LATE)) for n in TEN)]


LATE_ADDRESSES = addresses("192.0.2.99", seconds=LATE)
SLOW: Table = [
    *_chain("include", "include:include{}-m{{n}}.test -all"),
    *_chain("redirect", "redirect=redirect{}-m{{n}}.test"),
    *_chain("silentend", "include:silentend{}-m{{n}}.test include:silent-m{{n}}.test -all"),
    *_chain("both", "a:wait{0}-m{{n}}.test include:both{0}-m{{n}}.test -all"),
    ("ptrs-m*.test", "TXT", text("v=spf1 " + " ".join(f"exists:%{{p}}.wait{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("ptr-m*.test", "TXT", text("v=spf1 ptr ptr:wait1-m{n}.test -all")),
    ("exists-m*.test", "TXT", text("v=spf1 " + " ".join(f"exists:wait{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("mxs-m*.test", "TXT", text("v=spf1 mx:wait1-m{n}.test mx:wait2-m{n}.test -all")),
    ("black-m*.test", "TXT", text("v=spf1 " + " ".join(f"a:hole{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("first-m*.test", "TXT", text("v=spf1 include:first-silent-m{n}.test -all", ttl=0)),
    ("*first-silent-m*.test", "*", SILENCE),
    ("*wait*-m*.test", "MX", exchanges(*(f"wait{{r}}{n}-m{{n}}.test" for n in TEN), seconds=LATE)),
    ("*wait*-m*.test", "A", LATE_ADDRESSES),
    ("*wait*-m*.test", "*", Behaviour(seconds=LATE)),
    ("_dmarc.a.b.c.d.e.f.*hole-m*.test", "TXT", NO_DATA),
    ("*hole*-m*.test", "*", SILENCE),
    # Fifteen seconds less three tenths, and then a question of the victim's own that takes a second.
    ("borrow-m*.test", "TXT", text("v=spf1 include:borrow0-m{n}.test -all", ttl=0)),
    ("borrow5-m*.test", "TXT", text("v=spf1 include:_dmarc.distant-m{n}.example -all", seconds=0.2)),
    *(
        (f"borrow{n}-m*.test", "TXT", text(f"v=spf1 include:borrow{n + 1}-m{{n}}.test -all", seconds=LATE))
        for n in range(5)
    ),
    (
        "*.*.19.198.in-addr.arpa",
        "PTR",
        Behaviour(tuple(Record(PTR, f"stalls{n}-m{{n}}.test") for n in TEN), seconds=LATE, is_truncated=True),
    ),
    ("stalls*-m*.test", "A", Behaviour(seconds=LATE, is_truncated=True, over_tcp="stall")),
    ("*.*.18.198.in-addr.arpa", "PTR", Behaviour(tuple(Record(PTR, f"wait{n}-m{{n}}.test") for n in TEN), seconds=1)),
]


def _macros(name: str, macro: str, count: int = 200) -> tuple[str, str, Behaviour]:
    terms = " ".join(f"exists:{(macro + '.') * count}x{n}-m{{n}}.test" for n in TEN)
    return f"*{name}-m*.test", "TXT", text(f"v=spf1 {terms} -all")


MACROS = {
    "h": "%{h}",
    "hr": "%{hr}",
    "h1r": "%{h1r}",
    "h-": "%{h-}",
    "hall": "%{h.-+,/_=}",
    "hrall": "%{hr.-+,/_=}",
    "bigh": "%{H}",
    "s": "%{s}",
    "l": "%{l}",
    "lr": "%{lr-}",
    "bigs": "%{S}",
    "o": "%{o}",
    "p": "%{p}",
    "i": "%{ir}",
}

DEEP = "a." * 110
MANY_OWNERS = Behaviour(
    (
        Record(A, "192.0.2.99"),
        Record(MX, "10 x.test"),
        Record(TXT, "v=spf1 ip4:192.0.2.99 -all"),
        *(Record(A, "192.0.2.99", owner="x.") for _ in range(3_500)),
    )
)
"""Each record of an owner with more than a hundred labels, all of which have to be read anew."""

WORK: Table = [
    *(_macros(f"macro{name}", macro) for name, macro in MACROS.items()),
    ("long-m*.test", "TXT", text("v=spf1 " + "a " * 7_900 + "-all")),
    ("modifiers-m*.test", "TXT", text("v=spf1 " + "x=%{h} " * 2_300 + "-all")),
    ("networks-m*.test", "TXT", text("v=spf1 " + "ip4:1.1.1.1 " * 1_300 + "-all")),
    ("sixes-m*.test", "TXT", text("v=spf1 " + "ip6:1::1 " * 1_700 + "-all")),
    ("percents-m*.test", "TXT", text("v=spf1 exists:" + "%%" * 7_000 + ".%{d} -all")),
    ("slashes-m*.test", "TXT", text("v=spf1 a:" + "/1" * 7_000 + ".com -all")),
    ("dots-m*.test", "TXT", text("v=spf1 a:" + "a." * 7_000 + "com -all")),
    ("hyphens-m*.test", "TXT", text("v=spf1 a:x." + "a-" * 7_000 + "_ -all")),
    ("spaces-m*.test", "TXT", text("v=spf1" + " " * 16_000 + "-all")),
    ("sixty-m*.test", "TXT", text("v=spf1 " + "x" * 60_000)),
    ("thousands-m*.test", "TXT", text(*(f"v=spf1 x={n}" for n in range(2_000)))),
    ("strings-m*.test", "TXT", text(*(f"{n:03x}" for n in range(4_000)))),
    ("manya-m*.test", "TXT", text("v=spf1 " + " ".join(f"a:a4000x{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("manymx-m*.test", "TXT", text("v=spf1 " + " ".join(f"mx:mx4000x{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("manytxt-m*.test", "TXT", text("v=spf1 " + " ".join(f"include:strings-{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("manyexists-m*.test", "TXT", text("v=spf1 " + " ".join(f"exists:a4000x{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("strings-*-m*.test", "TXT", text("v=spf1 ip4:192.0.2.1 -all", *(f"{n:03x}" for n in range(3_900)))),
    ("manyptr-m*.test", "TXT", text("v=spf1 ptr ptr:x-m{n}.test exists:%{p}.x-m{n}.test -all")),
    ("a4000*-m*.test", "A", addresses(*(f"10.{n >> 8}.{n & 255}.1" for n in range(4_000)))),
    ("mx4000*-m*.test", "MX", exchanges(*(f"{n:03x}" for n in range(3_400)))),
    ("deepa-m*.test", "TXT", text("v=spf1 " + " ".join(f"a:{DEEP}owners{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("deepmx-m*.test", "TXT", text("v=spf1 " + " ".join(f"mx:{DEEP}owners{n}-m{{n}}.test" for n in TEN) + " -all")),
    (
        "deeptxt-m*.test",
        "TXT",
        text("v=spf1 " + " ".join(f"include:{DEEP}owners{n}-m{{n}}.test" for n in TEN) + " -all"),
    ),
    (
        "deepptr-m*.test",
        "TXT",
        text("v=spf1 " + " ".join(f"exists:{DEEP}owners{n}-m{{n}}.test" for n in TEN) + " -all"),
    ),
    ("*owners*-m*.test", "*", MANY_OWNERS),
    ("named-m*.test", "TXT", text("v=spf1 include:%{l}.example -all")),
    ("drips-m*.test", "TXT", text("v=spf1 " + " ".join(f"a:drip{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("drip*-m*.test", "A", addresses(*(f"10.{n >> 8}.{n & 255}.1" for n in range(4_000)), over_tcp="drip")),
    # Memory: records that cost far more than their octets.
    ("terms-m*.test", "TXT", text("v=spf1 " + " ".join(f"include:terms{n}-m{{n}}.test" for n in TEN) + " ?all")),
    ("terms*-m*.test", "TXT", text("v=spf1 x={r} " + "a " * 980 + "?all")),
    ("_dmarc.faults.*-m*.test", "TXT", text("v=DMARC1; p=reject; x={r}; " + "y;" * 990)),
    # Questions: the most that the limits of RFC 7208 allow, all of them fresh.
    ("tree-m*.test", "TXT", text("v=spf1 " + " ".join(f"mx:ten{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("fresh-m*.test", "TXT", text("v=spf1 " + " ".join(f"mx:{{r}}{n}.ten-m{{n}}.test" for n in TEN) + " -all", ttl=0)),
    ("wide-m*.test", "TXT", text("v=spf1 " + " ".join(f"include:wide{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("wide*-m*.test", "TXT", text("v=spf1 " + " ".join(f"mx:ten{n}-{{r}}-m{{n}}.test" for n in TEN) + " -all")),
    ("flood-m*.test", "TXT", text("v=spf1 " + " ".join(f"mx:black{n}-m{{n}}.test" for n in TEN) + " -all")),
    ("*ten*-m*.test", "MX", exchanges(*(f"{{r}}h{n}-m{{n}}.test" for n in TEN))),
    ("black*-m*.test", "MX", exchanges(*(f"{{r}}hole{n}-m{{n}}.test" for n in TEN))),
]

EIGHT_KEYS = text(*wrong_keys(), costly_key().record)
KEYS: Table = [
    ("*._domainkey.giant-m*.test", "TXT", text(costly_key().record)),
    ("*._domainkey.eight-m*.test", "TXT", EIGHT_KEYS),
    ("*._domainkey.wide8192-m*.test", "TXT", text(*(wide_key(8192 - 8 * n) for n in range(8)))),
    ("*._domainkey.wide16384-m*.test", "TXT", text(wide_key(16_384))),
    ("*._domainkey.manykeys-m*.test", "TXT", text(*(f"v=DKIM1; p={n}" for n in range(2_000)))),
    ("*._domainkey.longkey-m*.test", "TXT", text("v=DKIM1; p=" + "A" * 60_000)),
    ("*._domainkey.tagkey-m*.test", "TXT", text("v=DKIM1; " + "".join(f"x{n}=1;" for n in range(6_000)))),
    ("*._domainkey.latekey-m*.test", "TXT", text(plain_record(), seconds=LATE)),
    ("*._domainkey.holekey-m*.test", "TXT", SILENCE),
    ("*._domainkey.*-m*.test", "TXT", text(plain_record())),
]

NEIGHBOURS: Table = [("*.*.suffix-m*.example", "TXT", text(f"v=spf1 {NEIGHBOURHOOD} -all"))]
"""Of a victim below a public suffix: whoever registers a name there is a stranger to it."""

TABLE: Table = [
    *_failing(),
    *NEIGHBOURS,
    *VICTIMS,
    *KEYS,
    *SLOW,
    *WORK,
    ("_dmarc.*-m*.test", "TXT", text("v=DMARC1; p=none")),
    ("*-m*.test", "TXT", text(f"v=spf1 {NEIGHBOURHOOD} -all")),
    ("*-m*.test", "A", addresses("198.51.100.1")),
    ("*-m*.test", "*", NO_DATA),
    ("*", "*", NO_SUCH_NAME),
]
