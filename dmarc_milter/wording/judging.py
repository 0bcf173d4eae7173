"""What is said of decisions."""

from dmarc_milter.judging.reasons import PolicyReason
from dmarc_milter.wording.table import Wordings

WORDINGS: Wordings = {
    PolicyReason.LOCAL_SUBMISSION: "not judged: local submission",
    PolicyReason.AUTHENTICATED_SENDER: "not judged: authenticated sender",
    PolicyReason.TRUSTED_NETWORK: "not judged: client is in trusted_networks",
    PolicyReason.HEADER_TOO_LARGE: "header section too large to be judged",
    PolicyReason.TOO_MANY_FORGED_FIELDS: "too many forged Authentication-Results fields",
    PolicyReason.FORGED_FIELDS_STAY: "the MTA does not let a forged field be removed",
    PolicyReason.UNFINISHED_HEADER: "the MTA did not end the header",
    PolicyReason.ERROR: "error in the filter",
    PolicyReason.DMARC_PASS: "dmarc=pass: {because}",
    PolicyReason.DMARC_NONE: "dmarc=none: {because}",
    PolicyReason.DMARC_PERMERROR: "dmarc=permerror: {because}",
    PolicyReason.DMARC_FAIL: "dmarc=fail: {because}; policy of {domain} is {policy}",
    PolicyReason.DMARC_TEMPERROR: "dmarc=temperror: {because}",
    PolicyReason.TEMPERROR_WITH_POLICY: "dmarc=temperror: {because}; policy of {domain} is {policy}",
    PolicyReason.TEMPERROR_WITHOUT_POLICY: "dmarc=temperror: {because}; policy is not known",
    PolicyReason.UNUSABLE_FROM: "{because}",
    PolicyReason.TEST_MODE: "{because} ({comment})",
    PolicyReason.TRUSTED_FORWARDER: "{because} ({comment})",
    PolicyReason.UNREAD_RELAY: "{because} ({comment})",
    PolicyReason.MAILING_LIST: "{because} ({comment})",
    PolicyReason.RULE: ("rule {rule:own}: {text:own}; {because}", "rule {rule:own}; {because}"),
    PolicyReason.ONE_LEVEL_BELOW: "t=y: {published} becomes {policy}",
    PolicyReason.RELAY_IS_UNREAD: "not refused: SPF is unknown, a trusted relay's Received field cannot be read",
    PolicyReason.SEALER_SAW_PASS: "arc=pass, and {sealer} saw dmarc=pass",
    PolicyReason.LIST_IS_TRUSTED: "mailing list {list_id}, authenticated by {domain}",
    PolicyReason.RULE_SAYS: ("{text:own}", "rule {rule:own}"),
    PolicyReason.HELD: ("DMARC policy of {domain}", "DMARC policy of unknown author"),
}
