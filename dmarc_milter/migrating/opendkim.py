"""opendkim.conf (OpenDKIM 2.11) and dkimpy-milter.conf: what verifies is carried over, what signs is left alone."""

from collections.abc import Iterator

from dmarc_milter.migrating import lists
from dmarc_milter.migrating.hosts import hosts
from dmarc_milter.migrating.hosts import name as domain_name
from dmarc_milter.migrating.opendkim_left import left
from dmarc_milter.migrating.options import Option, Options, default_sockets, gathered, parse
from dmarc_milter.migrating.tree import Tree, TreeError
from dmarc_milter.migrating.values import Left, Notebook, Place, Problem, Program, Reading, Rule, Setting, Trusted

NAME = "OpenDKIM"
FILES = ("/etc/opendkim.conf", "/etc/opendkim/opendkim.conf")
DKIMPY = "dkimpy-milter"
DKIMPY_FILES = ("/etc/dkimpy-milter/dkimpy-milter.conf", "/etc/dkimpy-milter.conf")

_SIGNING = ("Domain", "KeyFile", "KeyFileEd25519", "KeyTable", "KeyTableEd25519", "SigningTable")
_MAX_INCLUDES = 16


def read(text: str, path: str, tree: Tree, *, name: str = NAME) -> Reading:
    """`text` is that of the file at `path`; files that it includes are read, too."""
    notes = Notebook()
    options = gathered(iter(_with_included(text, path, tree, notes)), lists.short(path))
    notes.notes += options.overridden()
    mode = options.value("Mode", "sv").lower()
    signs = "s" in mode and any(options.get(each) for each in _SIGNING)
    verifies = "v" in mode
    service = "opendkim" if name == NAME else "dkimpy-milter"
    named = (options.value("Socket"),) if options.get("Socket") else ()
    notes.program = Program(
        name,
        path,
        service,
        (*named, *default_sockets(service, tree, notes.problems)),
        stays=signs,
        becomes="Mode s" if signs and verifies else "",
        becomes_line=_line_of_mode(text),
        becomes_why="It signs as before, and no longer verifies",
    )
    if verifies:
        _carry(options, tree, notes, name, is_alone=not signs)
    return notes.reading()


def _line_of_mode(text: str) -> int | None:
    """The line that sets the mode; None where none does, or a file that is included may: the last one counts."""
    own = gathered(parse(text, ""), "")
    return None if own.get("Include") else own.place("Mode").line


def _with_included(text: str, path: str, tree: Tree, notes: Notebook) -> list[Option]:
    """The options of a file, those of the files that it includes in their place."""
    found: list[Option] = []
    waiting, count = [iter(list(parse(text, lists.short(path))))], 0
    while waiting:
        option = next(waiting[-1], None)
        if option is None:
            waiting.pop()
        elif option.name.lower() != "include":
            found.append(option)
        elif count >= _MAX_INCLUDES:
            notes.problems.append(Problem(option.place, f"more than {_MAX_INCLUDES} files are included"))
            break
        else:
            count += 1
            waiting.append(iter(_included(option, tree, notes)))
    return found


def _included(option: Option, tree: Tree, notes: Notebook) -> list[Option]:
    try:
        text = tree.text(option.value)
    except TreeError as error:
        notes.problems.append(Problem(option.place, f"Include: {error}"))
        return []
    if text is None:
        notes.problems.append(Problem(option.place, f"Include: there is no file {option.value}"))
        return []
    return list(parse(text, lists.short(option.value)))


def _carry(options: Options, tree: Tree, notes: Notebook, name: str, *, is_alone: bool) -> None:
    _identities(options, tree, notes)
    _limits(options, notes)
    _hosts(options, tree, notes, name, is_alone=is_alone)
    _exempt(options, tree, notes, name)
    suggestion = _refusing(options, name)
    if suggestion is not None:
        notes.rules.append(suggestion)
    notes.left += left(options, frozenset(each.name.lower() for each in _refusals(options)))


def _identities(options: Options, tree: Tree, notes: Notebook) -> None:
    option = options.get("AuthservID")
    if option is not None:
        notes.authserv_ids.append((option.value, option.place))
    removed = options.get("RemoveARFrom")
    if removed is None:
        return
    entries = _entries(removed, tree, notes)
    plain = tuple(each.text for each in entries if not each.text.startswith((".", "*")))
    if plain:
        notes.settings.append(Setting("milter", "strip_authserv_ids", plain, str(removed.place)))
    patterns = [each.text for each in entries if each.text.startswith((".", "*"))]
    if patterns:
        meaning = "strip_authserv_ids has no patterns: name each host below these domains."
        notes.left.append(Left(removed.place, "RemoveARFrom", ", ".join(patterns), meaning))


