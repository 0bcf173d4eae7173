"""What to do about a message: to whoever received it first, and to its sender only where it may be honest (pure).

Most of what fails is spoofed, and whoever spoofs is not to be told how to do it better. Mail is likely to be the Author
Domain's own where a signature of that domain failed in a way that is hard to make up, where somebody who is known sent
it on, or where a list did.
"""

from collections.abc import Mapping
from typing import Any

from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dns.name import is_at_or_below
from dmarc_milter.message.mailing_list import MailingList

Found = Mapping[str, Any]
"""The columns of journal.schema.messages."""


def advice(found: Found) -> list[str]:
    """Sentences, the most important first; none where nothing is wrong, and none about mail that was not judged."""
    if found["spf"] is None:
        return []
    unusable = _about_from(found)
    if unusable:
        return unusable
    if found["dmarc"] == "temperror":
        return [f"The DNS did not answer ({found['dmarc_reason']}): that may be over by now. Try again."]
    if found["dmarc"] == "fail" and not _is_likely_own(found):
        return [_to_receiver(found), *_if_it_is_theirs(found)]
    lines = _about_indirect(found) + _about_signatures(_failing(found)) + _about_spf(found)
    if found["dmarc"] == "none" and found["author_domain"]:
        lines.append(
            f"{found['author_domain']} publishes no DMARC record: anybody can write mail in its name. "
            f'Its owner can begin with a TXT record at _dmarc.{found["author_domain"]}: "v=DMARC1; p=none".'
        )
    elif found["dmarc"] == "fail":
        lines.append(_about_alignment(found))
    return lines


def _about_from(found: Found) -> list[str]:
    # Records of older versions have only DMARC's reason.
    reason = found["from_reason"] or (found["dmarc_reason"] if found["author_domain"] is None else None)
    if not reason:
        return []
    return [
        f"The message has {reason}, which spoofers write and hardly anybody else. If you know its sender: From has to "
        "hold one address of one domain."
    ]


# Whose it may be

_HARD_TO_MAKE_UP = {DkimReason.BODY_CHANGED.value, DkimReason.BODY_PARTLY_SIGNED.value}
"""With these alone the key did fit the header. Anybody can write an x= that is over, an rsa-sha1, an l= that is too
large, or the selector of a key that is revoked, too short, or for tests."""


def _is_likely_own(found: Found) -> bool:
    """Whether the Author Domain may have sent it: aligned and failing, or sent on by somebody known, or by a list."""
    return bool(
        found.get("kind") == "sent_on"
        or found.get("arc_vouching")
        or _list_operator(found)
        or any(each.get("code") in _HARD_TO_MAKE_UP and _is_related(found, each["domain"]) for each in _failing(found))
    )


def _failing(found: Found) -> list[Found]:
    return [each for each in found["dkim"] or () if each["result"] != "pass"]


def _is_related(found: Found, domain: str | None) -> bool:
    author = found["author_domain"]
    if not author or not domain or "." not in domain:
        return False
    return is_at_or_below(domain, author) or is_at_or_below(author, domain)


def _passed(found: Found) -> list[str]:
    """The domains that it proves to be from."""
    return list(dict.fromkeys(each["domain"] for each in found["alignments"] or () if each["authenticated"] == "yes"))


def _list_operator(found: Found) -> str | None:
    """The authenticated domain whose list it is."""
    if not found.get("list_id") or found.get("list_has_address") is False:
        return None
    sent_by = MailingList(found["list_id"], has_address=True)
    return next((domain for domain in _passed(found) if sent_by.is_run_by(domain)), None)


# To whoever received it


def _to_receiver(found: Found) -> str:
    author, passed = found["author_domain"], _passed(found)
    if not passed:
        client = found["outer_client"] or found["client"] or "there"
        return (
            f"Nobody authenticated it. If you do not expect mail of {author} from {client}, this is a spoof, and "
            "nothing is to be fixed."
        )
    names = ", ".join(passed)
    return (
        f"It proves to be from {names}, and not from {author}. If you don't know {names}, this is a spoof, and nothing "
        f"is to be fixed. If you do, and it may write in that name: an [[override]] with "
        f'from_domain = ["{author}"] and dkim_domain or spf_domain = ["{passed[0]}"] lets it in.'
    )


def _if_it_is_theirs(found: Found) -> list[str]:
    """Why signatures do not count that name the Author Domain: whoever knows the sender needs it; never first."""
    named = [each for each in _failing(found) if _is_related(found, each["domain"])]
    condition = f"If you know that it is the mail of {found['author_domain']} itself, this is why it fails. "
    return [condition + line for line in dict.fromkeys(_about_signatures(named))][:1]


def _about_indirect(found: Found) -> list[str]:
    if found["dmarc"] != "fail":
        return []
    operator = _list_operator(found)
    lines = []
    if operator is not None:
        lines.append(
            f"A mailing list of {operator} sent it on. If your users subscribe to its lists: [policy.indirect] "
            f'trusted_lists = ["{operator}"].'
        )
    sealers = found.get("arc_vouching")
    if sealers:
        quoted = ", ".join(f'"{each}"' for each in sealers)
        lines.append(
            f"{sealers[-1]} saw it pass before it was sent on (ARC). If it forwards mail to your users: "
            f"[policy.indirect] trusted_sealers = [{quoted}]."
        )
    return lines


