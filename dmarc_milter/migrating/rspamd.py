"""rspamd's local.d and override.d, for the modules that verify (rspamd 3). It stays, for spam and for signing."""

from collections.abc import Iterator

from dmarc_milter.migrating import ucl
from dmarc_milter.migrating.hosts import as_text, hosts
from dmarc_milter.migrating.lists import Entry, lines, short, split, texts
from dmarc_milter.migrating.rspamd_left import acts, stays, without_counterpart
from dmarc_milter.migrating.rspamd_left import place as where
from dmarc_milter.migrating.tree import Tree, TreeError
from dmarc_milter.migrating.ucl import Block, UclError
from dmarc_milter.migrating.values import Left, Notebook, Place, Problem, Program, Reading, Rule, Setting, Trusted
from dmarc_milter.settings.policy import LOOPBACK

NAME = "rspamd"
FOLDER = "/etc/rspamd"
_FILES = (
    "dmarc.conf",
    "spf.conf",
    "dkim.conf",
    "arc.conf",
    "milter_headers.conf",
    "dkim_signing.conf",
    "options.inc",
    "worker-proxy.inc",
)
_OWN_NETWORKS = ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "fd00::/8", "169.254.0.0/16", "fe80::/10")
_REFUSES = ("reject",)
_MARKS = ("add_header", "add header", "quarantine", "rewrite_subject", "rewrite subject")
MAX_INCLUDES = 8
"""Files that include each other, one within the other."""
_BY_HAND = "take the block actions out of dmarc.conf, or rspamd refuses as before, by its own verdict."


def is_there(tree: Tree) -> bool:
    """Whether rspamd is set up there."""
    return any(tree.exists(f"{FOLDER}/{each}") for each in ("local.d", "override.d"))


def read(tree: Tree) -> Reading:
    """All of its files that concern us."""
    notes = Notebook()
    blocks = {name: _read(name, tree, notes) for name in _FILES}
    socket = blocks["worker-proxy.inc"].text("bind_socket") or "localhost:11332"
    commented_out = tuple(_actions(tree))
    notes.program = Program(
        NAME,
        FOLDER,
        "rspamd",
        (_milter_address(socket),),
        stays=True,
        commented_out=tuple(each for each in commented_out if each is not None),
        removes_fields=_writes_results(blocks["milter_headers.conf"]),
        by_hand=_BY_HAND if None in commented_out or _is_included(blocks, commented_out) else "",
    )
    _policy(blocks["dmarc.conf"], notes)
    _hosts(blocks["options.inc"], tree, notes)
    _own_mail(blocks, notes)
    _relays(blocks["spf.conf"], tree, notes)
    _lists(blocks, tree, notes)
    _headers(blocks["milter_headers.conf"], notes)
    stays(blocks, notes)
    without_counterpart(blocks, notes)
    acts(tree, FOLDER, notes)
    return notes.reading()


def _read(name: str, tree: Tree, notes: Notebook) -> Block:
    """local.d, with override.d in its place, key by key."""
    block = Block({})
    for folder in ("local.d", "override.d"):
        block = block.with_overrides(_file(f"{FOLDER}/{folder}/{name}", tree, notes, 0))
    return block


def _file(path: str, tree: Tree, notes: Notebook, depth: int) -> Block:
    """A file, with those that it includes: a key of its own counts before one of theirs."""
    try:
        text = tree.text(path)
        found = ucl.parse(text) if text is not None else Block({})
    except (TreeError, UclError) as error:
        notes.problems.append(Problem(Place(short(path)), str(error)))
        return Block({})
    included = Block({})
    for include in found.includes:
        there = _path(include.path)
        if include.is_nested or "://" in there or set(there) & set("*?[") or depth >= MAX_INCLUDES:
            meaning = (
                "What it includes is not read. Look into it yourself: it may decide more than the rest of the file."
            )
            notes.left.append(Left(Place(short(path), include.line), ".include", there, meaning))
        else:
            included = included.with_overrides(_file(there, tree, notes, depth + 1))
    return included.with_overrides(found)