def _entries(option: Option, tree: Tree, notes: Notebook) -> tuple[lists.Entry, ...]:
    found = lists.data_set(option, tree)
    if found.problem is not None:
        notes.problems.append(found.problem)
    return found.entries


def _limits(options: Options, notes: Notebook) -> None:
    most = options.get("MaximumSignaturesToVerify")
    if most is not None and most.value.isdecimal() and int(most.value) > 0:
        notes.settings.append(Setting("dkim", "max_signatures", int(most.value), str(most.place)))
    servers = options.get("Nameservers")
    if servers is not None:
        value = lists.texts(lists.between_commas(servers))
        notes.settings.append(Setting("dns", "nameservers", value, str(servers.place)))
    timeout = options.get("DNSTimeout")
    if timeout is not None and timeout.value.isdecimal() and int(timeout.value) > 0:
        notes.settings.append(Setting("dns", "timeout", float(timeout.value), str(timeout.place)))
    partial = options.get("BodyLengthDB") or options.get("Minimum")
    if partial is not None:
        notes.settings.append(Setting("dkim", "allow_partial_body", True, f"{partial.place} {partial.name}"))


_HOST_LISTS = (
    ("InternalHosts", "internal-hosts-by-name"),
    ("PeerList", "peer-list-by-name"),
    ("ExternalIgnoreList", "external-ignore-list-by-name"),
)


def _hosts(options: Options, tree: Tree, notes: Notebook, name: str, *, is_alone: bool) -> None:
    for option_name, rule in _HOST_LISTS:
        option = options.get(option_name)
        if option is None:
            if option_name == "InternalHosts" and is_alone:
                found = hosts((lists.Entry("127.0.0.1", Place("")),))
                notes.trusted.append(Trusted(found.networks, "InternalHosts not set"))
            continue
        found = hosts(_entries(option, tree, notes), stars=option.value.startswith("refile:"))
        source = f"{option_name}, {found.source or option.place}"
        notes.trusted.append(Trusted(found.networks, source))
        if found.names:
            reason = f"{option_name} of {name}"
            notes.rules.append(Rule(rule, {"reverse_name": found.names}, "accept", reason, str(option.place)))
        if found.ignored:
            meaning = "These entries are neither networks nor names of hosts, and are not carried over."
            notes.left.append(Left(option.place, option_name, ", ".join(found.ignored), meaning))


def _exempt(options: Options, tree: Tree, notes: Notebook, name: str) -> None:
    option = options.get("ExemptDomains")
    if option is None:
        return
    entries = lists.texts(_entries(option, tree, notes))
    domains = tuple(found for each in entries if (found := domain_name(each, stars=True)))
    others = [each for each in entries if domain_name(each, stars=True) is None]
    if others:
        meaning = "These are no domains; name the ones that they stand for in a rule."
        notes.left.append(Left(option.place, option.name, ", ".join(others), meaning))
    if domains:
        conditions = {"from_domain": domains}
        reason = f"ExemptDomains of {name}"
        notes.rules.append(Rule("exempt-domains", conditions, "accept", reason, str(option.place)))
        notes.notes.append(
            f"{option.place}: ExemptDomains spares whoever writes these domains into From, strangers too."
        )


_RESULTS = {
    "On-BadSignature": ("fail",),
    "On-SignatureError": ("fail",),
    "On-KeyNotFound": ("fail",),
    "On-NoSignature": ("none",),
    "On-DNSError": ("temperror",),
}
_ALL = ("On-BadSignature", "On-SignatureError", "On-KeyNotFound", "On-NoSignature", "On-DNSError")


def _refusing(options: Options, name: str) -> Rule | None:
    """Mail is refused for DKIM alone: written as a rule that is switched off."""
    results: dict[str, None] = {}
    sources = []
    for option in _refusals(options):
        for each in _RESULTS.get(option.name, _wholly(option)):
            results[each] = None
        sources.append(f"{option.place} {option.name}")
    if not results:
        return None
    reason = f"{name} refused on DKIM alone"
    return Rule("dkim-alone", {"dkim": tuple(results)}, "reject", reason, ", ".join(sources), is_suggested=True)


def _wholly(option: Option) -> tuple[str, ...]:
    canonical = {each.lower(): results for each, results in _RESULTS.items()}
    return canonical.get(option.name.lower(), ("fail", "none") if option.name.lower() == "on-default" else ())


def _refusals(options: Options) -> Iterator[Option]:
    for name in ("On-Default", *_ALL):
        option = options.get(name)
        if option is not None and option.value[:1].lower() in ("r", "t", "d", "q"):
            yield option
