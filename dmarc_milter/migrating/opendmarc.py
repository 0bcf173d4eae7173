"""opendmarc.conf (OpenDMARC 1.4)."""

from collections.abc import Iterator

from dmarc_milter.migrating import lists
from dmarc_milter.migrating.hosts import hosts
from dmarc_milter.migrating.hosts import name as domain_name
from dmarc_milter.migrating.lists import Listed
from dmarc_milter.migrating.options import Option, Options, default_sockets, gathered, parse, unknown, wrong_booleans
from dmarc_milter.migrating.tree import Tree
from dmarc_milter.migrating.values import Left, Notebook, Place, Problem, Program, Reading, Rule, Setting, Trusted
from dmarc_milter.settings.policy import LOOPBACK

NAME = "OpenDMARC"
FILES = ("/etc/opendmarc.conf", "/etc/opendmarc/opendmarc.conf")

_BOOLEANS = frozenset(
    [
        "AuthservIDWithJobID",
        "AutoRestart",
        "Background",
        "EnableCoredumps",
        "FailureReports",
        "FailureReportsOnNone",
        "HoldQuarantinedMessages",
        "IgnoreAuthenticatedClients",
        "RecordAllMessages",
        "RejectFailures",
        "RejectMultiValueFrom",
        "RequiredFrom",
        "RequiredHeaders",
        "SoftwareHeader",
        "SPFIgnoreResults",
        "SPFSelfValidate",
        "Syslog",
    ]
)
_KNOWN = _BOOLEANS | frozenset(
    [
        "AuthservID",
        "AutoRestartCount",
        "AutoRestartRate",
        "BaseDirectory",
        "ChangeRootDirectory",
        "CopyFailuresTo",
        "DNSTimeout",
        "DomainWhitelist",
        "DomainWhitelistFile",
        "DomainWhitelistSize",
        "FailureReportsBcc",
        "FailureReportsSentBy",
        "HistoryFile",
        "IgnoreHosts",
        "IgnoreMailFrom",
        "IgnoreMailTo",
        "MilterDebug",
        "NoReportsList",
        "PidFile",
        "PublicSuffixList",
        "RejectString",
        "ReportCommand",
        "Socket",
        "SyslogFacility",
        "SyslogName",
        "TemporaryDirectory",
        "TestDNSData",
        "TrustedAuthservIDs",
        "UMask",
        "UserID",
    ]
)


def read(text: str, path: str, tree: Tree) -> Reading:
    """`text` is that of the file at `path`."""
    file = lists.short(path)
    options = gathered(parse(text, file), file)
    notes = Notebook(notes=list(options.overridden()))
    notes.problems += unknown(options, _KNOWN, NAME)
    notes.problems += wrong_booleans(options, _BOOLEANS)
    named = (options.value("Socket"),) if options.get("Socket") else ()
    sockets = named + default_sockets("opendmarc", tree, notes.problems)
    notes.program = Program(NAME, path, "opendmarc", sockets, judges_dmarc=True)
    _identity(options, notes)
    _policy(options, notes)
    _ignored_hosts(options, tree, notes)
    _ignored_senders(options, tree, notes)
    _sealers(options, tree, notes)
    notes.left += _left(options)
    return notes.reading()


def _identity(options: Options, notes: Notebook) -> None:
    option = options.get("AuthservID")
    if option is not None:
        notes.authserv_ids.append((option.value, option.place))


def _policy(options: Options, notes: Notebook) -> None:
    option = options.get("RejectFailures")
    mode = "enforce" if options.is_true("RejectFailures") else "monitor"
    source = "RejectFailures not set" if option is None else _source(option, options)
    notes.settings.append(Setting("policy", "mode", mode, source))
    if options.is_true("HoldQuarantinedMessages"):
        source = str(options.place("HoldQuarantinedMessages"))
        notes.settings.append(Setting("policy", "quarantine", "hold", source))
        if mode == "monitor":
            notes.notes.append(
                f"{source}: HoldQuarantinedMessages did nothing in OpenDMARC 1.4.2 without RejectFailures; here it "
                f"holds mail as soon as the mode is enforce."
            )
    for name, what in (("RequiredHeaders", ", From alone"), ("RequiredFrom", "")):
        if options.is_true(name):
            notes.settings.append(Setting("policy", "unusable_from", "reject", f"{options.place(name)}{what}"))
            break
    timeout = options.get("DNSTimeout")
    if timeout is not None and timeout.value.isdecimal():
        notes.settings.append(Setting("dns", "timeout", float(timeout.value), str(timeout.place)))
    text = options.get("RejectString")
    if text is not None:
        reply = f"550 5.7.1 {text.value.replace('{', '').replace('}', '').replace('%s', '{domain}')}"
        notes.settings.append(Setting("policy.reply", "reject", reply, str(text.place)))
        if "%s" in text.value:
            notes.notes.append(f"{text.place}: {{domain}} is the Author Domain; OpenDMARC named that of the policy.")


def _source(option: Option, options: Options) -> str:
    return f"{option.place}, the last one counts" if options.is_repeated(option.name) else str(option.place)


def _file(option: Option, tree: Tree, notes: Notebook) -> Listed:
    """A list of OpenDMARC is always a file."""
    if not option.value.startswith("/"):
        notes.problems.append(
            Problem(
                option.place,
                f'{option.name} has to name a file, and "{option.value}" is none: OpenDMARC itself does not start with '
                "this. Write the list into a file, a host per line, and name that.",
            )
        )
        return Listed()
    found = lists.file(option.value, option, tree)
    if found.problem is not None:
        notes.problems.append(found.problem)
    return found


