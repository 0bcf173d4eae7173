"""The messages of the demo: what is sent, by whom, and what there is to learn from it."""

from dataclasses import dataclass
from importlib.resources import files

from dmarc_milter.message.header import split_message


@dataclass(frozen=True, slots=True)
class Example:
    """One message and its envelope; the message itself is messages/<name>.eml."""

    name: str
    title: str
    client: str
    helo: str
    mail_from: str
    lesson: str

    @property
    def content(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Header fields and body."""
        octets = (files("dmarc_milter.demo") / "messages" / f"{self.name}.eml").read_bytes()
        header, body = split_message(octets)
        return [(field.name.encode(), field.value) for field in header], body


def zone_text() -> str:
    """The DNS of the demo, a master file."""
    return (files("dmarc_milter.demo") / "demo.zone").read_text("utf-8")


EXAMPLES = (
    Example(
        "signed",
        "A message signed by its author's domain",
        "192.0.2.10",
        "mail.bank.example",
        "news@bank.example",
        "DKIM passes for bank.example, the very domain in From: aligned, so DMARC passes. SPF would have done too.",
    ),
    Example(
        "spf-only",
        "No signature, but sent by the right server",
        "192.0.2.20",
        "out.shop.example",
        "bounce@mail.shop.example",
        "SPF passes for mail.shop.example. The tree walk finds one organizational domain, shop.example, for it and for "
        "the domain in From: relaxed alignment, so DMARC passes.",
    ),
    Example(
        "forwarded",
        "A signed message, forwarded by somebody else's server",
        "198.51.100.7",
        "forwarder.example",
        "alice@bank.example",
        "The forwarder is not in the SPF record of bank.example: SPF fails. The signature came through unchanged, and "
        "one aligned pass is all that DMARC asks for. This is why senders should sign.",
    ),
    Example(
        "spoofed",
        "Somebody pretends to be the bank",
        "203.0.113.66",
        "mail.crook.example",
        "x@crook.example",
        "SPF passes, but for crook.example: a pass for a domain that nobody sees proves nothing about the one in From. "
        "bank.example publishes p=reject, so the message is refused while the sender is still connected.",
    ),
    Example(
        "quarantined",
        "A failure under p=quarantine",
        "203.0.113.66",
        "mail.crook.example",
        "x@crook.example",
        "Nothing aligned passes. shop.example asks for quarantine: the message is delivered, and its header tells the "
        "mailbox server to put it into Junk.",
    ),
    Example(
        "no-such-subdomain",
        "A subdomain that does not exist",
        "203.0.113.66",
        "mail.crook.example",
        "x@crook.example",
        "invoices.shop.example has no record of its own, so the organizational domain's applies; the name does not "
        "exist in the DNS, so its np=reject counts and not p=quarantine (new in RFC 9989).",
    ),
    Example(
        "no-policy",
        "A domain without a policy",
        "203.0.113.66",
        "mail.crook.example",
        "x@crook.example",
        "hobby.example publishes no DMARC record, and neither does anybody above it: DMARC does not apply.",
    ),
    Example(
        "two-authors",
        "Two domains in From",
        "203.0.113.66",
        "mail.crook.example",
        "x@crook.example",
        "Which of the two would a person believe? DMARC can only judge one domain; such mail is nearly always an "
        "attack, and is refused.",
    ),
)
