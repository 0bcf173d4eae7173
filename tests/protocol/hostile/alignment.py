"""Point 1: alignment asks strangers nothing. Point 6: what is done where the Author Domain's own names fail."""

import dkim

from tests.protocol.hostile.message import (
    ACCEPTED,
    ANY,
    HARMLESS,
    Group,
    Message,
    bank,
    crook,
    junk_signature,
    spoof,
    table,
)
from tests.protocol.hostile.names import FAILING
from tests.support.keys import rsa_key

KINDS = tuple(FAILING)


def by_mail_from(number: int, kind: str) -> Message:
    return spoof(number, mail_from=f"a@{crook(number, kind)}")


def by_helo(number: int, kind: str) -> Message:
    return spoof(number, mail_from="", helo=crook(number, kind))


def dead(number: int, kind: str) -> Message:
    """Not even SPF can be asked: it may have passed, for a name that cannot be aligned."""
    return spoof(number, mail_from=f"a@{crook(number, f'dead-{kind}')}")


def signed(number: int, domain: str, *, victim: str = "") -> tuple[bytes, bytes]:
    """A signature that is right, of a domain of the attacker."""
    message = f"From: Bank <info@{victim or bank(number)}>\r\n\r\nHello\r\n".encode()
    field = dkim.sign(message, b"s", domain.encode(), rsa_key()[0], include_headers=[b"from"])
    return b"DKIM-Signature", field.partition(b":")[2].removesuffix(b"\r\n")


def by_signature(number: int, kind: str) -> Message:
    return spoof(number, before=[signed(number, crook(number, kind))])


def by_junk_signature(number: int, kind: str) -> Message:
    return spoof(number, mail_from="", before=[junk_signature(crook(number, f"dead-{kind}"))])


def by_parents(number: int, kind: str) -> Message:
    name = crook(number, kind)
    return spoof(
        number, mail_from=f"a@a.b.c.d.e.f.g.h.{name}", helo=f"x.{name}", before=[signed(number, f"mail.{name}")]
    )


def by_neighbours(number: int, kind: str) -> Message:
    """A neighbour below the same public suffix, whose names fail; the victim has a record itself."""
    suffix = bank(number, "suffix")
    dead = junk_signature(f"dead-{kind}.{suffix}")
    return spoof(number, victim=f"bank.{suffix}", mail_from=f"a@sub.{kind}.{suffix}", before=[dead])


def inherited(number: int, kind: str) -> Message:
    """The victim is a subdomain: its policy is found by a walk."""
    return spoof(number, victim=f"news.mail.{bank(number)}", mail_from=f"a@{crook(number, kind)}")


def all_at_once(number: int, kind: str) -> Message:
    signatures = [junk_signature(f"x{n}.{crook(number, f'dead-{kind}')}") for n in range(9)]
    return spoof(
        number,
        mail_from=f"a@{crook(number, kind)}",
        helo=crook(number, f"dead-{kind}"),
        before=[signed(number, crook(number, kind)), *signatures],
    )


SHARED = ("servfail", "silent", "garbage", "stall")
OWN = {
    # What the Author Domain publishes cannot be had: accepted or deferred, but never a reason to defer the others.
    "its record: SERVFAIL": lambda n: spoof(n, victim=bank(n, "ownfail"), expected=ANY),
    "its record: silence": lambda n: spoof(n, victim=bank(n, "ownsilent"), expected=ANY),
    # Its policy is known: it may be deferred, and is never accepted.
    "its key: SERVFAIL": lambda n: spoof(
        n, victim=bank(n, "keyfail"), before=[junk_signature(bank(n, "keyfail"))], expected=HARMLESS
    ),
    "its key: silence": lambda n: spoof(
        n, victim=bank(n, "keysilent"), before=[junk_signature(bank(n, "keysilent"))], expected=HARMLESS
    ),
    "a subdomain's key": lambda n: spoof(
        n, victim=bank(n, "keyfail"), before=[junk_signature(f"x.{bank(n, 'keyfail')}")], expected=HARMLESS
    ),
    "its SPF record": lambda n: spoof(
        n, victim=bank(n, "spffail"), mail_from=f"a@{bank(n, 'spffail')}", expected=HARMLESS
    ),
    "its SPF record by HELO": lambda n: spoof(
        n, victim=bank(n, "spffail"), mail_from="", helo=bank(n, "spffail"), expected=HARMLESS
    ),
    "nine strangers' keys, too": lambda n: spoof(
        n,
        victim=bank(n, "keyfail"),
        before=[*(junk_signature(crook(n, f"dead-{each}")) for each in KINDS[:9]), junk_signature(bank(n, "keyfail"))],
        expected=HARMLESS,
    ),
    "policy quarantine, and a stranger's key": lambda n: spoof(
        n,
        victim=bank(n, "quarantine"),
        before=[junk_signature(crook(n, "dead-servfail"))],
        expected=frozenset({ACCEPTED}),
        says="dis=quarantine)",
    ),
    "np=reject, no such name": lambda n: spoof(n, victim=f"invoice.{bank(n, 'np')}"),
    "np=reject, and nobody knows": lambda n: spoof(n, victim=f"failing.{bank(n, 'np')}", expected=ANY),
}

GROUPS = [
    Group("MAIL FROM whose _dmarc fails", 1, table(by_mail_from, KINDS)),
    Group("HELO whose _dmarc fails", 1, table(by_helo, KINDS)),
    Group("MAIL FROM all of whose names fail", 1, table(dead, KINDS)),
    Group("signer whose _dmarc fails", 1, table(by_signature, KINDS)),
    Group("junk signature whose key fails", 1, table(by_junk_signature, KINDS)),
    Group("organizational parents that fail", 1, table(by_parents, SHARED)),
    Group("victim below a public suffix", 1, table(by_neighbours, SHARED)),
    Group("victim that inherits its policy", 1, table(inherited, KINDS)),
    Group("everything fails at once", 1, table(all_at_once, SHARED)),
    Group("the Author Domain's own names fail", 6, OWN),
]
