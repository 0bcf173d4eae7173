"""Point 5: From, as its readers see it. BANK is the victim, CROOK the attacker's own domain, for which SPF passes."""

import base64

from tests.protocol.hostile.message import ACCEPTED, Attack, Group, Message, bank, client, honest, shown_as


def spoofs(*values: bytes) -> dict[str, Attack]:
    return {repr(each)[2:-1]: lambda n, each=each: shown_as(n, each) for each in values}  # type: ignore[misc]


def encoded(template: bytes, charset: str = "utf-8", encoding: str = "b") -> Attack:
    """``{}`` in `template` is an encoded-word that says the victim's address in angle brackets."""

    def attack(number: int) -> Message:
        octets = f"<info@{bank(number)}>".encode(charset)
        word = base64.b64encode(octets).decode() if encoding == "b" else "".join(f"={octet:02X}" for octet in octets)
        return shown_as(number, template.replace(b"{}", f"=?{charset}?{encoding}?{word}?=".encode()))

    return attack


OBSOLETE = spoofs(
    b"info @ BANK",
    b"<info @ BANK>",
    b"info@BANK (comment)",
    b"<info(x)@(y)BANK>",
    b"in . fo @ BANK",
    b'"in" . "fo" @ BANK',
    b"in.(x)fo@BANK",
    b"<@relay.test:info@BANK>",
    b"<@relay.test,@other.test:info@BANK>",
    b"<,,@relay.test,,@other.test:info@BANK>",
    b"< @ relay . test : info @ BANK >",
    b",,info@BANK,,",
    b", Bank <info@BANK>",
    b"Bank <info@BANK>,",
    b"Bank <info@BANK>, ,",
    b"Bank (\x01\x02) <info@BANK>",
    b'"Ba\x01nk" <info@BANK>',
    b'"Ba\\\x01nk" <info@BANK>',
    b"info@BANK\r\n\t",
    b"\r\n info@BANK",
    b"Bank: info@BANK;",
    b"Bank: Info <info@BANK>,;",
    b"Undisclosed:;, info@BANK",
    b"Bank. Inc. <info@BANK>",
    b"Bank <INFO@BANK>",
    b"(x)info(y)@(z)BANK(w)",
    b'""@BANK',
    b'"@CROOK"@BANK',
    b"Bank <info@BANK> (CROOK)",
)
"""RFC 5322 4.4: a receiver MUST read them."""

DOTTED = {
    "blanks around the dots of the domain": lambda n: shown_as(n, b"info@" + bank(n).replace(".", " . ").encode()),
    "comments around the dots": lambda n: shown_as(n, b"<info@" + bank(n).replace(".", "(x).(y)").encode() + b">"),
    "a fold at the dot": lambda n: shown_as(n, b"info@" + bank(n).replace(".", "\r\n .").encode()),
    "a dot at the end": lambda n: shown_as(n, b"Bank <info@BANK.>"),
    "two dots at the end": lambda n: shown_as(n, b"Bank <info@BANK..>"),
    "an ideographic dot": lambda n: shown_as(n, b"Bank <info@" + bank(n).replace(".", "。").encode() + b">"),
    "full-width letters": lambda n: shown_as(n, "Bank <info@ｂ".encode() + bank(n)[1:].encode() + b">"),
    "a soft hyphen": lambda n: shown_as(n, "Bank <info@b\u00ad".encode() + bank(n)[1:].encode() + b">"),
    "upper case": lambda n: shown_as(n, b"Bank <info@" + bank(n).upper().encode() + b">"),
}

