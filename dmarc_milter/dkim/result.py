"""What became of a signature, and which reason gives which result (RFC 6376 3.9, RFC 8601 2.7.1)."""

from enum import Enum

from dmarc_milter.common.reason import Reason, ReasonCode
from dmarc_milter.dkim.reasons import DkimReason


class DkimResult(Enum):
    """What became of one signature (RFC 8601 2.7.1)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a DKIM result
    FAIL = "fail"
    NEUTRAL = "neutral"
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_CODES: dict[DkimResult, tuple[DkimReason, ...]] = {
    # It cannot be verified, and another verifier may think otherwise: syntax, and what we do not know.
    DkimResult.NEUTRAL: (
        DkimReason.UNREADABLE_SIGNATURE,
        DkimReason.UNKNOWN_VERSION,
        DkimReason.UNKNOWN_ALGORITHM,
        DkimReason.UNKNOWN_CANONICALIZATION,
        DkimReason.NO_DOMAIN,
        DkimReason.NO_SELECTOR,
        DkimReason.UNKNOWN_QUERY,
        DkimReason.NO_IDENTITY,
        DkimReason.UNREADABLE_FIELDS,
        DkimReason.NO_LENGTH,
        DkimReason.NO_TIME,
        DkimReason.EXPIRES_BEFORE_SIGNED,
        DkimReason.NO_BASE64,
        DkimReason.TESTING,
    ),
    DkimResult.PERMERROR: (
        DkimReason.MISSING_TAG,
        DkimReason.RSA_SHA1,
        DkimReason.IDENTITY_OUTSIDE,
        DkimReason.FROM_NOT_SIGNED,
        DkimReason.SIGNED_IN_FUTURE,
        DkimReason.EXPIRED,
        DkimReason.NO_KEY,
        DkimReason.NO_KEY_RECORD,
        DkimReason.UNREADABLE_KEY_RECORD,
        DkimReason.UNKNOWN_KEY_VERSION,
        DkimReason.EMPTY_KEY_RECORD,
        DkimReason.KEY_REVOKED,
        DkimReason.KEY_NOT_FOR_MAIL,
        DkimReason.UNREADABLE_KEY,
        DkimReason.UNKNOWN_KEY_TYPE,
        DkimReason.OTHER_KEY_TYPE,
        DkimReason.EXPONENT_TOO_LONG,
        DkimReason.KEY_OF_OTHER_ALGORITHM,
        DkimReason.HASH_NOT_ALLOWED,
        DkimReason.SUBDOMAIN_NOT_ALLOWED,
        DkimReason.TOO_MUCH_HEADER,
        DkimReason.TOO_MANY_KEYS,
    ),
    DkimResult.POLICY: (DkimReason.KEY_TOO_SHORT, DkimReason.KEY_TOO_LONG, DkimReason.BODY_PARTLY_SIGNED),
    DkimResult.TEMPERROR: (DkimReason.KEY_LOOKUP_FAILED,),
    DkimResult.FAIL: (
        DkimReason.LENGTH_BEYOND_BODY,
        DkimReason.BODY_CHANGED,
        DkimReason.BODY_AND_HEADER_CHANGED,
        DkimReason.SIGNATURE_DOES_NOT_FIT,
    ),
}

_RESULTS: dict[ReasonCode, DkimResult] = {code: result for result, codes in _CODES.items() for code in codes}


def result_of(reason: Reason | None) -> DkimResult:
    """The result that a signature has for this reason; without a reason it is a pass.

    Raises KeyError for a reason that is only ever below another one, as those of tag lists are.
    """
    return DkimResult.PASS if reason is None else _RESULTS[reason.code]
