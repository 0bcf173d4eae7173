"""policyd-spf.conf and pyspf-milter.conf (spf-engine 3)."""

from collections.abc import Iterator

from dmarc_milter.migrating import lists
from dmarc_milter.migrating.hosts import as_text, hosts
from dmarc_milter.migrating.opendkim_left import FROM_A_SERVICE
from dmarc_milter.migrating.options import Option, Options, gathered, parse
from dmarc_milter.migrating.tree import Tree
from dmarc_milter.migrating.values import Left, Notebook, Place, Program, Reading, Rule, Setting, Trusted
from dmarc_milter.settings.policy import LOOPBACK

POLICYD = "policyd-spf"
POLICYD_FILES = (
    "/etc/postfix-policyd-spf-python/policyd-spf.conf",
    "/etc/python-policyd-spf/policyd-spf.conf",
    "/etc/policyd-spf/policyd-spf.conf",
)
PYSPF = "pyspf-milter"
PYSPF_FILES = ("/etc/pyspf-milter/pyspf-milter.conf", "/etc/pyspf-milter.conf")


def read(text: str, path: str, tree: Tree, *, name: str) -> Reading:
    """`text` is that of the file at `path`; `name` is POLICYD or PYSPF."""
    file = lists.short(path)
    options = gathered(parse(text, file), file)
    notes = Notebook(notes=list(options.overridden()))
    sockets = (options.value("Socket", "inet:8893@localhost"),) if name == PYSPF else ()
    notes.program = Program(name, path, name, sockets)
    _header(options, notes, name)
    _hosts(options, tree, notes, name)
    refuses = options.value("TestOnly", options.value("defaultSeedOnly", "1")) != "0"
    suggestions = tuple(_refusing(options, name)) if refuses else ()
    notes.rules += [each for each, _ in suggestions]
    notes.left += [left for _, left in suggestions]
    notes.left += _left(options)
    return notes.reading()


def _header(options: Options, notes: Notebook, name: str) -> None:
    identity = options.get("Authserv_Id")
    if identity is not None:
        notes.authserv_ids.append((identity.value, identity.place))
    kind = options.value("Header_Type", "SPF").upper()
    if kind == "SPF":
        option = options.get("Header_Type")
        source = str(option.place) if option is not None else f"Header_Type of {name} not set: SPF"
        notes.settings.append(Setting("milter", "received_spf", True, source))
    patience = options.get("Lookup_Time")
    if patience is not None and patience.value.isdecimal() and int(patience.value) > 0:
        notes.settings.append(Setting("dns", "deadline", float(patience.value), str(patience.place)))


def _hosts(options: Options, tree: Tree, notes: Notebook, name: str) -> None:
    for option_name in ("skip_addresses", "InternalHosts"):
        option = options.get(option_name)
        if option is not None:
            listed = lists.data_set(option, tree)
            notes.problems += [listed.problem] if listed.problem is not None else []
            found = hosts(listed.entries)
            notes.trusted.append(Trusted(found.networks, f"{option.place} {option_name}"))
            others = ", ".join((*found.names, *found.ignored))
            if others:
                meaning = "These are no networks, and are not carried over. Name their addresses in trusted_networks."
                notes.left.append(Left(option.place, option_name, others, meaning))
        elif option_name == "skip_addresses":
            notes.trusted.append(Trusted(LOOPBACK, f"skip_addresses of {name} not set"))
    for option_name in ("HELO_Whitelist", "Domain_Whitelist_PTR"):
        option = options.get(option_name)
        if option is not None and option.value:
            _names(option, notes, name, with_subdomains=option_name == "Domain_Whitelist_PTR")
    option = options.get("Whitelist")
    if option is not None and option.value:
        _whitelist(option, notes, name)


def _names(option: Option, notes: Notebook, name: str, *, with_subdomains: bool) -> None:
    """Names of clients; of Domain_Whitelist_PTR, everything below them, too."""
    found = hosts(lists.between_commas(option))
    names = tuple(f".{each.removeprefix('.')}" if with_subdomains else each for each in found.names)
    if names:
        rule, reason = option.name.lower().replace("_", "-"), f"{option.name} of {name}"
        notes.rules.append(Rule(rule, {"reverse_name": names}, "accept", reason, str(option.place)))
    others = (*map(as_text, found.networks), *found.ignored)
    if others:
        notes.left.append(Left(option.place, option.name, ", ".join(others), "These are no names of hosts."))