def _actions(tree: Tree) -> Iterator[tuple[str, int, int] | None]:
    """The lines by which rspamd refuses for DMARC, file by file; None where they cannot be told from others."""
    for folder in ("local.d", "override.d"):
        path = f"{FOLDER}/{folder}/dmarc.conf"
        try:
            text = tree.text(path) or ""
            if "actions" in ucl.parse(text).values:
                lines = ucl.lines_of(text, "actions")
                yield None if lines is None else (path, *lines)
        except (TreeError, UclError):
            # Said where the settings are read.
            continue


def _is_included(blocks: dict[str, Block], found: tuple[object, ...]) -> bool:
    """Whether the actions stand in a file that dmarc.conf includes."""
    return not found and "actions" in blocks["dmarc.conf"].values


def _milter_address(bind_socket: str) -> str:
    """As smtpd_milters would name it."""
    if bind_socket.startswith("/"):
        return f"unix:{bind_socket.split()[0]}"
    host, _, port = bind_socket.rpartition(":")
    return f"inet:{'localhost' if host in ('*', '*v4', '*v6', '') else host}:{port}"


def _policy(block: Block, notes: Notebook) -> None:
    actions = block.block("actions")
    reject, quarantine = actions.text("reject"), actions.text("quarantine")
    mode = "enforce" if reject in _REFUSES else "monitor"
    source = "dmarc.conf: actions.reject" if reject else "actions of dmarc.conf not set"
    notes.settings.append(Setting("policy", "mode", mode, source))
    if quarantine in _REFUSES:
        notes.settings.append(Setting("policy", "quarantine", "reject", "dmarc.conf: actions.quarantine"))
    elif quarantine and quarantine not in _MARKS:
        meaning = "What p=quarantine asks for is told by a header field here; [policy] quarantine can hold or reject."
        notes.left.append(Left(where("dmarc.conf", block, "actions"), "actions.quarantine", quarantine, meaning))
    softfail = actions.text("softfail")
    if softfail:
        meaning = "A policy of none changes nothing (RFC 9989 5.4); a rule with dmarc and policy can."
        notes.left.append(Left(where("dmarc.conf", block, "actions"), "actions.softfail", softfail, meaning))
    if reject and reject not in _REFUSES:
        meaning = "p=reject is refused here in mode enforce, and nothing else; rspamd may go on to score it."
        notes.left.append(Left(where("dmarc.conf", block, "actions"), "actions.reject", reject, meaning))


def _hosts(block: Block, tree: Tree, notes: Notebook) -> None:
    place = where("options.inc", block, "local_addrs")
    is_set = "local_addrs" in block.values
    source = str(place) if is_set else "local_addrs not set: rspamd's own"
    own = _entries("options.inc", block, "local_addrs", tree, notes)
    found = hosts(own if is_set else [Entry(each, place) for each in _OWN_NETWORKS])
    notes.trusted.append(Trusted((*LOOPBACK, *found.networks), source))
    if found.ignored or found.names:
        meaning = "Only networks are carried over."
        notes.left.append(Left(place, "local_addrs", ", ".join((*found.names, *found.ignored)), meaning))


def _own_mail(blocks: dict[str, Block], notes: Notebook) -> None:
    """What every module may say for itself, too."""
    for name in ("options.inc", "dmarc.conf", "spf.conf", "dkim.conf", "arc.conf"):
        for key in ("check_local", "check_authed"):
            if blocks[name].text(key) in _TRUE:
                meaning = "Mail of trusted networks and of users who log in is not judged here."
                notes.left.append(Left(where(name, blocks[name], key), key, str(blocks[name].text(key)), meaning))


_TRUE = ("true", "yes", "on")


def _relays(block: Block, tree: Tree, notes: Notebook) -> None:
    relays = _entries("spf.conf", block, "external_relay", tree, notes)
    found, place = hosts(relays), where("spf.conf", block, "external_relay")
    if found.networks:
        value = tuple(map(as_text, found.networks))
        notes.settings.append(Setting("policy", "trusted_relays", value, str(place)))
    if found.names or found.ignored:
        meaning = "Name the addresses of these hosts in [policy] trusted_relays: names are not looked up."
        notes.left.append(Left(place, "external_relay", ", ".join((*found.names, *found.ignored)), meaning))


