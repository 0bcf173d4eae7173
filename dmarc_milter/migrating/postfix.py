"""What main.cf and master.cf have to say once this filter has taken the place of others. Pure."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dmarc_milter.attaching.findings import is_submission, reinjected
from dmarc_milter.attaching.milter_address import Places, places
from dmarc_milter.attaching.milters import MilterEntry, entries, expanded, parameter_names
from dmarc_milter.attaching.postfix import Service

SOCKET = "dmarc-milter/dmarc-milter.sock"
"""Below the queue directory."""
OURS = f"unix:{SOCKET}"
_POLICY_PROGRAMS = ("policyd-spf", "postfix-policyd-spf-perl", "policyd-spf-perl")


@dataclass(frozen=True, slots=True)
class PostfixSetup:
    """What Postfix says now."""

    values: Mapping[str, str]
    """Each parameter that main.cf sets, as it is written there."""
    services: tuple[Service, ...]
    arguments: Mapping[str, str]
    """The command of each service of master.cf with its arguments, by ``name/type``."""
    queue_directory: str

    def expanded(self, value: str) -> str:
        """`value` with its parameters replaced; what is unknown stays."""
        return expanded(value, self.values)


@dataclass(frozen=True, slots=True)
class Command:
    """One line for the shell, and why."""

    line: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Programs whose place this filter takes."""

    sockets: tuple[str, ...]
    judges: tuple[str, ...]
    """Of these, those that judge DMARC: their place becomes ours."""


def beside(setup: PostfixSetup, *, is_last: bool = False) -> tuple[Command, ...]:
    """This filter in front of all others, so it sees what they refuse, too; or behind one that removes its field."""
    present = setup.values.get("smtpd_milters", "")
    others = [each.text for each in entries(present)]
    value = _separator(present).join([*others, OURS] if is_last else [OURS, *others])
    return (Command(_set("smtpd_milters", value), f"ours {'behind' if is_last else 'in front of'} the others"),)


def take_over(setup: PostfixSetup, replaced: Replaced) -> tuple[Command, ...]:
    """This filter in the place of those that it replaces."""
    return (*_main(setup, replaced), *_per_service(setup, replaced), *_restrictions(setup))


def clean_up(setup: PostfixSetup, replaced: Replaced) -> tuple[Command, ...]:
    """What nothing uses any more."""
    commands = []
    for service in policy_services(setup):
        name = service.partition("/")[0]
        commands.append(Command(f"postconf -MX {shlex.quote(service)}", "the policy service"))
        limit = f"{name}_time_limit"
        if limit in setup.values:
            commands.append(Command(f"postconf -X {shlex.quote(limit)}"))
    for name in _unused(setup, replaced):
        commands.append(Command(f"postconf -X {shlex.quote(name)}"))
    return tuple(commands)


def policy_services(setup: PostfixSetup) -> tuple[str, ...]:
    """Services of master.cf that only ask about SPF, like ``policyd-spf/unix``."""
    return tuple(
        service
        for service, arguments in setup.arguments.items()
        if any(program in arguments for program in _POLICY_PROGRAMS)
    )


def _set(name: str, value: str) -> str:
    return f"postconf -e {_quoted(f'{name} = {value}' if value else f'{name} =')}"


def _override(service: str, parameter: str, value: str) -> str:
    return f"postconf -P {_quoted(f'{service}/{parameter}={value}')}"


def _quoted(text: str) -> str:
    """For the shell; always in quotes, so that commands look alike."""
    return "'" + text.replace("'", "'\\''") + "'"


def _separator(value: str) -> str:
    is_by_blanks = len(entries(value)) > 1 and "," not in re.sub(r"\{[^}]*\}", "", value)
    return " " if is_by_blanks else ", "


def _matcher(setup: PostfixSetup, sockets: Sequence[str]) -> Places:
    found: set[tuple[str, str]] = set()
    for socket in sockets:
        found |= places(socket, setup.queue_directory)
    return frozenset(found)


def _is_at(entry: MilterEntry, where: Places, setup: PostfixSetup) -> bool:
    address = MilterEntry(setup.expanded(entry.text)).address
    return bool(places(address, setup.queue_directory) & where)


def _entries(setup: PostfixSetup, value: str) -> tuple[MilterEntry, ...]:
    """The filters of a value; a parameter that names several is written out, one that names one stays."""
    found: list[MilterEntry] = []
    for entry in entries(value):
        inner = entries(setup.expanded(entry.text))
        found += [entry] if len(inner) == 1 else list(inner)
    return tuple(found)


def _main(setup: PostfixSetup, replaced: Replaced) -> Iterator[Command]:
    before = setup.values.get("smtpd_milters", "")
    after = _with_ours(setup, before, replaced)
    is_seated = after != _separator(before).join([*(each.text for each in entries(before)), OURS])
    why = "ours in the place of what it replaces" if is_seated else "ours behind what stays"
    yield Command(_set("smtpd_milters", after), why)
    local = setup.values.get("non_smtpd_milters")
    if local is None:
        return
    after = _without(setup, local, replaced)
    if after != local:
        why = "cron mail, lists and bounces must not be refused: they keep the other filters"
        yield Command(_set("non_smtpd_milters", after), why)