def _whitelist(option: Option, notes: Notebook, name: str) -> None:
    found = hosts(lists.between_commas(option))
    if found.networks:
        client, reason = tuple(map(as_text, found.networks)), f"Whitelist of {name}"
        rule = Rule("whitelist", {"client": client}, "accept", reason, str(option.place), is_suggested=True)
        notes.rules.append(rule)
    meaning = (
        "Decide what these hosts are. Those that pass other people's mail on to you, a backup MX or a forwarder, "
        "belong into [policy] trusted_relays; then SPF is asked about the client that they name. For others there is "
        "the rule whitelist in the file, a comment."
    )
    notes.left.append(Left(option.place, "Whitelist", option.value, meaning))


_RESULTS = {
    "fail": ("fail",),
    "softfail": ("fail", "softfail"),
    "spf_not_pass": ("fail", "softfail", "neutral"),
    "null": ("fail",),
}
_ALONE = (
    "RFC 9989 7.1 advises against refusing for SPF alone: whoever forwards mail breaks SPF, and DKIM may still pass. "
    "DMARC refuses where the Domain Owner asks for it. The rule {rule} in the file, a comment, would refuse as "
    "before{more}."
)


def _refusing(options: Options, name: str) -> Iterator[tuple[Rule, Left]]:
    """Mail is refused for SPF alone: written as rules that are switched off."""
    for option_name, condition, rule in (
        ("Mail_From_reject", "spf", "spf-alone"),
        ("HELO_reject", "helo_spf", "helo-spf-alone"),
    ):
        option = options.get(option_name)
        value = option.value if option is not None else "Fail"
        results = _RESULTS.get(value.lower())
        if results is None:
            continue
        place = option.place if option is not None else Place(options.file.file)
        source = f"{place} {option_name} {value}" if option is not None else f"{option_name} of {name} not set: Fail"
        found = Rule(rule, {condition: results}, "reject", f"{name} refused on SPF alone", source, is_suggested=True)
        more = '; with dmarc = ["none"] it refuses only where no policy is published' if condition == "spf" else ""
        shown = value if option is not None else "Fail (its default)"
        yield found, Left(place, option_name, shown, _ALONE.format(rule=rule, more=more))


_MEANINGS = {
    "Whitelist_Lookup_Time": "All questions about one message have [dns] deadline together.",
    "SPF_Enhanced_Status_Codes": "Replies have templates of their own, with enhanced codes: [policy.reply].",
    "Prospective": "What a sender should publish is told by dmarc-milter check --domain.",
    "TempError_Defer": "DMARC defers what its outcome depends on: [policy] temperror. SPF alone does not.",
    "PermError_reject": 'A broken SPF record counts as no pass; a rule with spf = ["permerror"] can refuse.',
    "No_Mail": "A domain that sends no mail says 'v=spf1 -all' and p=reject; DMARC refuses it then.",
    "Reject_Not_Pass_Domains": 'A rule with mail_from_domain and spf = ["fail", "softfail", "neutral"] can refuse.',
    "Domain_Whitelist": "Name the hosts of these domains in [policy] trusted_relays: other SPF records are not asked.",
    "Per_User": "Rules can ask for recipient_domain, not for single recipients.",
    "Void_Limit": "The limit is 2, as RFC 7208 4.6.4 has it.",
    "Reason_Message": "Replies have templates of their own: [policy.reply].",
    "HELO_pass_restriction": "What Postfix does on an SPF pass (no greylisting) needs a policy service; keep it.",
    "Mail_From_pass_restriction": "What Postfix does on an SPF pass needs a policy service; keep it for that.",
    "MacroList": FROM_A_SERVICE,
    "Mock": "dmarc-milter check judges a message without sending it.",
}


def _left(options: Options) -> Iterator[Left]:
    for name, meaning in _MEANINGS.items():
        option = options.get(name)
        if option is not None and option.value and option.value.lower() != "false":
            yield Left(option.place, option.name, option.value, meaning)
