"""Options of OpenDKIM and dkimpy-milter that have no counterpart, each with what that means and what is nearest."""

from collections.abc import Iterator

from dmarc_milter.migrating.options import Options
from dmarc_milter.migrating.values import Left

_LEAST_KEY_BITS = 1024

FROM_A_SERVICE = (
    "Which service of the MTA a message comes from is not asked. Authenticated mail is never judged; give other "
    "services a list of filters of their own: postconf -P 'SERVICE/inet/smtpd_milters='."
)
_ALONE = (
    "RFC 6376 6.3 advises against refusing for DKIM alone: lists and forwarders break signatures, and SPF may still "
    "pass. DMARC refuses where the Domain Owner asks for it. The rule dkim-alone in the file, a comment, would "
    "refuse as before."
)
_LUA = "Lua is not run. Look into the script: what it decides may be a rule ([[override]])."
_JOURNAL = "What became of each message is in the journal: dmarc-milter trace, summary."
_VBR = "Vouch By Reference (RFC 5518) is not asked; rules ([[override]]) name domains."
_SWITCHES = frozenset(
    [
        "RemoveARAll",
        "DomainKeysCompat",
        "IgnoreMalformedMail",
        "WeakSyntaxChecks",
        "VBR-TrustedCertifiersOnly",
        "VBR-PurgeFields",
        "StrictHeaders",
        "RequiredHeaders",
        "SendReports",
        "Diagnostics",
        "Quarantine",
    ]
)
"""Booleans: one that is off is nothing to say."""
_MEANINGS = {
    **dict.fromkeys(("On-Default", "On-BadSignature", "On-SignatureError", "On-KeyNotFound", "On-NoSignature"), _ALONE),
    "On-DNSError": (
        "A message is deferred only where its outcome depends on the answer: [policy] temperror. "
        "For DKIM alone (RFC 6376 6.3), the rule dkim-alone in the file, a comment, would do it."
    ),
    "On-Security": "A signature that costs too much is an error of its own, and counts as none.",
    "RedirectFailuresTo": "Nothing is redirected. Postfix can do it: milter_header_checks with the action REDIRECT.",
    "MustBeSigned": "There is no such list; a rule with from_domain and dkim can refuse.",
    "TrustSignaturesFrom": "Every signature is told; which one counts is decided by alignment with From (DMARC).",
    "RequiredHeaders": "A From without exactly one domain is refused; other fields are left to your spam filter.",
    "StrictHeaders": "A From without exactly one domain is refused; other fields are left to your spam filter.",
    "SetupPolicyScript": _LUA,
    "ScreenPolicyScript": _LUA,
    "FinalPolicyScript": _LUA,
    "TrustAnchorFile": "Your resolver validates DNSSEC: what is bogus is a temporary error here.",
    "ReportAddress": "Reports about signatures (RFC 6651) are not sent; [report.failure] has those of DMARC.",
    "Quarantine": "A signature that fails puts nothing into quarantine by itself; a rule with dkim can.",
    "ReplaceRules": "Fields are verified as they came.",
    "SenderHeaders": "The Author Domain is that of From (RFC 9989 5.3.1).",
    "RemoveARAll": (
        "Fields of others stay, but those under our own name. Name whose fields must not come from outside in [milter] "
        "strip_authserv_ids."
    ),
    "ReportBccAddress": "Reports about signatures (RFC 6651) are not sent; [report.failure] has those of DMARC.",
    "StatsPolicyScript": _LUA,
    "StatisticsName": _JOURNAL,
    "StatisticsPrefix": _JOURNAL,
    "VBR-Certifiers": _VBR,
    "VBR-TrustedCertifiers": _VBR,
    "VBR-TrustedCertifiersOnly": _VBR,
    "VBR-PurgeFields": _VBR,
    "VBR-Type": _VBR,
    "DomainKeysCompat": "DomainKeys (RFC 4870) is history: such signatures are not looked at.",
    "IgnoreMalformedMail": "Mail whose From cannot be read is refused in mode enforce: [policy] unusable_from.",
    "WeakSyntaxChecks": "Signatures are read as RFC 6376 has them; one that breaks its syntax does not count.",
    "SendReports": "Reports about signatures (RFC 6651) are not sent; [report.failure] has those of DMARC.",
    "DiagnosticDirectory": "dmarc-milter check shows what was signed and what came, and --save-zone keeps the answers.",
    "Diagnostics": "dmarc-milter check shows what was signed and what came.",
    "DNSOverride": "dmarc-milter check --zone answers from a file.",
    "Statistics": _JOURNAL,
    "BogusKey": "Your resolver validates DNSSEC: what is bogus is a temporary error here.",
    "UnprotectedKey": "Whether a key's zone is signed makes no difference here.",
    "ClockDrift": "A signature may be 300 s in the future, as there by default.",
    "MaximumHeaders": "A header section may have 4 MB and 20,000 fields; what has more is refused.",
}


def left(options: Options, refusing: frozenset[str]) -> Iterator[Left]:
    """`refusing` are the names, in lower case, of the options that refuse mail."""
    for name, meaning in _MEANINGS.items():
        option = options.get(name)
        if option is None or not option.value or (name in _SWITCHES and not options.is_true(name)):
            continue
        if name.startswith("On-") and name != "On-Security" and name.lower() not in refusing:
            continue
        yield Left(option.place, option.name, option.value, meaning)
    yield from _key_bits(options)
    for name in ("MTA", "MacroList", "MacroListVerify"):
        option = options.get(name)
        if option is not None and option.value:
            yield Left(option.place, option.name, option.value, FROM_A_SERVICE)


def _key_bits(options: Options) -> Iterator[Left]:
    bits = options.get("MinimumKeyBits")
    if bits is None or not bits.value.isdecimal() or int(bits.value) == _LEAST_KEY_BITS:
        return
    meaning = (
        f"Keys of 1024 bits up count (RFC 8301 3.2): signatures by keys of 1024 to {int(bits.value) - 1} bits pass "
        "here."
        if int(bits.value) > _LEAST_KEY_BITS
        else "Keys of fewer than 1024 bits never count (RFC 8301 3.2)."
    )
    yield Left(bits.place, f"{bits.name} {bits.value}", "", meaning)
