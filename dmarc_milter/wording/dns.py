"""What is said of look-ups."""

from dmarc_milter.dns.reasons import DnsReason
from dmarc_milter.wording.table import Wordings

WORDINGS: Wordings = {
    DnsReason.FORMERR: "FORMERR",
    DnsReason.SERVFAIL: "SERVFAIL",
    DnsReason.NOTIMP: "NOTIMP",
    DnsReason.REFUSED: "REFUSED",
    DnsReason.OTHER_RCODE: "RCODE {number}",
    DnsReason.TIMEOUT: "timeout",
    DnsReason.UNREACHABLE: "server unreachable ({error})",
    DnsReason.CONNECTION_CLOSED: "server unreachable (it closed the connection)",
    DnsReason.NO_SERVER: "no name server is configured",
    DnsReason.INCOMPLETE_ANSWER: "incomplete answer",
    DnsReason.INVALID_NAME: "not a valid name",
    DnsReason.DEADLINE: "deadline of the message passed",
    DnsReason.MESSAGE_ENDED: "the message has ended",
    DnsReason.TOO_MANY_QUESTIONS: "too many questions for one message",
    DnsReason.TOO_MANY_UNDER_WAY: "too many questions under way",
    DnsReason.UNREADABLE: "not a DNS message ({because})",
    DnsReason.CUT_SHORT: "a message cut short",
    DnsReason.TOO_MANY_PIECES: "more than {limit} labels and strings",
    DnsReason.TOO_MANY_READS: "in too many pieces",
    DnsReason.OTHER_QUESTION: "another question's answer",
    DnsReason.ADDRESS_LENGTH: "an address of the wrong length",
    DnsReason.NAME_IN_RECORD: "a name that does not fill its record",
    DnsReason.NAME_BEYOND_MESSAGE: "a name beyond the message",
    DnsReason.NAME_LOOPS: "a name that points to itself",
    DnsReason.NAME_TOO_LONG: "a name that is too long",
    DnsReason.LABEL_KIND: "a label of unknown kind",
    DnsReason.EMPTY_TXT: "a TXT record without a string",
    DnsReason.STRING_BEYOND_RECORD: "a string beyond its record",
}
