"""What is said of ARC chains."""

from dmarc_milter.arc.reasons import ArcReason
from dmarc_milter.wording.table import Wordings

WORDINGS: Wordings = {
    ArcReason.TOO_MANY_SETS: "more than {limit} sets",
    ArcReason.REPEATED_INSTANCE: "{field:40} i={instance} more than once",
    ArcReason.NO_INSTANCE: "{field:40} has no valid i=",
    ArcReason.UNREADABLE_FIELD: "{field:40} cannot be read: {because}",
    ArcReason.INCOMPLETE_SETS: "sets are not complete",
    ArcReason.CHAIN_VALUE: "seal i={instance} says cv={value:8}",
    ArcReason.SIGNS_SEALS: "message signature i={instance} signs seals",
    ArcReason.SEAL_WITH_FIELDS: "seal i={instance} has h=",
    ArcReason.MESSAGE_SIGNATURE: "message signature i={instance}: {because}",
    ArcReason.SEAL: "seal i={instance}: {because}",
    ArcReason.SEAL_DOES_NOT_FIT: "seal does not fit the fields or the key",
}