def _entries(name: str, block: Block, key: str, tree: Tree, notes: Notebook) -> tuple[Entry, ...]:
    """A list, or a map in a file."""
    values = block.texts(key)
    if values is None:
        return ()
    place = where(name, block, key)
    found: list[Entry] = []
    for value in values:
        if "://" in value and not value.startswith("file://"):
            meaning = "A map that is fetched is not read. Name its entries yourself."
            notes.left.append(Left(place, key, value.partition("://")[0] + "://...", meaning))
        elif value.startswith(("/", "$", "file://")):
            found += _map(value, place, key, tree, notes)
        else:
            found += split(value, place)
    return tuple(found)


_FOLDERS = {"$LOCAL_CONFDIR": FOLDER, "${LOCAL_CONFDIR}": FOLDER, "$CONFDIR": FOLDER, "${CONFDIR}": FOLDER}


def _path(value: str) -> str:
    path = value.removeprefix("file://")
    for variable, folder in _FOLDERS.items():
        path = path.replace(variable, folder)
    return path


def _map(value: str, place: Place, key: str, tree: Tree, notes: Notebook) -> Iterator[Entry]:
    path = _path(value)
    try:
        text = tree.text(path)
    except TreeError as error:
        notes.problems.append(Problem(place, f"{key}: {error}"))
        return
    if text is None:
        notes.left.append(Left(place, key, path, "There is no such file; its entries are not carried over."))
        return
    yield from lines(text, short(path))


def _lists(blocks: dict[str, Block], tree: Tree, notes: Notebook) -> None:
    sealers = _entries("arc.conf", blocks["arc.conf"], "whitelisted_signers_map", tree, notes)
    if sealers:
        place = where("arc.conf", blocks["arc.conf"], "whitelisted_signers_map")
        domains = tuple(each.lower() for each in texts(sealers))
        notes.settings.append(Setting("policy.indirect", "trusted_sealers", domains, str(place)))
    for module in ("spf", "dkim"):
        name = f"{module}.conf"
        clients = _entries(name, blocks[name], "whitelist", tree, notes)
        found = hosts(clients)
        if found.networks:
            client = tuple(map(as_text, found.networks))
            reason, place = f"whitelist of rspamd's {module} module", where(name, blocks[name], "whitelist")
            notes.rules.append(Rule(f"{module}-whitelist", {"client": client}, "accept", reason, str(place)))
        others = ", ".join((*found.names, *found.ignored))
        if others:
            meaning = "These are no networks; a rule ([[override]]) can name domains: from_domain, dkim_domain."
            notes.left.append(Left(where(name, blocks[name], "whitelist"), "whitelist", others, meaning))


def _writes_results(block: Block) -> bool:
    """Whether the routine is on: it removes fields even where it is told not to, by rspamd's version."""
    return "authentication-results" in (block.texts("use") or ()) or _is_extended(block)


def _headers(block: Block, notes: Notebook) -> None:
    routine = block.block("routines").block("authentication-results")
    removes = routine.text("remove") not in ("false", "no", "off")
    names = routine.texts("remove_ar_from")
    if names:
        place = where("milter_headers.conf", block, "routines")
        notes.settings.append(Setting("milter", "strip_authserv_ids", names, f"{place} remove_ar_from"))
    if not _writes_results(block):
        return
    place = where("milter_headers.conf", block, "use")
    if removes:
        meaning = (
            "The routine authentication-results removes our field where rspamd stands behind us, so the steps put this "
            "filter behind rspamd: there, ours takes the place of rspamd's under the same name. For another order, "
            "take it out of 'use', or set routines { authentication-results { remove = false; } } and give this "
            "filter another name."
        )
    else:
        meaning = (
            "rspamd goes on to write a field of its own beside ours. Readers look for our name; take it out of 'use'."
        )
    notes.left.append(Left(place, "use", "authentication-results", meaning))


def _is_extended(block: Block) -> bool:
    return block.text("extended_spam_headers") in _TRUE
