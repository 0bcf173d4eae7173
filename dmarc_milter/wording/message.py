"""What is said of From, and of Received fields."""

from dmarc_milter.message.reasons import ReceivedReason, Unusable
from dmarc_milter.wording.table import Wordings

WORDINGS: Wordings = {
    Unusable.NO_FIELD: "no From field",
    Unusable.SEVERAL_FIELDS: "several From fields",
    Unusable.SEVERAL_DOMAINS: "several different domains in From",
    Unusable.NO_MAILBOX: "no mailbox in From",
    Unusable.NO_DOMAIN: "a mailbox without a domain in From",
    Unusable.ADDRESS_LITERAL: "an address literal in From",
    Unusable.INVALID_DOMAIN: "a domain in From that is no valid domain name",
    Unusable.CONTROL_CHARACTER: "a control character in From",
    Unusable.MALFORMED: "a From field that cannot be read by RFC 5322",
    Unusable.TOO_MANY_AUTHORS: "a From field that cannot be read by RFC 5322 and shows too many domains",
    Unusable.TOO_LONG: "a From field that is too long",
    ReceivedReason.UNREADABLE_RECEIVED: "Received field {position} of the trusted relays cannot be read",
    ReceivedReason.AMBIGUOUS_RECEIVED: "Received field {position} of the trusted relays may be read in two ways",
    ReceivedReason.TOO_MANY_RELAYS: "more than {limit} trusted relays in a row",
    ReceivedReason.NO_OUTSIDE_CLIENT: "no Received field names a client outside of the trusted relays",
}
