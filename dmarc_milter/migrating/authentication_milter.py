"""authentication_milter.json (Mail::Milter::Authentication)."""

import json
from collections.abc import Mapping
from typing import Any

from dmarc_milter.migrating.hosts import as_text, hosts
from dmarc_milter.migrating.lists import Entry, short
from dmarc_milter.migrating.values import Left, Notebook, Place, Problem, Program, Reading, Rule, Setting, Trusted
from dmarc_milter.settings.policy import LOOPBACK

NAME = "authentication_milter"
FILES = ("/etc/authentication_milter.json", "/etc/authentication_milter/authentication_milter.json")
_PRIVATE = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
    "169.254.0.0/16",
)
_OTHER_HANDLERS = (
    "RBLDNS",
    "IPRev",
    "PTR",
    "ReturnOK",
    "BIMI",
    "TLS",
    "AddID",
    "AlignedFrom",
    "XGoogleDKIM",
    "Size",
    "SenderID",
)

Table = Mapping[str, Any]


def read(text: str, path: str) -> Reading:
    """`text` is that of the file at `path`."""
    file = short(path)
    notes = Notebook()
    try:
        top = json.loads(text)
    except (ValueError, RecursionError) as error:
        notes.problems.append(Problem(Place(file, getattr(error, "lineno", None)), f"no JSON: {error}"))
        return notes.reading()
    if not isinstance(top, dict):
        notes.problems.append(Problem(Place(file), "it has to be an object"))
        return notes.reading()
    connection = top.get("connection")
    sockets = (connection,) if isinstance(connection, str) else ()
    notes.program = Program(NAME, path, "authentication_milter", sockets, judges_dmarc=True)
    handlers = _table(top, "handlers")
    place = Place(file)
    timeout = top.get("dns_timeout")
    if isinstance(timeout, int | float) and timeout > 0:
        notes.settings.append(Setting("dns", "timeout", float(timeout), f"{file}: dns_timeout"))
    _spf(handlers, notes)
    _dmarc(handlers, place, notes)
    _lists(handlers, place, notes)
    _sanitize(handlers, place, notes)
    _others(top, handlers, place, notes)
    return notes.reading()


def _table(top: Table, name: str) -> Table:
    found = top.get(name)
    return found if isinstance(found, dict) else {}


def _texts(table: Table, name: str) -> tuple[str, ...]:
    found = table.get(name)
    values = found if isinstance(found, list) else [found]
    return tuple(each for each in values if isinstance(each, str))


def _is_on(table: Table, name: str) -> bool:
    return table.get(name) not in (None, 0, "0", "", False, "no")


def _spf(handlers: Table, notes: Notebook) -> None:
    spf = _table(handlers, "SPF")
    if "SPF" in handlers and not _is_on(spf, "hide_received-spf_header"):
        value = spf.get("hide_received-spf_header", "not set")
        notes.settings.append(Setting("milter", "received_spf", True, f"SPF.hide_received-spf_header {value}"))


def _dmarc(handlers: Table, place: Place, notes: Notebook) -> None:
    dmarc = _table(handlers, "DMARC")
    hard = _is_on(dmarc, "hard_reject")
    source = "DMARC.hard_reject" if "hard_reject" in dmarc else "DMARC.hard_reject not set"
    notes.settings.append(Setting("policy", "mode", "enforce" if hard else "monitor", source))
    if _is_on(dmarc, "no_list_reject") and dmarc.get("detect_list_id", 1) not in (0, "0", False):
        done = dmarc.get("no_list_reject_disposition", "none")
        becomes = {"quarantine": "quarantine", "reject": "reject"}.get(str(done), "accept")
        source = "DMARC.no_list_reject, no_list_reject_disposition"
        notes.settings.append(Setting("policy.indirect", "mailing_list", becomes, source))
        notes.settings.append(
            Setting("policy.indirect", "trusted_lists", ("*",), "List-Id alone is enough there; better name your lists")
        )
        notes.notes.append(
            'trusted_lists = ["*"] is nearest to what was there, where List-Id alone was enough; it lets strangers '
            "make an exception of themselves. dmarc-milter what-if shows the lists that your users do get: name those."
        )
    if _is_on(dmarc, "no_reject_disposition"):
        notes.left.append(_left(place, "DMARC.no_reject_disposition", "Mode monitor does the same for all mail."))
    if any(name.startswith("report_") for name in dmarc) or _is_on(dmarc, "no_report"):
        meaning = (
            "Aggregate reports are switched on by [report] enabled = true, once you have decided who sends them: "
            "docs/reporting.md has the report's settings."
        )
        notes.left.append(_left(place, "DMARC.report_*", meaning))
    _whitelisted(_texts(dmarc, "whitelisted"), notes)


def _left(place: Place, option: str, meaning: str) -> Left:
    return Left(place, option, "", meaning)


