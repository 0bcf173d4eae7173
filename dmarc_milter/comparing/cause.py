"""Why two chains came to different results, as far as that can be told."""

from collections.abc import Mapping
from enum import Enum

from dmarc_milter.arc.reasons import ArcReason
from dmarc_milter.common.reason import Reason, ReasonCode
from dmarc_milter.dkim.reasons import DkimReason
from dmarc_milter.dkim.verification import SignatureResult


class Cause(Enum):
    """The value is the code of JSON; :data:`WORDS` has it in words."""

    KEY_GONE = "key-gone"
    KEY_TOO_SHORT = "key-too-short"
    KEY_TESTING = "key-testing"
    KEY_MISSING_THEN = "key-missing-then"
    RSA_SHA1 = "rsa-sha1"
    ED25519 = "ed25519"
    PARTLY_SIGNED = "partly-signed"
    EXPIRED = "expired"
    CLOCK = "clock"
    BODY_CHANGED = "body-changed"
    HEADER_CHANGED = "header-changed"
    SYNTAX = "syntax"
    LIMITS = "limits"
    TEMPORARY_ERROR = "temporary-error"
    SPF_CHANGED = "spf-changed"
    OTHER_CLIENT = "other-client"
    CLIENT_IGNORED = "client-ignored"
    OTHER_IDENTITY = "other-identity"
    UNUSABLE_FROM = "unusable-from"
    NOT_COUNTED = "not-counted"
    TREE_WALK = "tree-walk"
    PCT = "pct"
    TEST_MODE = "test-mode"
    NONEXISTENT = "nonexistent"
    DMARC_CHANGED = "dmarc-changed"
    UNKNOWN = "unknown"


WORDS: Mapping[Cause, str] = {
    Cause.KEY_GONE: "the key is gone from the DNS, or revoked",
    Cause.KEY_TOO_SHORT: "the key is too short (RFC 8301)",
    Cause.KEY_TESTING: "the key is only tested (t=y): a signature that fails counts as none",
    Cause.KEY_MISSING_THEN: "the old chain did not find the key",
    Cause.RSA_SHA1: "signed with rsa-sha1, which does not count any more (RFC 8301)",
    Cause.ED25519: "the old chain does not know ed25519 (RFC 8463)",
    Cause.PARTLY_SIGNED: "only the start of the body is signed (l=)",
    Cause.EXPIRED: "the signature had expired",
    Cause.CLOCK: "the signature is from the future (t=)",
    Cause.BODY_CHANGED: "the body was changed after the old chain had judged: a list's footer, a filter that rewrites",
    Cause.HEADER_CHANGED: "the header was changed after the old chain had judged, or another key is published now",
    Cause.SYNTAX: "the signature or its key breaks RFC 6376, which the old chain did not mind",
    Cause.LIMITS: "a limit: of look-ups (RFC 7208 4.6.4), or of work on one message",
    Cause.TEMPORARY_ERROR: "the DNS did not answer one of them",
    Cause.SPF_CHANGED: "the SPF record, or what it refers to, has changed since",
    Cause.OTHER_CLIENT: "the old chain judged another client",
    Cause.CLIENT_IGNORED: "the client was ignored or trusted there",
    Cause.OTHER_IDENTITY: "the old chain judged another name",
    Cause.UNUSABLE_FROM: "From cannot be used: the old chain read it all the same",
    Cause.NOT_COUNTED: "the old chain's DMARC did not count its own SPF or DKIM (TrustedAuthservIDs, SPFIgnoreResults)",
    Cause.TREE_WALK: "the tree walk of RFC 9989 instead of the public suffix list",
    Cause.PCT: "pct= has no meaning any more (RFC 9989): all failing mail is meant",
    Cause.TEST_MODE: "t=y makes the policy one step milder (RFC 9989)",
    Cause.NONEXISTENT: "np= is for subdomains that do not exist (RFC 9989)",
    Cause.DMARC_CHANGED: "the DMARC record has changed since",
    Cause.UNKNOWN: "no cause was found: dmarc-milter check -v shows every step of ours",
}

_OF_DKIM: Mapping[ReasonCode, Cause] = {
    DkimReason.NO_KEY: Cause.KEY_GONE,
    DkimReason.NO_KEY_RECORD: Cause.KEY_GONE,
    DkimReason.EMPTY_KEY_RECORD: Cause.KEY_GONE,
    DkimReason.KEY_REVOKED: Cause.KEY_GONE,
    DkimReason.KEY_TOO_SHORT: Cause.KEY_TOO_SHORT,
    DkimReason.RSA_SHA1: Cause.RSA_SHA1,
    DkimReason.BODY_PARTLY_SIGNED: Cause.PARTLY_SIGNED,
    DkimReason.EXPIRED: Cause.EXPIRED,
    DkimReason.SIGNED_IN_FUTURE: Cause.CLOCK,
    DkimReason.BODY_CHANGED: Cause.BODY_CHANGED,
    DkimReason.BODY_AND_HEADER_CHANGED: Cause.BODY_CHANGED,
    DkimReason.LENGTH_BEYOND_BODY: Cause.BODY_CHANGED,
    DkimReason.SIGNATURE_DOES_NOT_FIT: Cause.HEADER_CHANGED,
    DkimReason.KEY_LOOKUP_FAILED: Cause.TEMPORARY_ERROR,
    DkimReason.TESTING: Cause.KEY_TESTING,
    DkimReason.TOO_MUCH_HEADER: Cause.LIMITS,
    DkimReason.TOO_MANY_KEYS: Cause.LIMITS,
}


def of_signature(judged: SignatureResult | None) -> Cause:
    """Why a signature that the old chain believed does not count."""
    if judged is None or judged.reason is None:
        return Cause.UNKNOWN
    return _of_dkim_reason(judged.reason)


def of_chain(reason: Reason | None) -> Cause:
    """Why an ARC chain that the old chain believed is broken."""
    if reason is None:
        return Cause.UNKNOWN
    if reason.code in (ArcReason.MESSAGE_SIGNATURE, ArcReason.SEAL):
        because = reason["because"]
        return _of_dkim_reason(because) if isinstance(because, Reason) else Cause.UNKNOWN
    return Cause.HEADER_CHANGED if reason.code is ArcReason.SEAL_DOES_NOT_FIT else Cause.SYNTAX


def _of_dkim_reason(reason: Reason) -> Cause:
    return _OF_DKIM.get(reason.code, Cause.SYNTAX)


def of_code(code: str | None) -> Cause:
    """The same, by the code of DKIM's reason as the journal has it."""
    return next((cause for reason, cause in _OF_DKIM.items() if reason.value == code), Cause.UNKNOWN)
