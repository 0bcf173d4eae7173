"""Point 3: a message's work is bounded, in total. Played one after the other: the CPU of each is measured."""

import base64
from collections.abc import Callable
from functools import partial

from tests.protocol.hostile.keys import chain, costly_key, plain_key
from tests.protocol.hostile.message import (
    ONLY_READ,
    Attack,
    Group,
    Message,
    bank,
    crook,
    junk_sets,
    junk_signature,
    spoof,
    table,
)
from tests.protocol.hostile.names import MACROS

MB = 1 << 20
Field = tuple[bytes, bytes]

LABELS = ".".join("ab"[n % 2] for n in range(990))
"""HELO of 1,980 octets, all of it dots and letters."""


def macro(number: int, kind: str) -> Message:
    helo = LABELS if "h" in kind else "-".join("ab"[n % 2] for n in range(990))
    name = crook(number, f"macro{kind}")
    return spoof(number, mail_from=f"{'x-' * 600}@{name}", helo=helo)


def macro_of_helo(number: int, kind: str) -> Message:
    """HELO is the identity itself: a name within the bounds, whose record expands it many times."""
    return spoof(number, mail_from="", helo=f"{'a.' * 100}macro{kind}-m{number}.test")


SPF_RECORDS = (
    "long", "modifiers", "networks", "sixes", "percents", "slashes", "dots", "hyphens", "spaces", "sixty", "thousands",
)  # fmt: skip
MANY = ("strings", "manya", "manymx", "manytxt", "manyexists", "manyptr", "deepa", "deepmx", "deeptxt", "deepptr")


def spf(number: int, kind: str) -> Message:
    return spoof(number, mail_from=f"a@{crook(number, kind)}")


MOST = 60_000
"""Octets of one field: what Postfix hands over at most; libmilter reads up to 65,535."""
RESULTS_OCTETS = 16_500
"""Of each of fifty fields of results: 825 KB."""


def results(value: bytes) -> Attack:
    """ARC-Authentication-Results of fifty sets that are sound but for their signatures."""

    def attack(number: int) -> Message:
        filled = (value * RESULTS_OCTETS)[:RESULTS_OCTETS]
        sets = junk_sets(50, crook(number), results=b" mx.test; " + filled)
        return spoof(number, before=sets, cost=ONLY_READ)

    return attack


def right_results(value: bytes) -> Attack:
    """The same in a chain of ten sets that are right: then they are read."""

    def attack(number: int) -> Message:
        plain = spoof(number)
        from_field = next(field for name, field in plain.fields if name == b"From")
        filled = (value * RESULTS_OCTETS)[:RESULTS_OCTETS].strip().decode("latin-1")
        made = chain(plain_key(), crook(number), [f"mx.test; {filled}x"] * 10, from_field, plain.body)
        return spoof(number, before=made)

    return attack


def results_alone(value: bytes) -> Attack:
    """Results without seals and signatures."""
    return lambda n: spoof(n, before=[(b"ARC-Authentication-Results", b" " + value)] * 50, cost=ONLY_READ)