MALFORMED = spoofs(
    b"Re: CEO <ceo@BANK>",
    b"Bank <info@BANK",
    b"Bank info@BANK>",
    b"info@BANK>",
    b"<info@BANK",
    b"Bank <info@BANK>>",
    b"Bank <<info@BANK>>",
    b"Bank <info@BANK> x",
    b"Bank <info@BANK> <x>",
    b"Bank <info@BANK>; x",
    b"Bank info@BANK",
    b"Bank, Inc <info@BANK>",
    b"Bank; Inc <info@BANK>",
    b"Bank [x] <info@BANK>",
    b"Bank \\ <info@BANK>",
    b'Bank " <info@BANK>',
    b'"Bank <info@BANK>',
    b"Bank ( <info@BANK>",
    b"Bank ) <info@BANK>",
    b"(Bank <info@BANK>",
    b"Bank <info @BANK x>",
    b"Bank <in fo@BANK>",
    b"Bank <mailto:info@BANK>",
    b"mailto:info@BANK",
    b"[info@BANK]",
    b"Bank <info@@BANK>",
    b"Bank <@BANK>",
    b"<info@x@BANK>",
    b"Bank\xff <info@BANK>",
    b"\xe9 <info@BANK>",
    b"Bank <info\xff@BANK>",
    b"Bank <info@BANK\x01>",
    b"Bank <info@\x01BANK>",
    b"Bank \x08<info@BANK>",
    b"Bank <info@BANK>\x0c",
    b"\x0bBank <info@BANK>",
    b"Bank <info@BANK\t>",
    b"Bank\r<info@BANK>",
    b"Bank <info@BANK:25>",
    b"Bank <info@BANK/x>",
    b"a:b:Bank <info@BANK>",
    b"Bank: info@BANK",
    b"Bank: x:info@BANK;;",
    b"info@BANK info@BANK",
    b"'info@BANK'",
    b"Bank &lt;info@BANK&gt;",
    b"Bank <info@_.BANK>",
    b'info@(x)BANK"x"',
    b'Bank <info@(x)BANK"x">',
)
"""What is no From field is read as a lenient program would show it."""

TWO = spoofs(
    b"Re: CROOK <a@CROOK>, ceo <ceo@BANK",
    b"a@CROOK <info@BANK>",
    b"<info@BANK> <a@CROOK>",
    b"<a@CROOK> <info@BANK>",
    b"<a@CROOK>, <info@BANK>",
    b"<<info@BANK>@CROOK>",
    b"<info@BANK@CROOK>",
    b"<a@CROOK@BANK>",
    b"x: a@CROOK, y: info@BANK",
    b"x:a@CROOK; info@BANK",
    b"a@CROOK\x01, info@BANK",
    b"a@CROOK info@BANK",
    b"Bank <info@BANK> a@CROOK",
    b"Bank <info@BANK a@CROOK>",
    b'"info@BANK" <a@CROOK',
    b"a@CROOK, x <",
    b"info@BANK, x <a@CROOK",
    b"<@BANK:a@CROOK> <info@BANK>",
    b",a@CROOK,,info@BANK",
    b"(info@BANK) <a@CROOK",
    b"a@CROOK\x0c\x0cinfo@BANK",
    b"a@CROOK (x, info@BANK",
)
TWO.pop("a@CROOK, x <")

SEVERAL = {
    "two From": lambda n: shown_as(n, b"<info@BANK>", b"<a@CROOK>"),
    "two From, the other way": lambda n: shown_as(n, b"<a@CROOK>", b"<info@BANK>"),
    "From twice": lambda n: shown_as(n, b"<info@BANK>", b"<info@BANK>"),
    "a hundred From": lambda n: shown_as(n, *[b"<a@CROOK>"] * 99, b"<info@BANK>"),
    "an empty one": lambda n: shown_as(n, b"", b"<info@BANK>"),
    "a broken one first": lambda n: shown_as(n, b"<", b"<info@BANK>"),
    "eleven broken": lambda n: shown_as(n, b" ".join(b"<x@d%d.CROOK" % i for i in range(11)) + b" <info@BANK"),
    "the eleventh": lambda n: shown_as(n, b" ".join(b"x@d%d.CROOK" % i for i in range(10)) + b" <info@BANK>"),
    "one thousand": lambda n: shown_as(n, b" ".join(b"x@d%d.CROOK" % i for i in range(1_000)) + b" <info@BANK>"),
    "two of them": lambda n: shown_as(n, b", ".join(b"x@d%d.CROOK" % i for i in range(2_000)) + b", <info@BANK>"),
    "blank before the colon": lambda n: _named(n, b"From "),
    "tab before the colon": lambda n: _named(n, b"From\t"),
    "both": lambda n: _named(n, b"From ", (b"From", b" <a@CROOK>")),
    "FROM": lambda n: _named(n, b"FROM"),
    "only Sender": lambda n: _named(n, b"Sender"),
    "no From at all": lambda n: _named(n, b"X-From"),
    "Resent-From": lambda n: _named(n, b"Resent-From"),
    "an empty From": lambda n: shown_as(n, b""),
    "a name alone": lambda n: shown_as(n, b"The Bank"),
    "a literal": lambda n: shown_as(n, b"Bank <info@[192.0.2.1]>"),
    "no domain": lambda n: shown_as(n, b"Bank <info>"),
}  # fmt: skip


