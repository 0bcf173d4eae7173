"""What the sender, or whoever sent a message on, should mend: from what was found, in plain words (pure)."""

from collections.abc import Mapping
from typing import Any

from dmarc_milter.dkim.reasons import DkimReason

Found = Mapping[str, Any]
"""The columns of journal.schema.messages."""


def advice(found: Found) -> list[str]:
    """Sentences, the most important first; none where nothing is wrong."""
    if found["spf"] is None:
        return []
    lines = _about_from(found) + _about_signatures(found) + _about_spf(found)
    if found["dmarc"] == "fail":
        lines += _about_alignment(found)
    elif found["dmarc"] == "none" and found["author_domain"]:
        lines.append(
            f"{found['author_domain']} publishes no DMARC record: anybody can write mail in its name. "
            f'Its owner can begin with a TXT record at _dmarc.{found["author_domain"]}: "v=DMARC1; p=none".'
        )
    elif found["dmarc"] == "temperror":
        lines.append(f"The DNS did not answer ({found['dmarc_reason']}): that may be over by now. Try again.")
    return lines


def _about_from(found: Found) -> list[str]:
    # Records of older versions have only DMARC's reason.
    reason = found["from_reason"] or (found["dmarc_reason"] if found["author_domain"] is None else None)
    return [f"The message has {reason}: its sender has to write one address of one domain."] if reason else []


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
        DkimReason.NO_KEY: (
            "{domain} signs with a key that it does not publish: publish {selector}._domainkey.{domain}."
        ),
        DkimReason.KEY_REVOKED: "{domain} has withdrawn the key {selector}: sign with another one.",
        DkimReason.KEY_TOO_SHORT: "The key {selector} of {domain} is too short: make one of 2048 bits.",
        DkimReason.BODY_PARTLY_SIGNED: "{domain} signs only the start of the body (l=): sign without l=.",
        DkimReason.EXPIRED: (
            "The signature of {domain} was too old when the message came: it was delayed, or x= is too tight."
        ),
        DkimReason.RSA_SHA1: "{domain} signs with rsa-sha1, which does not count any more: sign with rsa-sha256.",
    }.items()
}


def _about_signatures(found: Found) -> list[str]:
    lines = []
    for each in found["dkim"] or ():
        if each["result"] == "pass":
            continue
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


def _about_alignment(found: Found) -> list[str]:
    author = found["author_domain"]
    passed = [each["domain"] for each in found["alignments"] or () if each["authenticated"] == "yes"]
    if not passed:
        return [f"Nothing proves that the message is from {author}: its sender should sign with DKIM, d={author}."]
    return [
        f"The message proves to be from {', '.join(dict.fromkeys(passed))}, which is not {author}: its sender should "
        f"sign with DKIM as d={author}, or use a MAIL FROM of {author}."
    ]
