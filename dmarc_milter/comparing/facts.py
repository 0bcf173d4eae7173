"""The values of a comparison: what is compared, what cannot be, and what is known of the message."""

from dataclasses import dataclass
from enum import Enum

from dmarc_milter.comparing.cause import Cause
from dmarc_milter.judging.verdict import Verdict


class Method(Enum):
    """The rows of the table."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    ARC = "arc"


class Missing(Enum):
    """Why something cannot be compared; the value is the code of JSON."""

    NO_OLD_FIELD = "no-old-field"
    UNREADABLE_FIELD = "unreadable-field"
    NO_METHOD = "no-method"
    UNKNOWN_RESULT = "unknown-result"
    CLIENT_IGNORED = "client-ignored"
    NO_CLIENT = "no-client"
    NO_MAIL_FROM = "no-mail-from"
    NO_TIME = "no-time"
    OTHER_IDENTITY = "other-identity"
    SIGNATURE_GONE = "signature-gone"
    NOT_LOOKED_AT = "not-looked-at"
    NOT_JUDGED = "not-judged"
    NO_MESSAGE = "no-message"
    OTHER_REFUSAL = "other-refusal"
    OUR_REFUSAL = "our-refusal"
    NOT_IN_JOURNAL = "not-in-journal"


MISSING_WORDS = {
    Missing.NO_OLD_FIELD: "no field of the old chain: it ignored the client, or was not there",
    Missing.UNREADABLE_FIELD: "the old chain's field cannot be read",
    Missing.NO_METHOD: "the old field does not tell of it",
    Missing.UNKNOWN_RESULT: "the old field has a word there that is no result",
    Missing.CLIENT_IGNORED: "the old chain ignored the client",
    Missing.NO_CLIENT: "no envelope: no field tells the client any more",
    Missing.NO_MAIL_FROM: "no envelope: no field tells MAIL FROM any more",
    Missing.NO_TIME: "a signature has expired by now, and no field tells when the message came in",
    Missing.OTHER_IDENTITY: "the old field tells of HELO alone, ours of MAIL FROM",
    Missing.SIGNATURE_GONE: "the signature is not in the message any more, or beyond our bounds",
    Missing.NOT_LOOKED_AT: "the old chain did not tell of this signature",
    Missing.NOT_JUDGED: "the new filter does not judge this mail (trusted networks, errors)",
    Missing.NO_MESSAGE: "no message that can be read",
    Missing.OTHER_REFUSAL: "refused or held, and not for SPF, DKIM or DMARC as far as the log tells",
    Missing.OUR_REFUSAL: "refused by the new filter itself",
    Missing.NOT_IN_JOURNAL: "refused by the old chain, and not in the journal of the new filter",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One result of both chains."""

    method: Method
    old: str
    new: str
    about: str | None = None
    """The domain."""
    cause: Cause | None = None
    """None where both say the same, or say it in other words."""
    detail: str = ""
    """Our reason, in words."""

    @property
    def differs(self) -> bool:
        """Whether it makes a difference. Two words for a signature that does not count are none."""
        return self.cause is not None


@dataclass(frozen=True, slots=True)
class Uncomparable:
    """Something that cannot be compared: a method, or a whole message."""

    method: Method | None
    why: Missing


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the message beside what both chains said."""

    is_live: bool
    """Whether both judged at the same time, so that nothing changed in between."""
    verdict: Verdict | None = None
    """Ours of now; of live mail only where causes are looked for."""
    has_client: bool = True
    has_mail_from: bool = True
    has_time: bool = True

    @property
    def why_no_envelope(self) -> Missing | None:
        """Why SPF cannot be judged again; None where it can."""
        if not self.has_client:
            return Missing.NO_CLIENT
        return None if self.has_mail_from else Missing.NO_MAIL_FROM