def _with_ours(setup: PostfixSetup, value: str, replaced: Replaced) -> str:
    """Ours in the place of the first that judges DMARC, else of the last that goes, else at the end."""
    present = [each for each in _entries(setup, value) if not _is_at(each, _matcher(setup, (OURS,)), setup)]
    gone, judges = _matcher(setup, replaced.sockets), _matcher(setup, replaced.judges)
    going = [each for each in present if _is_at(each, gone, setup)]
    judging = [each for each in present if _is_at(each, judges, setup)]
    seat = judging[0] if judging else going[-1] if going else None
    words = []
    for entry in present:
        if entry is seat:
            words.append(_seated(entry))
        elif entry not in going:
            words.append(entry.text)
    return _separator(value).join(words if seat is not None else [*words, OURS])


def _seated(entry: MilterEntry) -> str:
    """Ours, with the settings that stood beside the other's address."""
    return "{ " + ", ".join([OURS, *entry.options]) + " }" if entry.options else OURS


def _without(setup: PostfixSetup, value: str, replaced: Replaced) -> str:
    """The other filters of a list, where it names one that goes, or follows smtpd_milters; else as it is."""
    gone = _matcher(setup, (*replaced.sockets, OURS))
    followed = setup.values.get("smtpd_milters", "")
    present: list[MilterEntry] = []
    for entry in entries(value):
        present += _entries(setup, followed if _is_smtpd_milters(entry) else entry.text)
    kept = [each.text for each in present if not _is_at(each, gone, setup)]
    if len(kept) == len(present) and not any(map(_is_smtpd_milters, entries(value))):
        return value
    return _separator(followed if len(entries(value)) == 1 else value).join(kept)


def _is_smtpd_milters(entry: MilterEntry) -> bool:
    return parameter_names(entry.text) == ("smtpd_milters",)


def _per_service(setup: PostfixSetup, replaced: Replaced) -> Iterator[Command]:
    """Services of master.cf with filters of their own; and those that a content filter gives mail back to."""
    filters = (setup.values.get("content_filter", ""), setup.values.get("smtpd_proxy_filter", ""))
    given_back = tuple(reinjected(setup.services, filters))
    for service in setup.services:
        value = service.overrides.get("smtpd_milters")
        if service not in given_back and service.is_smtpd and value and "$smtpd_milters" not in value:
            after = _of_service(setup, service, value, replaced)
            if after != value:
                yield Command(_override(service.path, "smtpd_milters", after), f"the filters of {service.path}")
    for service in given_back:
        value = service.overrides.get("smtpd_milters", "$smtpd_milters")
        after = _given_back(setup, value, replaced)
        if setup.expanded(value) and after != value:
            why = f"mail that a content filter gives back to {service.name} would be judged a second time"
            yield Command(_override(service.path, "smtpd_milters", after), why)


def _given_back(setup: PostfixSetup, value: str, replaced: Replaced) -> str:
    """The filters for mail that a content filter gives back: none, unless mail of users is signed here alone."""
    if "$smtpd_milters" not in value:
        return _without(setup, value, replaced)
    others = (each for each in setup.services if is_submission(each))
    is_signed_here = any(each.overrides.get("smtpd_milters") == "" for each in others)
    return _without(setup, "$smtpd_milters", replaced) if is_signed_here else ""


def _of_service(setup: PostfixSetup, service: Service, value: str, replaced: Replaced) -> str:
    is_for_strangers = service.name.rpartition(":")[2] in ("smtp", "25", "smtpd")
    return _with_ours(setup, value, replaced) if is_for_strangers else _without(setup, value, replaced)


def _restrictions(setup: PostfixSetup) -> Iterator[Command]:
    """The SPF policy services out of main.cf's and master.cf's restrictions."""
    names = policy_services(setup)
    for parameter, value in setup.values.items():
        after = without_service(value, names)
        if "check_policy_service" in value and after != value:
            # A class of the operator's own may not be empty.
            is_class = parameter in setup.values.get("smtpd_restriction_classes", "").replace(",", " ").split()
            wanted = after or ("check_client_access static:DUNNO" if is_class else "")
            yield Command(_set(parameter, wanted), "the SPF policy service refuses on SPF alone")
    for service in setup.services:
        for parameter, value in service.overrides.items():
            after = without_service(value, names)
            if "check_policy_service" in value and after != value:
                yield Command(_override(service.path, parameter, after), "the SPF policy service")


def without_service(value: str, names: Sequence[str]) -> str:
    """Restrictions that do not ask these services of master.cf."""
    for service in names:
        name, _, kind = service.partition("/")
        before = "inet:" if kind == "inet" else r"unix:(?:private/|/[^\s,]*/private/)?"
        target = before + re.escape(name)
        wanted = rf"check_policy_service\s+(?:{target}(?=[\s,]|$)|\{{\s*{target}\s*,[^}}]*\}})"
        value = re.sub(rf"(?:^|[\s,]+){wanted}", "", value)
    return value.lstrip(", ")


def _unused(setup: PostfixSetup, replaced: Replaced) -> Iterator[str]:
    """Parameters of the operator's own that named a filter that is gone, and that nothing else uses."""
    gone = _matcher(setup, replaced.sockets)
    for name, value in setup.values.items():
        present = entries(value)
        if name.endswith("_milters") or not value.startswith(("inet:", "unix:", "local:", "{")) or len(present) != 1:
            continue
        users = [
            other
            for other, text in setup.values.items()
            if other not in (name, "smtpd_milters", "non_smtpd_milters") and f"${name}" in text.replace("{", "")
        ]
        if _is_at(present[0], gone, setup) and not users and not _is_in_master(setup, name):
            yield name


def _is_in_master(setup: PostfixSetup, name: str) -> bool:
    return any(f"${name}" in text.replace("{", "") for each in setup.services for text in each.overrides.values())
