"""dmarc-milter attach and detach: main.cf is changed through postconf, and shown first."""

import argparse
import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from dmarc_milter.settings import config
from dmarc_milter.settings.config import ListenAddress, UnixAddress

DONE, NOTHING, ERROR = 0, 1, 2
STATE = "dmarc-milter.attached"
"""Beside main.cf: what it was before, and after."""
USER = "dmarc-milter"
"""Of the service, as the Debian package makes it."""


class _AttachError(Exception):
    """One line for the person at the terminal."""


class Postfix:
    """One Postfix configuration, by its own tools."""

    def __init__(self, folder: Path | None) -> None:
        self._postconf = self._find("postconf")
        self._options = ["-c", str(folder)] if folder is not None else []
        self.folder = folder or Path(self.value("config_directory"))
        self.main_cf = self.folder / "main.cf"

    @staticmethod
    def _find(program: str) -> str:
        found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found is None:
            raise _AttachError(f"{program} was not found: is Postfix installed?")
        return found

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - a program of the system, no shell
            [self._postconf, *self._options, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise _AttachError(f"postconf: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}")
        return done.stdout

    def value(self, parameter: str) -> str:
        """The value in force, as it is written."""
        return self._run("-h", parameter).strip()

    def is_set(self, parameter: str) -> bool:
        """Whether main.cf sets it."""
        return bool(self._run("-n", parameter).strip())

    def set(self, parameter: str, value: str) -> None:
        self._run("-e", f"{parameter} = {value}")

    def unset(self, parameter: str) -> None:
        self._run("-X", parameter)

    @property
    def queue_folder(self) -> str:
        return self.value("queue_directory")

    @property
    def group(self) -> str:
        """The group of its daemons, which has to be able to write to a socket."""
        owner = self.value("mail_owner")
        try:
            return grp.getgrgid(pwd.getpwnam(owner).pw_gid).gr_name
        except KeyError:
            raise _AttachError(f"Postfix's mail_owner {owner} is no user here") from None

    @property
    def has_chrooted_smtpd(self) -> bool:
        """Whether an smtpd of master.cf runs in Postfix's queue folder."""
        return any(line.split()[7:8] == ["smtpd"] and line.split()[4] == "y" for line in self._run("-M").splitlines())

    def reload(self) -> None:
        """Have the running Postfix read main.cf; one that does not run will read it when it starts."""
        program = self._find("postfix")
        running = subprocess.run([program, *self._options, "status"], capture_output=True, check=False)  # noqa: S603
        if running.returncode == 0:
            subprocess.run([program, *self._options, "reload"], capture_output=True, check=False)  # noqa: S603


def attach(options: argparse.Namespace) -> int:
    """dmarc-milter attach"""
    try:
        address = config.load_default(options.config).milter.listen[0]
        if options.mta == "sendmail":
            return _sendmail(address, options)
        return _attach(Postfix(options.postfix_config), address, options)
    except (_AttachError, OSError) as error:
        return _fail(error)


def detach(options: argparse.Namespace) -> int:
    """dmarc-milter detach"""
    try:
        return _detach(Postfix(options.postfix_config), config.load_default(options.config).milter.listen[0], options)
    except (_AttachError, OSError) as error:
        return _fail(error)


def _fail(error: Exception) -> int:
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
    print(f"dmarc-milter: {text}", file=sys.stderr)
    return ERROR


def milter_of(address: ListenAddress, queue_folder: str, *, is_chrooted: bool) -> str:
    """The filter as smtpd_milters names it. Raises _AttachError where smtpd could not reach it."""
    if not isinstance(address, UnixAddress):
        host = f"[{address.host}]" if address.is_ipv6 else address.host
        return f"inet:{host}:{address.port}"
    inside = address.path.removeprefix(queue_folder.rstrip("/") + "/")
    if inside != address.path:
        # Relative to the queue folder: right whether smtpd is chrooted or not.
        return f"unix:{inside}"
    if is_chrooted:
        raise _AttachError(
            f"smtpd runs inside {queue_folder} and cannot reach {address.path}: let [milter] listen be in there, "
            f"like unix:{queue_folder}/dmarc-milter/dmarc-milter.sock"
        )
    return f"unix:{address.path}"


def _attach(postfix: Postfix, address: ListenAddress, options: argparse.Namespace) -> int:
    milter = milter_of(address, postfix.queue_folder, is_chrooted=postfix.has_chrooted_smtpd)
    changes = _changes(postfix, milter, options)
    folder = _missing_folder(postfix, address)
    if not changes and folder is None:
        print(f"{postfix.main_cf}: already attached ({milter})")
        return DONE
    if folder is not None:
        print(f"{folder}:\n  + a folder for the socket, of {_user()}, group {postfix.group}, mode 2750")
    if not _confirmed({name: (postfix.value(name), value) for name, value in changes.items()}, postfix, options):
        return NOTHING
    if folder is not None:
        _make(folder, postfix.group)
    if changes:
        _change(postfix, changes, milter)
    _finish(postfix, options)
    if folder is not None:
        print("the filter can open its socket there once it is restarted: systemctl restart dmarc-milter")
    return DONE


def _change(postfix: Postfix, changes: dict[str, str], milter: str) -> None:
    before = postfix.main_cf.read_text("utf-8", "surrogateescape")
    unset_before = [name for name in changes if not postfix.is_set(name)]
    for name, value in changes.items():
        postfix.set(name, value)
    _remember(postfix, before, milter, unset_before)


def _changes(postfix: Postfix, milter: str, options: argparse.Namespace) -> dict[str, str]:
    """The parameters of main.cf that have to change."""
    changes: dict[str, str] = {}
    present = split(postfix.value("smtpd_milters"))
    if milter not in present:
        changes["smtpd_milters"] = ", ".join([*present, milter])
    action = options.default_action or ("accept" if not postfix.is_set("milter_default_action") else None)
    if action is not None and postfix.value("milter_default_action") != action:
        changes["milter_default_action"] = action
    return changes


def _missing_folder(postfix: Postfix, address: ListenAddress) -> Path | None:
    """The folder of a socket inside Postfix's own, where it is not there yet."""
    if not isinstance(address, UnixAddress):
        return None
    folder = Path(address.path).parent
    is_inside = folder.is_relative_to(postfix.queue_folder) and folder != Path(postfix.queue_folder)
    return folder if is_inside and not folder.exists() else None


def _user() -> str:
    """The service's user; its absence means that the filter runs as whoever calls this."""
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        return pwd.getpwuid(os.getuid()).pw_name


def _make(folder: Path, group: str) -> None:
    """Sockets in it get its group: the filter's user need not be in that."""
    folder.mkdir()
    shutil.chown(folder, _user(), group)
    folder.chmod(0o2750)


def split(milters: str) -> list[str]:
    """The filters of smtpd_milters; one with settings of its own, ``{ inet:... }``, is one."""
    found: list[str] = []
    depth, word = 0, ""
    for character in milters:
        depth += (character == "{") - (character == "}")
        if depth == 0 and character in ", \t\r\n":
            found.append(word)
            word = ""
        else:
            word += character
    return [each for each in [*found, word] if each]


def _confirmed(changes: dict[str, tuple[str, str]], postfix: Postfix, options: argparse.Namespace) -> bool:
    if changes:
        print(f"{postfix.main_cf}:")
    for name, (old, new) in changes.items():
        print(f"  - {name} = {old}\n  + {name} = {new}")
    if options.dry_run:
        return False
    if options.yes:
        return True
    if not sys.stdin.isatty():
        print("dmarc-milter: nothing changed; say --yes to change it", file=sys.stderr)
        return False
    return input("Change it? [y/N] ").strip().lower() in ("y", "yes")


def _remember(postfix: Postfix, before: str, milter: str, unset_before: list[str]) -> None:
    """The first time only: what a second attach changes is undone together with it."""
    path = postfix.folder / STATE
    known = _state(postfix)
    after = postfix.main_cf.read_text("utf-8", "surrogateescape")
    state = known if known is not None else {"before": before, "unset": unset_before, "milter": milter}
    path.write_text(json.dumps({**state, "after": after}), "utf-8")
    path.chmod(0o600)


def _state(postfix: Postfix) -> dict[str, object] | None:
    try:
        found = json.loads((postfix.folder / STATE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _detach(postfix: Postfix, address: ListenAddress, options: argparse.Namespace) -> int:
    state = _state(postfix)
    current = postfix.main_cf.read_text("utf-8", "surrogateescape")
    milter = str(state["milter"]) if state else milter_of(address, postfix.queue_folder, is_chrooted=False)
    present = split(postfix.value("smtpd_milters"))
    if milter not in present:
        print(f"{postfix.main_cf}: not attached")
        return NOTHING
    left = ", ".join(each for each in present if each != milter)
    if not _confirmed({"smtpd_milters": (postfix.value("smtpd_milters"), left)}, postfix, options):
        return NOTHING
    if state is not None and state["after"] == current:
        _replace(postfix.main_cf, str(state["before"]))
    else:
        _take_out(postfix, left, state)
    (postfix.folder / STATE).unlink(missing_ok=True)
    _finish(postfix, options)
    return DONE


def _take_out(postfix: Postfix, left: str, state: dict[str, object] | None) -> None:
    """main.cf was changed since: only what is ours goes."""
    if left:
        postfix.set("smtpd_milters", left)
    else:
        postfix.unset("smtpd_milters")
    unset = state["unset"] if state is not None else []
    if isinstance(unset, list) and "milter_default_action" in unset and not left:
        postfix.unset("milter_default_action")


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, with the same owner and mode."""
    status = path.stat()
    new = path.with_name(f".{path.name}.dmarc-milter")
    new.write_text(text, "utf-8", "surrogateescape")
    new.chmod(status.st_mode & 0o7777)
    os.chown(new, status.st_uid, status.st_gid)
    new.replace(path)


def _finish(postfix: Postfix, options: argparse.Namespace) -> None:
    if options.no_reload:
        print("changed; not yet in force: postfix reload")
        return
    postfix.reload()
    print("changed and reloaded")


def sendmail_line(address: ListenAddress, *, fail_temporarily: bool) -> str:
    """The line of sendmail.mc that attaches the filter."""
    flag = ", F=T" if fail_temporarily else ""
    return f"INPUT_MAIL_FILTER(`dmarc-milter', `S={address}{flag}, T=S:4m;R:4m;E:10m')dnl"


def _sendmail(address: ListenAddress, options: argparse.Namespace) -> int:
    print("In /etc/mail/sendmail.mc, before the MAILER lines:\n")
    print(f"    {sendmail_line(address, fail_temporarily=options.default_action == 'tempfail')}\n")
    if options.default_action is None:
        print("(mail comes in unjudged while the filter is down; --default-action tempfail has senders try again)\n")
    print("Then rebuild and restart:\n\n    make -C /etc/mail && systemctl restart sendmail")
    return DONE
