"""sendmail.mc with this filter in the place of others. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dmarc_milter.attaching.milter_address import places
from dmarc_milter.migrating.postfix import Command, Replaced

FILES = ("/etc/mail/sendmail.mc",)
ADDRESS = "unix:/run/dmarc-milter/dmarc-milter.sock"
_NAME = "dmarc-milter"
_FILTER = re.compile(
    r"^[ \t]*(?P<macro>INPUT_MAIL_FILTER|MAIL_FILTER)\(`(?P<name>[^']*)',\s*`(?P<equates>[^']*)'\)", re.MULTILINE
)
_ORDER = re.compile(r"^[ \t]*define\(`confINPUT_MAIL_FILTERS',\s*`(?P<names>[^']*)'\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MailFilter:
    """One filter of sendmail.mc."""

    macro: str
    name: str
    socket: str
    flags: str
    """Like ``F=T``; empty where there are none."""
    times: str
    """Like ``S:30s;R:4m``."""
    line: str


@dataclass(frozen=True, slots=True)
class SendmailSetup:
    """What sendmail.mc says of filters."""

    filters: tuple[MailFilter, ...]
    order: tuple[str, ...]
    """Of confINPUT_MAIL_FILTERS; empty where it is not defined."""


def read(text: str) -> SendmailSetup:
    """`text` is that of sendmail.mc."""
    plain = "\n".join("" if line.lstrip().startswith("dnl") else line for line in text.splitlines())
    order = _ORDER.search(plain)
    names = tuple(each.strip() for each in order["names"].split(",") if each.strip()) if order else ()
    return SendmailSetup(tuple(_filter(match) for match in _FILTER.finditer(plain)), names)


def _filter(match: re.Match[str]) -> MailFilter:
    equates = {}
    for part in match["equates"].split(","):
        key, _, value = part.strip().partition("=")
        equates[key] = value
    flags = f"F={equates['F']}" if equates.get("F") else ""
    return MailFilter(
        match["macro"], match["name"], equates.get("S", ""), flags, equates.get("T", ""), match[0].strip()
    )


def beside(setup: SendmailSetup, *, is_last: bool = False) -> tuple[Command, ...]:
    """This filter in front of the others, or behind one that removes its field."""
    lines = [Command(_line(None), f"{'behind' if is_last else 'in front of'} the other filters' lines")]
    if setup.order:
        lines.append(Command(_order_line((*setup.order, _NAME) if is_last else (_NAME, *setup.order))))
    return tuple(lines)


def take_over(setup: SendmailSetup, replaced: Replaced) -> tuple[Command, ...]:
    """This filter in the place of those that it replaces."""
    going = [each for each in setup.filters if _is_any(each.socket, replaced.sockets)]
    judging = [each for each in going if _is_any(each.socket, replaced.judges)]
    seat = judging[0] if judging else going[-1] if going else None
    commands = [Command(_line(seat), f"in the place of {seat.line}dnl" if seat else "behind the other filters' lines")]
    commands += [Command(f"dnl {each.line}dnl", "take this one out") for each in going if each is not seat]
    if setup.order:
        gone = {each.name for each in going}
        names = [_NAME if seat and each == seat.name else each for each in setup.order]
        kept = [each for each in names if each not in gone]
        commands.append(Command(_order_line(kept if _NAME in kept else [*kept, _NAME])))
    return tuple(commands)


def _is_any(socket: str, others: Sequence[str]) -> bool:
    where = places(socket)
    return any(where & places(each) for each in others)


def _line(seat: MailFilter | None) -> str:
    times = seat.times if seat and seat.times else "S:4m;R:4m"
    if "E:" not in times:
        times += ";E:10m"
    flags = f", {seat.flags}" if seat and seat.flags else ""
    macro = seat.macro if seat else "INPUT_MAIL_FILTER"
    return f"{macro}(`{_NAME}', `S={ADDRESS}{flags}, T={times}')dnl"


def _order_line(names: Sequence[str]) -> str:
    return f"define(`confINPUT_MAIL_FILTERS', `{','.join(names)}')dnl"