def of(field: str, first: bytes, filler: bytes, times: int = 130) -> Attack:
    """Fields of one name that no signature names: 8 MB of them, if nothing else is said."""

    def attack(number: int) -> Message:
        start = first.replace(b"CROOK", crook(number).encode())
        value = b" " + start + filler * ((MOST - len(start)) // len(filler))
        return spoof(number, before=[(field.encode(), value)] * times, cost=ONLY_READ)

    return attack


def author(filler: bytes) -> Attack:
    """A From field of the greatest length; the plain spoof is its end."""

    def attack(number: int) -> Message:
        plain = spoof(number, cost=ONLY_READ)
        long = b" " + filler * (MOST // len(filler))
        fields = tuple((name, long + text if name == b"From" else text) for name, text in plain.fields)
        return Message(fields, plain.mail_from, plain.helo, plain.client, cost=ONLY_READ)

    return attack


def fields_of(filler: bytes, megabytes: float) -> list[Field]:
    """Fields that hold nothing but `filler`."""
    value = filler * (MOST // len(filler))
    return [(b"X", b" " + value + b"x")] * round(megabytes * MB / MOST)


def signed_fields(filler: bytes, canonical: str, megabytes: float = 0.8, first: bytes = b"") -> Attack:
    """Ten signatures of the attacker name the same large fields."""

    def attack(number: int) -> Message:
        large = [(name, b" " + first + value[1:]) for name, value in fields_of(filler, megabytes)]
        names = ":".join(["from", *["x"] * len(large)])
        signatures = [junk_signature(crook(number), names=names, canonical=canonical) for _ in range(10)]
        return spoof(number, before=signatures, behind=large)

    return attack


def sealed_fields(filler: bytes, sets: int, megabytes: float = 0.8) -> Attack:
    """The message signatures of `sets` ARC sets name the same large fields."""

    def attack(number: int) -> Message:
        large = fields_of(filler, megabytes)
        names = ":".join(["from", *["x"] * len(large)])
        return spoof(number, before=junk_sets(sets, crook(number), names=names), behind=large)

    return attack


def costly_seals(number: int, kind: str) -> Message:
    plain = spoof(number, mail_from="")
    from_field = next(value for name, value in plain.fields if name == b"From")
    results = ["mx.test; dmarc=pass header.from=bank.example"] * 50
    return spoof(number, before=chain(costly_key(), crook(number, kind), results, from_field, plain.body))


def costly_keys(number: int, kind: str) -> Message:
    signatures = [junk_signature(crook(number, kind), selector=f"s{n}") for n in range(10)]
    return spoof(number, before=[_lengthened(each) for each in signatures])


def _lengthened(signature: Field) -> Field:
    """With a b= as long as a key of 3072 bits needs it."""
    b = base64.b64encode(b"\x5a" * 384)
    return signature[0], signature[1].rpartition(b" b=")[0] + b" b=" + b


def questions(number: int, kind: str) -> Message:
    """SPF that asks all it may, and signatures and sets under names of their own."""
    deep = ".".join("abcdefg")
    signatures = [junk_signature(f"{deep}.x{n}.{crook(number)}", selector=f"s{n}") for n in range(10)]
    sets = junk_sets(50, crook(number))
    own = [(name, value.replace(b"s=s", b"s=k%d" % index)) for index, (name, value) in enumerate(sets)]
    return spoof(
        number,
        victim=f"a.b.c.d.e.f.g.h.{bank(number)}",
        mail_from=f"a@{crook(number, kind)}",
        helo=f"h.{crook(number, kind)}",
        before=[*own, *signatures],
    )


def many(make: Callable[[int, int], Field], count: int) -> Attack:
    """`count` fields, each made from the number of the message and its own."""
    return lambda number: spoof(number, before=[make(number, index) for index in range(count)])


FILLERS = {
    "equal signs": b"=",
    "blanks": b" ",
    "blanks and equals": b" " * 60 + b"=",
    "tabs": b"\t",
    "line ends": b"\r\n ",
    "vertical tabs": b"\v",
    "brackets": b"(",
    "closed brackets": b"()",
    "quotes": b'"',
    "backslashes": b"\\",
    "semicolons": b";",
    "results": b"dmarc=pass header.from=bank.example; ",
    "words": b"a = b  = c ;",
    "8 bits": bytes(range(128, 256)),
}
RESULTS = {
    **{name: results(filler) for name, filler in FILLERS.items()},
    "open quote": results(b'"' + b"\\" * RESULTS_OCTETS),
    "blanks in the instance": results_alone(b"i" + b" " * MOST + b"=1; x"),
    "blanks before the instance": results_alone(b" " * MOST + b"i=1; x"),
    "right seals, blanks": right_results(b" "),
    "right seals, words": right_results(b"a=b "),
    "right seals, results": right_results(b"dmarc=pass header.from=bank.example; "),
}

RELAXED, SIMPLE = "relaxed/relaxed", "simple/simple"
WHITE = {
    "vertical tabs, 10 x relaxed": signed_fields(b"\v", RELAXED),
    "form feeds, 10 x relaxed": signed_fields(b"\f ", RELAXED),
    "vertical tabs and blanks": signed_fields(b" \v", RELAXED),
    "one vertical tab, then blanks": signed_fields(b" ", RELAXED, first=b"\v"),
    "bare CR": signed_fields(b"\r", RELAXED),
    "folds": signed_fields(b"x\r\n ", RELAXED),
    "blanks": signed_fields(b" \t", RELAXED),
    "words": signed_fields(b"x ", RELAXED),
    "simple": signed_fields(b"x ", SIMPLE),
    "7 MB of vertical tabs": signed_fields(b"\v", RELAXED, 7),
    "7 MB of tabs and blanks": signed_fields(b"\v \t ", RELAXED, 7),
    "under 50 sets": sealed_fields(b"\v\f", 50),
    "7 MB under 50 sets": sealed_fields(b"x ", 50, 7),
    "7 MB of vertical tabs under 50 sets": sealed_fields(b"\v ", 50, 7),
    "7 MB under 10 signatures": signed_fields(b"x ", RELAXED, 7),
    "7 MB of one word under 50 sets": sealed_fields(b"x", 50, 7),
    "7 MB, all of it": lambda n: everything(n),
}


def everything(number: int) -> Message:
    """7 MB of header under ten signatures of two kinds and fifty sets, while the victim's record is kept for 1 s."""
    large = fields_of(b"y\r\n ", 7)
    names = ":".join(["from", *["x"] * len(large)])
    signatures = [junk_signature(crook(number), names=names, canonical=each) for each in (SIMPLE, RELAXED) * 5]
    before = [*junk_sets(50, crook(number), names=names), *signatures]
    return spoof(number, victim=bank(number, "brief1"), before=before, behind=large)


RESULT = "Authentication-Results"
LARGE = {
    "results, blanks": of(RESULT, b"", b" "),
    "results, open comment": of(RESULT, b"", b"("),
    "results, comments": of(RESULT, b"", b"()"),
    "results, quoted": of(RESULT, b'"', b"x"),
    "results, token": of(RESULT, b"", b"x"),
    "results, backslashes": of(RESULT, b'"', b"\\"),
    "results, 8 bits": of(RESULT, b"", b"\xff"),
    "results, a hundred of 60 KB": of(RESULT, b"", b" ", 100),
    "results, a hundred of comments": of(RESULT, b"", b"(", 100),
    "results, a hundred quoted": of(RESULT, b'"', b"\\", 100),
    "signatures, semicolons": of("DKIM-Signature", b"v=1;", b";"),
    "signatures, tags": of("DKIM-Signature", b"v=1; ", b"t=1; "),
    "signatures, blanks": of("DKIM-Signature", b"v", b" "),
    "signatures, base64": of("DKIM-Signature", b"v=1; b=", b"A"),
    "signatures, blanks in b=": of("DKIM-Signature", b"v=1; b=", b"A "),
    "signatures, h=": of("DKIM-Signature", b"v=1; a=rsa-sha256; d=CROOK; s=s; bh=AAAA; b=AAAA; h=", b"from:"),
    "signatures, name": of("DKIM-Signature", b"", b"x"),
    "one List-Id, brackets": of("List-Id", b"", b"<", 1),
    "one List-Id, blanks": of("List-Id", b"<", b" ", 1),
    "List-Id of 4 KB, blanks": lambda n: spoof(n, before=[(b"List-Id", b" <" + b" " * 4_000)], cost=ONLY_READ),
    "List-Id of 4 KB, brackets": lambda n: spoof(n, before=[(b"List-Id", b" " + b"<" * 4_000)], cost=ONLY_READ),
    "Message-ID": of("Message-ID", b"", b"\xff"),
    "Subject": of("Subject", b"", b"x"),
    "Subject, line ends": of("Subject", b"", b"x\r\n "),
    "Received": of("Received", b"", b"from x ("),
    "ARC-Seal": of("ARC-Seal", b"", b"i=1; ", 50),
    "ARC-Message-Signature": of("ARC-Message-Signature", b"i", b" ", 50),
    "ARC-Message-Signature, tags": of("ARC-Message-Signature", b"i=1; ", b"t=1; ", 50),
    "19,000 fields": lambda n: spoof(n, before=[(b"X", b" y")] * 19_000, cost=ONLY_READ),
    "19,000 names": lambda n: spoof(n, before=[(b"X-%d" % each, b" y") for each in range(19_000)], cost=ONLY_READ),
    "long names": lambda n: spoof(n, before=[(b"X" * MOST + b"%d" % i, b" y") for i in range(130)], cost=ONLY_READ),
    **{
        f"From, {name}": author(filler)
        for name, filler in (
            FILLERS
            | {
                "comment": b"(x) ",
                "words": b"x ",
                "dots": b".",
                "encoded-words": b"=?utf-8?q?x?= ",
                "open encoded-words": b"=?",
                "encoded-words of base64": b"=?utf-8?b?" + b"QUFB" * 1_000 + b"?= ",
                "quoted": b'"\\x" ',
                "at signs": b"@ ",
                "addresses": b"a@b.test ",
                "angles": b"<a@b.test> ",
                "open angles": b"<",
                "commas": b",",
                "groups": b"x:;,",
                "routes": b"<@a.test,",
            }
        ).items()
    },
    "From, nested comments": lambda n: nested_comments(n),
}


def nested_comments(number: int) -> Message:
    plain = spoof(number)
    deep = b" " + b"(" * 29_000 + b")" * 29_000
    fields = tuple((name, deep + text if name == b"From" else text) for name, text in plain.fields)
    return Message(fields, plain.mail_from, plain.helo, plain.client, cost=ONLY_READ)


def long_token(number: int, index: int) -> Field:
    return junk_signature(f"x{index}.{crook(number)}", names="from:" + ":".join(["subject"] * 900))


SIGNATURES = {
    "1,000 signatures": many(lambda n, i: junk_signature(f"x{i}.{crook(n)}"), 1_000),
    "10,000 signatures": many(lambda n, i: junk_signature(f"x{i}.{crook(n)}"), 10_000),
    "1,000 of the victim": many(lambda n, i: junk_signature(bank(n), selector=f"s{i}"), 1_000),
    "200 that name 900 fields": many(long_token, 200),
    "130 of 60 KB": many(lambda n, i: junk_signature(crook(n), more=f"z={'x' * 59_000}; "), 130),
    "51 sets": lambda n: spoof(n, before=[*junk_sets(50, crook(n)), *junk_sets(1, crook(n))]),
    "50 sets": lambda n: spoof(n, before=junk_sets(50, crook(n))),
    "50 sets of 60 KB": lambda n: spoof(n, before=junk_sets(50, crook(n), results=b" " + b"x" * 59_000)),
    "50 sets of others": lambda n: spoof(n, before=[(name, value.replace(b"s=s", b"s=s%d" % i)) for i, (name, value) in enumerate(junk_sets(50, crook(n)))]),
    "20,000 ARC fields": many(lambda n, i: (b"ARC-Seal", b" i=%d" % i), 19_000),
}  # fmt: skip


def _body(value: bytes) -> Attack:
    return lambda n: spoof(
        n,
        before=[*(junk_signature(crook(n), more=f"l={each}; ") for each in range(1, 11)), *junk_sets(50, crook(n))],
        body=value,
    )


BODIES = {
    "blanks": _body(b" " * 4 * MB),
    "blanks and tabs": _body(b"\t " * 2 * MB),
    "line ends": _body(b"\r\n" * 2 * MB),
    "blank lines": _body(b" \r\n" * MB),
    "bare CR": _body(b"\r" * 4 * MB),
    "bare LF": _body(b"\n" * 4 * MB),
    "CR LF mixed": _body(b"\r\r\n\n" * MB),
}

GROUPS = [
    Group("macros of a long HELO", 3, table(macro, tuple(MACROS)), is_costly=True),
    Group("macros of HELO as the identity", 3, table(macro_of_helo, tuple(MACROS)), is_costly=True),
    Group("SPF records of 16 KB and more", 3, table(spf, SPF_RECORDS), is_costly=True),
    Group("answers of 4,000 records", 3, table(spf, MANY), is_costly=True),
    Group("sealed results of 825 KB", 3, RESULTS, is_costly=True),
    Group("white space in signed fields", 3, WHITE, is_costly=True),
    Group("fields of up to 8 MB", 3, LARGE, is_costly=True),
    Group("very many signatures and sets", 3, SIGNATURES, is_costly=True),
    Group(
        "costly keys",
        3,
        {
            **table(costly_keys, ("giant", "eight", "wide8192", "wide16384", "manykeys", "longkey", "tagkey")),
            **{f"50 right seals, {kind}": partial(costly_seals, kind=kind) for kind in ("giant", "eight")},
        },
        is_costly=True,
    ),
    Group("bodies that are hard to canonicalize", 3, BODIES, is_costly=True),
    Group("questions", 3, table(questions, ("tree", "fresh", "wide", "plain")), is_costly=True),
]  # fmt: skip
