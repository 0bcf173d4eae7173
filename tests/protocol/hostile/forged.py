"""Points 7, 8 and 9: fields that look like ours, results that were sealed, lists of strangers."""

import base64

from tests.protocol.hostile.alignment import signed
from tests.protocol.hostile.keys import chain, plain_key
from tests.protocol.hostile.message import (
    ACCEPTED,
    Attack,
    Group,
    Message,
    bank,
    crook,
    honest,
    junk_sets,
    spoof,
)

NAME = b"Authentication-Results"
OWN = b"mx.example.org"


def forged(*values: bytes, name: bytes = NAME, deleted: int | None = None) -> Attack:
    """Honest mail that carries `values`: all of them have to be removed."""
    fields = tuple((name, b" " + each) for each in values)
    return lambda n: honest(n, before=fields, deleted=len(values) if deleted is None else deleted)


def named(*values: bytes) -> dict[str, Attack]:
    return {repr(each)[2:-1]: forged(each) for each in values}


PASSES = b"dmarc=pass header.from=bank.example"
CLAIMS = named(
    OWN + b"; " + PASSES,
    PASSES,
    b"dmarc=pass",
    b"spf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example; " + PASSES,
    b"",
    b";" + PASSES,
    OWN + b" 1; " + PASSES,
    OWN + b" 2; " + PASSES,
    b"other.example 2; " + PASSES,
    OWN + b"; " + OWN + b"; " + PASSES,
    OWN + b"=; " + PASSES,
    OWN + b", " + PASSES,
    OWN + b": " + PASSES,
    OWN + b"/1; " + PASSES,
    OWN + b".; " + PASSES,
    b"MX.Example.ORG; " + PASSES,
    b'"mx.example.org"; ' + PASSES,
    b'"mx.example\\.org"; ' + PASSES,
    b"(x) mx.example.org (y); " + PASSES,
    b"(" * 60 + b")" * 60 + OWN + b"; " + PASSES,
    b"\r\n\t" + OWN + b"; " + PASSES,
    b"\x0b" + OWN + b"; " + PASSES,
    b"\x0c" + OWN + b"; " + PASSES,
    b"\x01" + OWN + b"; " + PASSES,
    b"\xef\xbb\xbf" + OWN + b"; " + PASSES,
    b"\xc2\xa0" + OWN + b"; " + PASSES,
    b"=?utf-8?q?mx=2Eexample=2Eorg?=; " + PASSES,
    b"=?utf-8?b?" + base64.b64encode(OWN) + b"?=; " + PASSES,
    "mx。example。org; ".encode() + PASSES,
    "ｍx.example.org; ".encode() + PASSES,
    b"<mx.example.org>; " + PASSES,
    b"mx . example . org; " + PASSES,
    b"mx.(x)example.org; " + PASSES,
    OWN + b"(x; " + PASSES,
    OWN + b'"x; ' + PASSES,
    OWN + b"\\; " + PASSES,
    OWN + b"@x; " + PASSES,
    OWN,
    OWN + b" " + PASSES,
)
CLAIMS |= {
    "a blank before the colon": forged(OWN + b"; " + PASSES, name=NAME + b" "),
    "upper case": forged(OWN + b"; " + PASSES, name=NAME.upper()),
    "a hundred": forged(*[OWN + b"; " + PASSES] * 100),
    "another's stays": forged(b"mx.other.example; " + PASSES, deleted=0),
    "another's, of version 1, stays": forged(b"mx.other.example 1; " + PASSES, deleted=0),
}


def very_many(count: int, value: bytes) -> Attack:
    return lambda n: honest(n, before=[(NAME, b" " + value)] * count, expected=frozenset({"refused"}), says="")


MANY = {
    "101": very_many(101, OWN + b"; " + PASSES),
    "101 without an id": very_many(101, PASSES),
    "16,000": very_many(16_000, OWN + b"; dmarc=pass"),
    "16,000, empty": very_many(16_000, b""),
    "a spoof with 16,000": lambda n: spoof(n, before=[(NAME, b" " + OWN)] * 16_000),
}


def claimed(value: bytes) -> Attack:
    """A spoof that says of itself that it passed."""
    return lambda n: spoof(n, before=[(NAME, b" " + value)])


BELIEVED = {
    "our own": claimed(OWN + b"; " + PASSES),
    "without an id": claimed(PASSES),
    "ARC of ours": lambda n: spoof(n, before=junk_sets(1, crook(n), results=b" " + OWN + b"; " + PASSES)),
    "Received-SPF": lambda n: spoof(n, before=[(b"Received-SPF", b" pass")]),
    "Received of a relay": lambda n: spoof(
        n, before=[(b"Received", f" from mail.{bank(n)} ([192.0.2.1]) by mx.example.org".encode())]
    ),
    "X-Original-Authentication-Results": lambda n: spoof(n, before=[(b"X-Original-Authentication-Results", b" " + PASSES)]),
    "quarantine of ours": claimed(OWN + b"; dmarc=fail (p=reject dis=quarantine)"),
}  # fmt: skip