def _named(number: int, name: bytes, *others: tuple[bytes, bytes]) -> Message:
    plain = shown_as(number, b"Bank <info@BANK>", *(value.strip() for _, value in others))
    fields = tuple((name if index == 0 else each[0], each[1]) for index, each in enumerate(plain.fields))
    return Message(fields, plain.mail_from, plain.helo, plain.client)


ENCODED = {
    "the whole": encoded(b"{}"),
    "with a name": encoded(b"Bank {}"),
    "quoted-printable": encoded(b"{}", encoding="q"),
    "Latin-1": encoded(b"{}", "iso-8859-1"),
    "UTF-16": encoded(b"{}", "utf-16be"),
    "unclosed behind it": encoded(b"{} <"),
    "with an unclosed address": encoded(b"{} <a@CROOK"),
    "in a quoted-string": encoded(b'"{}'),
    "text behind": encoded(b"{} x x"),
    "comma": encoded(b"{}, "),
    "language": lambda n: shown_as(n, b"=?utf-8*en?b?" + base64.b64encode(f"<info@{bank(n)}>".encode()) + b"?="),
    "in pieces": lambda n: shown_as(n, b"=?utf-8?q?=3Cinfo=40?= =?utf-8?q?" + bank(n).encode() + b"=3E?="),
    "the address alone": lambda n: shown_as(n, b"=?utf-8?q?info=40" + bank(n).encode() + b"?="),
    "the domain": lambda n: shown_as(n, b"info@=?utf-8?q?" + bank(n).encode() + b"?="),
    "the domain in brackets": lambda n: shown_as(n, b"Bank <info@=?utf-8?q?" + bank(n).encode() + b"?=>"),
    "no end": lambda n: shown_as(n, b"=?utf-8?q?<info@BANK>"),
    "unknown charset": lambda n: shown_as(n, b"=?x-none?q?<info@" + bank(n).encode() + b">?="),
}  # fmt: skip


def slip(value: bytes) -> Attack:
    """An honest sender's From with a slip, aligned: to refuse it would be no merit."""

    def attack(number: int) -> Message:
        good = bank(number, "good")
        plain = honest(number)
        written = (b"From", b" " + value.replace(b"GOOD", good.encode()))
        return Message(
            (written, *plain.fields[1:]),
            plain.mail_from,
            plain.helo,
            client(number),
            expected=frozenset({ACCEPTED}),
            says=plain.says,
        )

    return attack


SLIPS = {
    repr(each)[2:-1]: slip(each)
    for each in (
        b"Sales @ Acme <sales@GOOD>",
        b"Acme Inc. <sales@GOOD>",
        b"Re: CEO <ceo@GOOD>",
        b"info @ GOOD",
        b"<@relay.test:info@GOOD>",
        b"Good <info@GOOD",
        b"Good, Inc. <info@GOOD>",
        b"Good <info@GOOD.>",
        b",Good <info@GOOD>,",
        b"Good \x01 <info@GOOD>",
    )
}

GROUPS = [
    Group("obsolete forms of From", 5, {**OBSOLETE, **DOTTED}),
    Group("malformed From", 5, MALFORMED),
    Group("two authors in one From", 5, TWO),
    Group("several From fields, or none", 5, SEVERAL),
    Group("encoded-words in From", 5, ENCODED),
    Group("honest slips in From", 5, SLIPS),
]