# To its sender

_SIGNATURE_FAULTS: dict[str, str] = {
    code.value: sentence
    for code, sentence in {
        DkimReason.BODY_CHANGED: (
            "Somebody changed the body after {domain} had signed it: a mailing list's footer, a gateway."
        ),
        DkimReason.BODY_AND_HEADER_CHANGED: (
            "Somebody changed the message after {domain} had signed it, or the signature is forged."
        ),
        DkimReason.SIGNATURE_DOES_NOT_FIT: (
            "A signed header field was changed after {domain} had signed it, or the key is another."
        ),
        DkimReason.LENGTH_BEYOND_BODY: "Somebody cut the body after {domain} had signed it (l=).",
        DkimReason.NO_KEY: (
            "{domain} signs with a key that it does not publish: publish {selector}._domainkey.{domain}."
        ),
        DkimReason.NO_KEY_RECORD: "{selector}._domainkey.{domain} holds no key record: publish one there.",
        DkimReason.EMPTY_KEY_RECORD: "The key record {selector}._domainkey.{domain} has no p=: publish the key in it.",
        DkimReason.UNREADABLE_KEY: "The key in {selector}._domainkey.{domain} cannot be read: publish it anew.",
        DkimReason.UNREADABLE_KEY_RECORD: "The record {selector}._domainkey.{domain} cannot be read: publish it anew.",
        DkimReason.KEY_REVOKED: "{domain} has withdrawn the key {selector}: sign with another one.",
        DkimReason.KEY_NOT_FOR_MAIL: "The key {selector} of {domain} is not for mail (s=): publish one that is.",
        DkimReason.KEY_TOO_SHORT: "The key {selector} of {domain} is too short: make one of 2048 bits.",
        DkimReason.KEY_TOO_LONG: "The key {selector} of {domain} is too long: make one of 2048 bits.",
        DkimReason.KEY_OF_OTHER_ALGORITHM: (
            "The key {selector} of {domain} is of another kind than its signatures (a=, k=): publish the right one."
        ),
        DkimReason.HASH_NOT_ALLOWED: "The key {selector} of {domain} does not allow SHA-256 (h=): leave h= out of it.",
        DkimReason.SUBDOMAIN_NOT_ALLOWED: (
            "The key {selector} of {domain} is not for subdomains (t=s), and i= names one: sign with i=@{domain}."
        ),
        DkimReason.KEY_LOOKUP_FAILED: "The DNS did not tell the key {selector} of {domain}: that may be over by now.",
        DkimReason.BODY_PARTLY_SIGNED: "{domain} signs only the start of the body (l=): sign without l=.",
        DkimReason.EXPIRED: (
            "The signature of {domain} was too old when the message came: it was delayed, or x= is too tight."
        ),
        DkimReason.SIGNED_IN_FUTURE: "The clock of whoever signs for {domain} is ahead (t=): set it right.",
        DkimReason.RSA_SHA1: "{domain} signs with rsa-sha1, which does not count any more: sign with rsa-sha256.",
        DkimReason.FROM_NOT_SIGNED: "{domain} does not sign From, so its signature does not count: add it to h=.",
        DkimReason.IDENTITY_OUTSIDE: "The signature of {domain} names somebody else in i=: leave i= out.",
        DkimReason.MISSING_TAG: "A tag is missing in the signature of {domain}: replace what signs there.",
        DkimReason.UNREADABLE_SIGNATURE: (
            "The signature of {domain} cannot be read: look at what signs there, or changes the header later."
        ),
    }.items()
}


def _about_signatures(failing: list[Found]) -> list[str]:
    lines = []
    for each in failing:
        code, reason, domain = each.get("code"), each.get("reason"), each["domain"] or "the signer"
        if code in _SIGNATURE_FAULTS:
            lines.append(_SIGNATURE_FAULTS[code].format(domain=domain, selector=each["selector"] or "?"))
        elif code is None and reason:
            # Records of older versions have no codes.
            lines.append(f"The signature of {domain} does not count: {reason}.")
    return lines


def _about_spf(found: Found) -> list[str]:
    domain, client = found["spf_domain"], found["outer_client"] or found["client"]
    if found["spf"] == "permerror":
        return [f"The SPF record of {domain} cannot be used, and counts for nothing: {found['spf_reason']}."]
    if found["spf"] in ("fail", "softfail"):
        return [
            f"{client} is not among the hosts that may send for {domain} by its SPF record. If it is a forwarder, only "
            "a signature survives; if it is the sender's own, its record has to name it."
        ]
    return []


def _about_alignment(found: Found) -> str:
    """The message may be the Author Domain's own."""
    author, names = found["author_domain"], ", ".join(_passed(found))
    if not names:
        return (
            f"If it is the mail of {author} itself: sign it with DKIM, d={author}, where nobody changes it afterwards."
        )
    return f"If {names} sends for {author}: it should sign with DKIM as d={author}, or use a MAIL FROM of {author}."