def _whitelisted(entries: tuple[str, ...], notes: Notebook) -> None:
    reason, source = "DMARC.whitelisted of authentication_milter", "DMARC.whitelisted"
    plain = tuple(each for each in entries if not each.startswith(("dkim:", "dnswl:")))
    found = hosts([Entry(each, Place("")) for each in plain])
    client = tuple(map(as_text, found.networks))
    dkim = tuple(each.removeprefix("dkim:").lower() for each in entries if each.startswith("dkim:"))
    if client:
        notes.rules.append(Rule("dmarc-whitelisted", {"client": client}, "accept", reason, source))
    if dkim:
        notes.rules.append(Rule("dmarc-whitelisted-dkim", {"dkim_domain": dkim}, "accept", reason, source))
    others = [each for each in entries if each.startswith("dnswl:")] + [*found.names, *found.ignored]
    if others:
        meaning = "Lists in the DNS are not asked; name the networks or domains in a rule."
        notes.left.append(Left(Place(FILES[0].rpartition("/")[2]), source, ", ".join(others), meaning))


def _lists(handlers: Table, place: Place, notes: Notebook) -> None:
    sealers = _texts(_table(handlers, "ARC"), "trusted_domains")
    if sealers:
        value = tuple(each.lower() for each in sealers)
        notes.settings.append(Setting("policy.indirect", "trusted_sealers", value, "ARC.trusted_domains"))
    own = _PRIVATE if "LocalIP" in handlers else ()
    found = hosts([Entry(each, place) for each in (*own, *_texts(_table(handlers, "LocalIP"), "local_ip_list"))])
    source = "LocalIP" if "LocalIP" in handlers else "LocalIP not set: this host alone"
    notes.trusted.append(Trusted((*LOOPBACK, *found.networks), source))
    relays = _texts(_table(handlers, "TrustedIP"), "trusted_ip_list")
    trusted = hosts([Entry(each, place) for each in relays])
    if trusted.networks:
        value = tuple(map(as_text, trusted.networks))
        notes.settings.append(Setting("policy", "trusted_relays", value, "TrustedIP"))
    others = (*found.names, *found.ignored, *trusted.names, *trusted.ignored)
    if others:
        meaning = "Only addresses are carried over: names are not looked up."
        notes.left.append(Left(place, "LocalIP, TrustedIP", ", ".join(others), meaning))


def _sanitize(handlers: Table, place: Place, notes: Notebook) -> None:
    domains = _texts(_table(handlers, "Sanitize"), "hosts_to_remove")
    if domains:
        notes.settings.append(Setting("milter", "strip_authserv_ids", domains, "Sanitize.hosts_to_remove"))
        meaning = (
            f"strip_authserv_ids takes whole names: fields of subdomains of {', '.join(domains)} are no longer "
            f"removed. Name each of your hosts."
        )
        notes.left.append(_left(place, "Sanitize.hosts_to_remove", meaning))


_NO_COUNTERPART = {
    "DMARC": {
        "strict_multifrom": "Mail without exactly one domain in From is refused: [policy] unusable_from.",
        "reject_on_multifrom": "Mail without exactly one domain in From is refused, however many there are.",
        "quarantine_on_multifrom": 'Several domains in From are refused; unusable_from = "quarantine" is nearest.',
        "skip_on_multifrom": 'Several domains in From are refused; unusable_from = "accept" is nearest.',
        "policy_rbl_lookup": "Lists in the DNS are not asked; rules ([[override]]) name domains.",
        "use_arc": "A sealer is believed only where [policy.indirect] trusted_sealers names it.",
        "arc_before_list": "A trusted sealer always counts before a list.",
        "config_file": "Mail::DMARC's file is not read: reports and their storage are set in [report] and [journal].",
        "no_strict": "What the standards forbid never counts.",
    },
    "ARC": {
        "no_strict": "Keys below 1,024 bits and rsa-sha1 never count (RFC 8301).",
        "rbl_whitelist": "Lists in the DNS are not asked; name the sealers in [policy.indirect] trusted_sealers.",
    },
    "SPF": {
        "helo_check": "HELO is checked where MAIL FROM is empty, or where a rule has helo_spf.",
        "spfu_detection": "SPF upgrades are not looked for.",
    },
    "DKIM": {"no_strict": "Keys below 1,024 bits and rsa-sha1 never count (RFC 8301)."},
    "Sanitize": {"extra_auth_results_types": "Authentication-Results alone is removed."},
}


def _others(top: Table, handlers: Table, place: Place, notes: Notebook) -> None:
    there = [each for each in _OTHER_HANDLERS if each in handlers]
    if there:
        meaning = "These handlers are not this filter's job; whoever reads their results has to do without them."
        notes.left.append(_left(place, ", ".join(there), meaning))
    for handler, meanings in _NO_COUNTERPART.items():
        for option, meaning in meanings.items():
            if _is_on(_table(handlers, handler), option):
                notes.left.append(_left(place, f"{handler}.{option}", meaning))
    for handler in handlers:
        if _is_on(_table(handlers, handler), "hide_none"):
            meaning = "Every method is told in our field, also where its result is none."
            notes.left.append(_left(place, f"{handler}.hide_none", meaning))
    if top.get("protocol") == "smtp":
        meaning = "This filter is a milter: have Postfix ask it by smtpd_milters instead of a proxy filter."
        notes.left.append(_left(place, "protocol smtp", meaning))