def _ignored_hosts(options: Options, tree: Tree, notes: Notebook) -> None:
    option = options.get("IgnoreHosts")
    if option is None:
        notes.trusted.append(Trusted(LOOPBACK, "IgnoreHosts not set: 127.0.0.1"))
        return
    found = hosts(_file(option, tree, notes).entries)
    notes.trusted.append(Trusted(found.networks, found.source or str(option.place)))
    if found.names:
        notes.rules.append(
            Rule(
                "ignore-hosts-by-name",
                {"reverse_name": found.names},
                "accept",
                "IgnoreHosts of OpenDMARC",
                str(option.place),
            )
        )
    if found.ignored:
        meaning = "These entries never matched a host in OpenDMARC; nothing is lost."
        notes.left.append(Left(option.place, "IgnoreHosts", ", ".join(found.ignored), meaning))


def _ignored_senders(options: Options, tree: Tree, notes: Notebook) -> None:
    option = options.get("IgnoreMailFrom")
    if option is None:
        return
    entries = _file(option, tree, notes).entries if option.value.startswith("/") else lists.between_commas(option)
    domains = tuple(found for each in lists.texts(entries) if (found := domain_name(each.removeprefix("@"))))
    others = [each for each in lists.texts(entries) if domain_name(each.removeprefix("@")) is None]
    if others:
        meaning = "These are no domains, and never matched one in OpenDMARC."
        notes.left.append(Left(option.place, option.name, ", ".join(others), meaning))
    if domains:
        notes.rules.append(
            Rule(
                "ignore-mail-from",
                {"from_domain": domains},
                "accept",
                "IgnoreMailFrom of OpenDMARC",
                str(option.place),
            )
        )
        notes.notes.append(
            f"{option.place}: IgnoreMailFrom spares whoever writes these domains into From, strangers too. Where "
            f"they are your own, name the hosts that send for them in trusted_networks, and take the rule out."
        )


def _sealers(options: Options, tree: Tree, notes: Notebook) -> None:
    domains: list[str] = []
    sources = []
    named, file = options.get("DomainWhitelist"), options.get("DomainWhitelistFile")
    if named is not None:
        domains += lists.texts(lists.between_commas(named))
        sources.append(str(named.place))
    if file is not None:
        domains += lists.texts(_file(file, tree, notes).entries)
        sources.append(str(file.place))
    if domains:
        value = tuple(dict.fromkeys(each.lower() for each in domains))
        notes.settings.append(Setting("policy.indirect", "trusted_sealers", value, ", ".join(sources)))


_MEANINGS = {
    "RequiredHeaders": (
        "Of this, From alone is carried over: mail without exactly one domain in From is refused. OpenDMARC also "
        "refused mail without exactly one Date, with a second To, Cc, Subject or Message-ID, and From with several "
        "mailboxes; that is left to your spam filter."
    ),
    "CopyFailuresTo": (
        "No copies are sent. Postfix can do it: milter_header_checks with the action BCC on 'dmarc=fail' in our field "
        "(docs/living-with/spamassassin.md has the line)."
    ),
    "HistoryFile": (
        "What became of each message is in the journal: dmarc-milter trace, summary. Aggregate reports are made from "
        "it: [report] enabled = true, docs/reporting.md."
    ),
    "RecordAllMessages": "The journal has every message, whoever sent it.",
    "FailureReports": "Failure reports are sent for the domains that you name in [report.failure] only.",
    "FailureReportsBcc": "Failure reports ([report.failure]) go to those alone whom the Domain Owner names.",
    "FailureReportsOnNone": "A failure report tells of mail that a policy asks reports for: [report.failure].",
    "FailureReportsSentBy": "Reports are sent in the name of [report] email.",
    "SoftwareHeader": "No field names the program.",
    "ReportCommand": "Reports leave through your MTA: [report], docs/reporting.md.",
    "NoReportsList": "[report] has a list of its own of who gets none: docs/reporting.md.",
    "IgnoreMailTo": "It kept mail to these recipients out of reports. Ours never name a recipient.",
    "AuthservIDWithJobID": "Our field has the name alone, as RFC 8601 wants it. The queue id is in log and journal.",
    "PublicSuffixList": (
        "No list is needed: RFC 9989 finds the Organizational Domain by the DNS Tree Walk. Where a record lies between "
        "the domain and its organization, the outcome may change."
    ),
}


def _left(options: Options) -> Iterator[Left]:
    for name, meaning in _MEANINGS.items():
        option = options.get(name)
        if option is not None and option.value and not (name in _BOOLEANS and not options.is_true(name)):
            yield Left(option.place, option.name, option.value, meaning)
    if options.get("IgnoreAuthenticatedClients") is None or not options.is_true("IgnoreAuthenticatedClients"):
        yield Left(
            options.place("IgnoreAuthenticatedClients"),
            "IgnoreAuthenticatedClients",
            options.value("IgnoreAuthenticatedClients", "not set"),
            "OpenDMARC judged the mail of users who log in, too. Here it is never judged.",
        )


def trusted_ids(text: str, path: str) -> tuple[frozenset[str], bool, Place]:
    """Whose results OpenDMARC believed, whether it checked SPF itself, and where that is said."""
    file = lists.short(path)
    options = gathered(parse(text, file), file)
    trusted = options.get("TrustedAuthservIDs")
    ids = lists.texts(lists.between_commas(trusted)) if trusted else ()
    return frozenset(each.lower() for each in ids), options.is_true("SPFSelfValidate"), options.place("Socket")
