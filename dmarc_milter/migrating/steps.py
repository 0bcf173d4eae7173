"""The three steps: beside the old chain, in its place, and without it. Pure: told, never run."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dmarc_milter.migrating import postfix, sendmail
from dmarc_milter.migrating.postfix import Command, PostfixSetup, Replaced
from dmarc_milter.migrating.sendmail import SendmailSetup
from dmarc_milter.migrating.settings_file import Draft
from dmarc_milter.migrating.values import Program

SETTINGS = "/etc/dmarc-milter/dmarc-milter.toml"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, in order."""

    title: str
    explanation: str
    commands: tuple[Command, ...]
    afterwards: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """What the steps are made of."""

    draft: Draft
    programs: tuple[Program, ...]
    host_name: str
    """Empty where it is not known."""
    written: str
    """Where the settings were written."""
    postfix: PostfixSetup | None = None
    sendmail: SendmailSetup | None = None

    @property
    def replaced(self) -> Replaced:
        """The programs that go."""
        going = [each for each in self.programs if not each.stays]
        return Replaced(
            tuple(socket for each in going for socket in each.sockets),
            tuple(socket for each in going if each.judges_dmarc for socket in each.sockets),
        )


def steps(site: Site) -> tuple[Step, ...]:
    """All three."""
    return (_beside(site), _take_over(site), _clean_up(site))


def _beside(site: Site) -> Step:
    commands: list[Command] = []
    removing = [each.name for each in site.programs if each.removes_fields]
    if site.written != SETTINGS:
        commands.append(Command(f"cp {shlex.quote(site.written)} {SETTINGS}", "the settings to their place"))
    commands.append(Command(_own_id(site), "a name of its own, while both write"))
    commands.append(Command("systemctl restart dmarc-milter"))
    if site.postfix is not None:
        commands += postfix.beside(site.postfix, is_last=bool(removing))
    elif site.sendmail is not None:
        commands += sendmail.beside(site.sendmail, is_last=bool(removing))
    commands += _reload_mta(site)
    return Step(
        "Step 1, beside",
        f"The new filter runs first beside the old chain: behind it, for {removing[0]} would remove its field, under a "
        f"name of its own, in mode monitor. It refuses nothing. What {removing[0]} refuses, it does not see."
        if removing
        else "The new filter runs first beside the old chain: in front of it, under a name of its own, in mode "
        "monitor. It refuses nothing, and sees what the others refuse, too.",
        tuple(commands),
        "After a week or two, see where the two differ: dmarc-milter compare. What would be refused: "
        "dmarc-milter what-if.",
    )


def _own_id(site: Site) -> str:
    name = f"new.{site.host_name}" if site.host_name else "new.'\"$(hostname -f)\"'"
    if site.draft.find("milter", "authserv_id") is not None:
        return f"sed -i 's/^authserv_id = .*/authserv_id = \"{name}\"/' {SETTINGS}"
    return f"sed -i '/^\\[milter\\]/a authserv_id = \"{name}\"' {SETTINGS}"


def _take_over(site: Site) -> Step:
    commands = [Command(_final_id(site), "the name that readers of the header know")]
    if site.draft.mode == "enforce":
        commands.append(
            Command(f'sed -i \'s/^mode = "monitor"/mode = "enforce"/\' {SETTINGS}', "refuse, as the old chain did")
        )
    commands.append(Command("systemctl reload dmarc-milter"))
    if site.postfix is not None:
        commands += postfix.take_over(site.postfix, site.replaced)
    elif site.sendmail is not None:
        commands += sendmail.take_over(site.sendmail, site.replaced)
    commands += _reload_mta(site)
    # Not before: OpenDMARC refuses what only DKIM lets pass, once OpenDKIM no longer tells it.
    for program in site.programs:
        commands += _becomes(program)
    return Step(
        "Step 2, take over",
        _before_taking_over(site),
        tuple(commands),
        "Then: dmarc-milter attach postfix --dry-run, which tells what else concerns the filter."
        if site.postfix is not None
        else "",
    )


def _before_taking_over(site: Site) -> str:
    files = "main.cf, master.cf and of " if site.postfix is not None else ""
    text = (
        f"Programs that sign stay, and this filter replaces the programs that verified. Keep copies of {files}each "
        f"file that is changed here: to go back, restore them, and reload."
    )
    is_verifying = any(each.becomes for each in site.programs)
    if is_verifying and site.replaced.judges:
        text += (
            " Keep the order, too: without results of DKIM, the program that judges DMARC now would refuse mail "
            "that passes by DKIM alone."
        )
    return text


def _final_id(site: Site) -> str:
    wanted = site.draft.find("milter", "authserv_id")
    if wanted is None:
        return f"sed -i '/^authserv_id = \"new\\./d' {SETTINGS}"
    return f"sed -i 's/^authserv_id = .*/authserv_id = \"{wanted.value}\"/' {SETTINGS}"


def _becomes(program: Program) -> Iterator[Command]:
    for path, first, last in program.commented_out:
        where = str(first) if first == last else f"{first},{last}"
        why = f"{path.rpartition('/')[2]}: {program.name} no longer refuses by its own verdict"
        yield Command(f"sed -i '{where}s/^/#/' {path}", why)
    if program.by_hand:
        yield Command(f"systemctl restart {program.service}", f"by hand: {program.by_hand} Then")
    elif program.commented_out:
        yield Command(f"systemctl restart {program.service}")
    if not program.becomes:
        return
    name = program.file.rpartition("/")[2]
    why = f"{name}: {program.becomes.removesuffix(';')}. {program.becomes_why}"
    if program.becomes_line is None:
        yield Command(f"sed -i '$a {program.becomes}' {program.file}", why)
    else:
        yield Command(f"sed -i '{program.becomes_line}s/.*/{program.becomes}/' {shlex.quote(program.file)}", why)
    yield Command(f"systemctl restart {program.service}")


def _clean_up(site: Site) -> Step:
    going = [each for each in site.programs if not each.stays]
    commands = [Command(f"systemctl disable --now {each.service}", each.name) for each in going if each.sockets]
    if site.postfix is not None:
        unused = postfix.clean_up(site.postfix, site.replaced)
        commands += [*unused, *_reload_mta(site)] if unused else []
    names = ", ".join(each.name for each in going)
    return Step(
        "Step 3, clean up",
        "When everything works, remove what is no longer used."
        if commands
        else "Nothing of the old chain is left over.",
        tuple(commands),
        f"Then remove the packages of {names}; keep their settings until you are sure." if names else "",
    )


def _reload_mta(site: Site) -> Sequence[Command]:
    if site.postfix is not None:
        return (Command("systemctl reload postfix"),)
    if site.sendmail is not None:
        return (Command("make -C /etc/mail && systemctl restart sendmail"),)
    return ()