SEALER = "sealer-m0.test"
SEALED_SETTINGS = f'[policy.indirect]\ntrusted_sealers = ["{SEALER}"]\n'


def sealed(results: str, *, by: str = SEALER, expected: str = "refused") -> Attack:
    """A spoof sealed by a sealer whom we trust, whose results hold what the attacker could put there."""

    def attack(number: int) -> Message:
        victim = bank(number)
        plain = spoof(number)
        from_field = next(value for name, value in plain.fields if name == b"From")
        found = [f"mx.{SEALER}; {results.replace('BANK', victim)}"]
        sets = chain(plain_key(), by, found, from_field, plain.body)
        return spoof(number, before=sets, expected=frozenset({expected}))

    return attack


SEALED = {
    "a sealer we trust saw a pass": sealed("dmarc=pass header.from=BANK", expected=ACCEPTED),
    "commented, by RFC 8601": sealed("dmarc (x) / (y) 1 (z) = (w) pass (v) header.from (u) = (t) BANK", expected=ACCEPTED),
    "a sealer we do not trust": sealed("dmarc=pass header.from=BANK", by="other-m0.test"),
    "fail": sealed("dmarc=fail header.from=BANK"),
    "a pass of another": sealed("dmarc=pass header.from=other.example"),
    "a pass of nobody": sealed("dmarc=pass"),
    "a pass of nobody, with a policy": sealed("dmarc=pass policy.dmarc=reject"),
    "a pass in a comment": sealed("dmarc=fail (dmarc=pass header.from=BANK) header.from=BANK"),
    "a quote in a comment": sealed(
        'spf=fail (x " y) reason="); dmarc=pass header.from=BANK; ("; dmarc=fail header.from=BANK'
    ),
    "a quote in a comment hides": sealed('spf=fail ("); dmarc=fail header.from=BANK; x=("); dmarc=pass'),
    "an escaped bracket in a comment": sealed('spf=fail (\\) ; dmarc=pass header.from=BANK ; \\() ; dmarc=fail header.from=BANK'),
    "a bracket in quotes": sealed('spf=fail smtp.mailfrom="("; dmarc=fail header.from=BANK; x=")"; dmarc=fail header.from=BANK'),
    "a pass in a quoted value": sealed('spf=fail reason="; dmarc=pass header.from=BANK; "; dmarc=fail header.from=BANK'),
    "an escaped quote": sealed('spf=fail reason="\\"; dmarc=pass header.from=BANK; \\""; dmarc=fail header.from=BANK'),
    "two that differ": sealed("dmarc=pass header.from=BANK; dmarc=fail header.from=BANK"),
    "from twice": sealed("dmarc=pass header.from=other.example header.from=BANK"),
    "a pass within MAIL FROM": sealed('spf=pass smtp.mailfrom="a;dmarc=pass header.from=BANK"@crook.test'),
    "dmarc of another kind": sealed("x-dmarc=pass header.from=BANK"),
    "a property without a type": sealed("dmarc=pass from=BANK"),
}  # fmt: skip


def listed(**fields: str) -> Attack:
    """A spoof that says it comes from a list; SPF and DKIM pass for the list's own domain."""

    def attack(number: int) -> Message:
        name = crook(number)
        written = [
            (key.replace("_", "-").encode(), b" " + value.replace("CROOK", name).encode())
            for key, value in fields.items()
        ]
        return spoof(number, before=[signed(number, name)], behind=written)

    return attack


LISTS = {
    "List-Id and List-Post": listed(List_Id="<dev.CROOK>", List_Post="<mailto:dev@CROOK>"),
    "List-Id and List-Unsubscribe": listed(List_Id="<dev.CROOK>", List_Unsubscribe="<mailto:x@CROOK>"),
    "with a name": listed(List_Id="Dev <dev.lists.CROOK>", List_Post="<mailto:dev@CROOK>"),
    "all of them": listed(
        List_Id="<dev.CROOK>",
        List_Post="<mailto:dev@CROOK>",
        List_Unsubscribe="<mailto:x@CROOK>",
        List_Help="<mailto:h@CROOK>",
        Precedence="list",
        Sender="dev-bounces@CROOK",
        Mailing_List="list dev@CROOK",
    ),
    "the victim's list": lambda n: listed(List_Id=f"<dev.{bank(n)}>", List_Post="<mailto:dev@x>")(n),
    "Sender and Precedence": listed(Sender="<dev@CROOK>", Precedence="bulk"),
    "signed list and ARC": lambda n: spoof(
        n,
        before=[signed(n, crook(n)), *junk_sets(1, crook(n))],
        behind=[(b"List-Id", f" <dev.{crook(n)}>".encode()), (b"List-Post", b" <mailto:x@x.test>")],
    ),
}

GROUPS = [
    Group("fields that look like ours", 7, CLAIMS),
    Group("more than a hundred of them", 7, MANY),
    Group("results that the sender claims", 7, BELIEVED),
    Group("sealed results", 8, SEALED, settings=SEALED_SETTINGS),
    Group("lists of strangers", 9, LISTS),
]
