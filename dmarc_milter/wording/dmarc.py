"""What is said of DMARC."""

from dmarc_milter.dmarc.reasons import DmarcReason
from dmarc_milter.wording.table import Wordings

WORDINGS: Wordings = {
    DmarcReason.ALIGNED: "{mechanism} {domain} is aligned: {because}",
    DmarcReason.NOTHING_AUTHENTICATED: "neither SPF nor DKIM authenticated any domain",
    DmarcReason.NOT_ALIGNED: "no authenticated identifier is aligned ({because})",
    DmarcReason.IDENTIFIER: "{mechanism} {domain}: {because}",
    DmarcReason.NO_RECORD: "no DMARC record",
    DmarcReason.NO_VALID_POLICY: "record of {domain} has no valid policy",
    DmarcReason.DNS_FAILED: "{type} of {name}: {because}",
    DmarcReason.AUTHENTICATION_UNKNOWN: "{mechanism} for {domain}, which is aligned, ended in a DNS error",
    DmarcReason.ALIGNMENT_UNKNOWN: "alignment of {mechanism} {domain}: {because}",
    DmarcReason.UNUSABLE_FROM: "{because}",
    DmarcReason.IDENTICAL: "identical",
    DmarcReason.SAME_ORGANIZATIONAL_DOMAIN: "same organizational domain, {domain}",
    DmarcReason.NOT_AUTHENTICATED: "not authenticated",
    DmarcReason.STRICT: "not identical, and alignment is strict",
    DmarcReason.NO_COMMON_DOMAIN: "has no domain in common with {domain}",
    DmarcReason.OUTSIDE: "is not within the organizational domain {domain}",
    DmarcReason.OTHER_ORGANIZATIONAL_DOMAIN: "organizational domain is {found}, not {domain}",
    DmarcReason.NOT_LOOKED_INTO: "another identifier was enough",
    DmarcReason.NO_TAG: "not a tag: {value:60}",
    DmarcReason.REPEATED_TAG: "{tag:60}= more than once",
    DmarcReason.HISTORIC_TAG: "{tag}= has no meaning since RFC 9989",
    DmarcReason.INVALID_POLICY: "{tag}={value:60} is no policy",
    DmarcReason.INVALID_VALUE: "{tag}={value:60} is not one of {values}",
    DmarcReason.INVALID_URI: "{tag}: not a URI: {value:60}",
    DmarcReason.INVALID_OPTIONS: "fo={value:60} cannot be read",
}
