"""The move of one host: its files read, our settings drafted, the steps made."""

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dmarc_milter.attaching.milter_address import same
from dmarc_milter.attaching.milters import entries
from dmarc_milter.attaching.postfix import AttachError, Postfix
from dmarc_milter.common.text import printable
from dmarc_milter.migrating import opendkim, opendmarc, sendmail, spf_programs
from dmarc_milter.migrating.chain import Chain, read_chain
from dmarc_milter.migrating.fitting import fitting, why_not
from dmarc_milter.migrating.postfix import SOCKET, PostfixSetup, policy_services
from dmarc_milter.migrating.postfix_notes import postfix_notes
from dmarc_milter.migrating.readers import TextReader, readers
from dmarc_milter.migrating.sendmail import SendmailSetup
from dmarc_milter.migrating.settings_file import Draft, draft
from dmarc_milter.migrating.steps import Site, Step, steps
from dmarc_milter.migrating.tree import Tree, TreeError
from dmarc_milter.migrating.values import Left, Place, Problem, Reading, Setting

_OLD_PROTOCOLS = ("2", "3", "4")


@dataclass(frozen=True, slots=True)
class Migration:
    """All that is written and told; nothing but `problems` where there are any."""

    chain: Chain
    draft: Draft
    steps: tuple[Step, ...]
    readers: tuple[TextReader, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def left(self) -> tuple[Left, ...]:
        """What is not carried over."""
        return tuple(left for reading in self.chain.readings for left in reading.left)


@dataclass(frozen=True, slots=True)
class _Mta:
    """The mail server of the host, or why it cannot be read."""

    postfix: PostfixSetup | None = None
    sendmail: SendmailSetup | None = None
    problems: tuple[Problem, ...] = ()


def migrate(tree: Tree, written: str) -> Migration:
    """What the files below the root come to; `written` is where the settings will be."""
    mta = _mta(tree)
    found_chain = _with_policy_service(read_chain(tree), tree, mta.postfix)
    chain = Chain(tuple(map(fitting, found_chain.readings)))
    name = _host_name(tree, mta.postfix)
    found = draft(chain.readings, _base(chain, mta, name))
    problems = (*mta.problems, *chain.problems, *_nothing(chain, tree)) or tuple(_refused(found))
    site = Site(found, chain.programs, _name_in_field(found, name), written, mta.postfix, mta.sendmail)
    return Migration(
        chain,
        found,
        steps(site),
        tuple(readers(tree)),
        tuple(_notes(chain, tree, mta, name)),
        problems,
    )


def _nothing(chain: Chain, tree: Tree) -> Iterator[Problem]:
    if not chain.programs and not chain.problems:
        yield Problem(
            Place(str(tree.root)),
            "no settings of OpenDMARC, OpenDKIM, policyd-spf, pyspf-milter, dkimpy-milter, rspamd or "
            "authentication_milter are there: nothing to move from",
        )


def _refused(found: Draft) -> Iterator[Problem]:
    """What our own settings say against the draft: a value there that cannot be one here."""
    why = why_not(tomllib.loads(found.text()))
    if why is not None:
        yield Problem(Place("dmarc-milter.toml"), f"what was found cannot be carried over: {why}")


# The mail server


def _mta(tree: Tree) -> _Mta:
    for folder in ("/etc/postfix", ""):
        try:
            tree.must_be_there(f"{folder}/main.cf")
            if tree.exists(f"{folder}/main.cf"):
                return _postfix(tree, folder)
        except TreeError as error:
            return _Mta(problems=(Problem(Place("main.cf"), str(error)),))
    for path in sendmail.FILES:
        try:
            text = tree.text(path)
        except TreeError as error:
            return _Mta(problems=(Problem(Place(path), str(error)),))
        if text is not None:
            return _Mta(sendmail=sendmail.read(text))
    return _Mta()


def _postfix(tree: Tree, folder: str) -> _Mta:
    """Read through postconf, from a copy: a link of a host that was copied here would lead it astray."""
    with TemporaryDirectory(prefix="dmarc-milter") as copy:
        for name in ("main.cf", "master.cf"):
            text = tree.text(f"{folder}/{name}")
            if text is not None:
                _copied(text, Path(copy, name))
        try:
            tools = Postfix(Path(copy))
            now = tools.read()
            values = tools.parameters()
            arguments = tools.commands()
        except AttachError as error:
            why = printable(str(error).replace(copy, folder), _MAX_ERROR)
            return _Mta(problems=(Problem(Place("main.cf"), why),))
    return _Mta(PostfixSetup(values, now.services, arguments, now.queue_directory))


def _copied(text: str, path: Path) -> None:
    path.write_text(text, "utf-8")
    # postconf waits where a file has just been written.
    os.utime(path, (0, 0))


_MAX_ERROR = 300


def _with_policy_service(chain: Chain, tree: Tree, postfix: PostfixSetup | None) -> Chain:
    """With policyd-spf, where Postfix asks it and it has no settings at its usual place."""
    if postfix is None or chain.program(spf_programs.POLICYD) is not None:
        return chain
    for service in policy_services(postfix):
        words = postfix.arguments[service].split()
        path = next((each for each in words if each.endswith(".conf")), spf_programs.POLICYD_FILES[0])
        try:
            text = tree.text(path) or ""
        except TreeError as error:
            return replace(chain, readings=(*chain.readings, Reading(problems=(Problem(Place(path), str(error)),))))
        return replace(
            chain, readings=(*chain.readings, spf_programs.read(text, path, tree, name=spf_programs.POLICYD))
        )
    return chain


# Names


_HOST_NAME = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


def _host_name(tree: Tree, postfix: PostfixSetup | None) -> str:
    """The host's name, as far as its files tell it; empty where they do not."""
    try:
        names = [tree.text("/etc/hostname") or "", tree.text("/etc/mailname") or ""]
    except TreeError:
        names = []
    if postfix is not None:
        names.insert(0, postfix.expanded(postfix.values.get("myhostname", "")))
    return next((name.strip() for name in names if _HOST_NAME.fullmatch(name.strip())), "")


def _name_in_field(found: Draft, host_name: str) -> str:
    named = found.find("milter", "authserv_id")
    return str(named.value) if named is not None else host_name


def _base(chain: Chain, mta: _Mta, host_name: str) -> Iterator[Setting]:
    if mta.sendmail is not None:
        yield Setting("milter", "listen", sendmail.ADDRESS, "for Sendmail")
    else:
        queue = mta.postfix.queue_directory if mta.postfix is not None else "/var/spool/postfix"
        yield Setting("milter", "listen", f"unix:{queue}/{SOCKET}", "inside of Postfix's chroot")
        yield Setting("milter", "socket_group", "postfix", "Postfix has to write to it")
    yield from _identities(chain, host_name)


def _is_a_name(name: str) -> bool:
    return why_not({"milter": {"strip_authserv_ids": [name]}}) is None


def _identities(chain: Chain, host_name: str) -> Iterator[Setting]:
    """The name that readers know, where it is a host's; other names that nobody else may use from now on."""
    found: dict[str, Place] = {}
    for reading in chain.readings:
        for name, place in reading.authserv_ids:
            found.setdefault(host_name if name == "HOSTNAME" else name, place)
    hosts = [name for name in found if _HOST_NAME.fullmatch(name)]
    if hosts:
        yield Setting("milter", "authserv_id", hosts[0], str(found[hosts[0]]))
    others = [name for name in found if name and name not in hosts[:1] and _is_a_name(name)]
    if others:
        source = ", ".join(f"{found[name]} {name}" for name in others)
        yield Setting("milter", "strip_authserv_ids", tuple(others), f"{source}: no longer written, so nobody's")


# What else the operator should know


def _notes(chain: Chain, tree: Tree, mta: _Mta, host_name: str) -> Iterator[str]:
    for reading in chain.readings:
        yield from reading.notes
    for program in chain.programs:
        if program.name in (opendkim.NAME, opendkim.DKIMPY) and not program.stays:
            yield f"{program.name} takes no keys: goes altogether, once this filter has taken over."
    yield from _never_counted(chain, tree, host_name)
    yield from _not_asked(chain, mta)
    yield from postfix_notes(mta.postfix) if mta.postfix is not None else ()
    for reading in chain.readings:
        for name, place in reading.authserv_ids:
            if name and not _is_a_name(name):
                yield f"{place}: {name!a} is no name for our field, and is not carried over: [milter] authserv_id."
    if mta.postfix is not None and mta.postfix.values.get("milter_protocol") in _OLD_PROTOCOLS:
        version = mta.postfix.values["milter_protocol"]
        yield (
            f"main.cf: milter_protocol = {version} works. Without it, Postfix speaks version 6, and spares the "
            f"filter what it need not hear."
        )
    yield from _standards(chain)


def _never_counted(chain: Chain, tree: Tree, host_name: str) -> Iterator[str]:
    """Results that OpenDMARC did not believe, because of the name that they stood under."""
    dmarc, dkim = chain.program(opendmarc.NAME), chain.program(opendkim.NAME)
    if dmarc is None:
        return
    trusted, validates, place = opendmarc.trusted_ids(tree.text(dmarc.file) or "", dmarc.file)
    own = {name.lower() for reading in chain.readings if reading.program is dmarc for name, _ in reading.authserv_ids}
    host = {host_name.lower()} - {""}
    believed = trusted | own or host
    written = {
        name.lower() for reading in chain.readings if reading.program is dkim for name, _ in reading.authserv_ids
    }
    if dkim is not None and believed and (written or host) and not believed & (written or host):
        yield (
            f"{place.file}: OpenDKIM's name is not among TrustedAuthservIDs, so DKIM never counted in OpenDMARC. It "
            f"counts here: mail that failed before may pass."
        )
    if not validates and not any(each.name in (spf_programs.POLICYD, spf_programs.PYSPF) for each in chain.programs):
        yield (
            f"{place.file}: SPFSelfValidate is not set and no program checks SPF, so SPF never counted in OpenDMARC. "
            f"It counts here: mail that failed before may pass."
        )


def _not_asked(chain: Chain, mta: _Mta) -> Iterator[str]:
    """Of programs that Postfix does not ask at the address where they listen."""
    if mta.postfix is None:
        return
    names = ("smtpd_milters", "non_smtpd_milters")
    values = [mta.postfix.values.get(name, "") for name in names]
    values += [each.overrides.get(name, "") for each in mta.postfix.services for name in names]
    asked = [entry.address for value in values for entry in entries(mta.postfix.expanded(value))]
    for program in chain.programs:
        if program.sockets and not any(same(socket, each) for socket in program.sockets for each in asked):
            yield (
                f"{program.name} listens at {', '.join(program.sockets)}, and no list of filters in main.cf or "
                f"master.cf names that. If Postfix reaches it by another address, take that out yourself in step 2."
            )


def _standards(chain: Chain) -> Iterator[str]:
    if not any(each.judges_dmarc for each in chain.programs) and chain.program("rspamd") is None:
        return
    yield (
        "RFC 9989 knows no pct=: mail that fails is refused or quarantined for every domain that asks for it, also "
        "where pct=0 or pct=50 spared some of it. A domain that only tests says t=y now; then its policy is taken "
        "one level below (reject becomes quarantine, quarantine none)."
    )
    yield (
        "RFC 9989 has np=, a policy of its own for subdomains that do not exist: who forges such a name is refused "
        "where the domain asks for it."
    )
    yield (
        "Mail without exactly one domain in From is refused ([policy] unusable_from), for readers would be shown "
        "somebody whom nobody has looked at. OpenDMARC let it pass, unless RejectMultiValueFrom or RequiredHeaders "
        "was set."
    )
    yield (
        "RFC 9989 finds the Organizational Domain by the DNS Tree Walk instead of the Public Suffix List: where a "
        "domain has a record between itself and its organization, that one counts, and alignment may differ. "
        "dmarc-milter check --domain NAME shows the walk. See to your own domains first."
    )
