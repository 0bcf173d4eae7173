"""One Postfix configuration, read and changed by Postfix's own tools."""

import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dmarc_milter.attaching.milters import entries, expanded

PATIENCE_SECONDS = 30.0
"""postconf waits itself for two seconds where main.cf has just been written."""
_READ = (
    "smtpd_milters",
    "non_smtpd_milters",
    "milter_default_action",
    "milter_mail_macros",
    "mynetworks",
    "content_filter",
    "smtpd_proxy_filter",
    "smtpd_sasl_auth_enable",
)


class AttachError(Exception):
    """One line for the person at the terminal: what, where, and what to do."""


@dataclass(frozen=True)
class Service:
    """A server of master.cf."""

    name: str
    """Like ``smtp``, ``submission`` or ``127.0.0.1:10025``."""
    type: str
    """``inet``, ``unix``, ``pass``..."""
    command: str
    is_chrooted: bool
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What its ``-o`` options say."""

    @property
    def is_smtpd(self) -> bool:
        """Whether it takes mail over the network."""
        return self.command == "smtpd" and self.type in ("inet", "pass")

    @property
    def path(self) -> str:
        """As ``postconf -P`` names it."""
        return f"{self.name}/{self.type}"


@dataclass(frozen=True)
class Configuration:
    """What attaching has to know of one Postfix."""

    folder: Path
    version: tuple[int, int]
    queue_directory: str
    mail_owner: str
    values: Mapping[str, str]
    """The value in force of each parameter that is read here."""
    is_set: frozenset[str]
    """Those of them that main.cf sets."""
    services: tuple[Service, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    """All that main.cf sets, as it is written there."""

    @property
    def main_cf(self) -> Path:
        """The file that is changed."""
        return self.folder / "main.cf"

    @property
    def has_options_per_milter(self) -> bool:
        """Whether a filter's entry may have settings of its own, in braces."""
        return self.version >= (3, 0)

    @property
    def has_chrooted_smtpd(self) -> bool:
        """Whether an smtpd runs in Postfix's queue folder."""
        return any(each.is_smtpd and each.is_chrooted for each in self.services)

    def asks(self, value: str, address: str) -> bool:
        """Whether a list of filters names the one at `address`, be it by a parameter."""
        return any(each.is_at(address) for each in entries(expanded(value, self.parameters)))

    def written(self, name: str) -> str | None:
        """The value that main.cf sets, or None."""
        return self.values[name] if name in self.is_set else None


class Postfix:
    """The tools of one Postfix."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` holds main.cf; None is the system's own. Raises AttachError where there is no Postfix."""
        self._postconf = _program("postconf")
        self._options = ["-c", str(folder)] if folder is not None else []
        self.folder = folder or Path(self._run("-h", "config_directory").strip())
        self.main_cf = self.folder / "main.cf"

    def _run(self, *arguments: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - a program of the system, no shell
                [self._postconf, *self._options, *arguments],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                timeout=PATIENCE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise AttachError(f"postconf has not answered within {PATIENCE_SECONDS:.0f} s") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["failed"]
            raise AttachError(f"postconf: {said[-1]}")
        return done.stdout

    def _values(self, *parameters: str) -> dict[str, str]:
        """Several at once: each call of the tool reads all of main.cf."""
        lines = (line.partition("=") for line in self._run(*parameters).splitlines())
        return {name.strip(): value.strip() for name, _, value in lines}

    def read(self) -> Configuration:
        """What it says now. Raises AttachError."""
        values = self._values("mail_version", "queue_directory", "mail_owner", "compatibility_level", *_READ)
        version = re.match(r"(\d+)\.(\d+)", values["mail_version"])
        parameters = self.parameters()
        return Configuration(
            folder=self.folder,
            version=(int(version[1]), int(version[2])) if version else (0, 0),
            queue_directory=values["queue_directory"].rstrip("/"),
            mail_owner=values["mail_owner"],
            values={name: values[name] for name in _READ},
            is_set=frozenset(parameters).intersection(_READ),
            services=self._services(is_chroot_usual=values["compatibility_level"] in ("", "0")),
            parameters=parameters,
        )

    def _services(self, *, is_chroot_usual: bool) -> tuple[Service, ...]:
        overrides: dict[str, dict[str, str]] = {}
        for line in self._run("-P").splitlines():
            path, _, value = line.partition("=")
            service, _, name = path.strip().rpartition("/")
            overrides.setdefault(service, {})[name] = value.strip()
        return tuple(
            Service(
                name=words[0],
                type=words[1],
                command=words[7],
                is_chrooted=words[4] == "y" or (words[4] == "-" and is_chroot_usual),
                overrides=overrides.get(f"{words[0]}/{words[1]}", {}),
            )
            for words in (line.split() for line in self._run("-M").splitlines())
            if len(words) > 7
        )

    def parameters(self) -> dict[str, str]:
        """Every parameter that main.cf sets, own ones of the operator too, as it is written. Raises AttachError."""
        lines = (line.partition("=") for line in self._run("-n").splitlines())
        return {name.strip(): value.strip() for name, _, value in lines}

    def commands(self) -> dict[str, str]:
        """What each service of master.cf runs, with its arguments, by ``name/type``. Raises AttachError."""
        lines = (line.split(None, 7) for line in self._run("-M").splitlines())
        return {f"{words[0]}/{words[1]}": words[7] for words in lines if len(words) > 7}

    def set(self, parameter: str, value: str) -> None:
        """Have main.cf set it."""
        self._run("-e", f"{parameter} = {value}")

    def unset(self, parameter: str) -> None:
        """Take it out of main.cf."""
        self._run("-X", parameter)

    def text(self) -> str:
        """main.cf, whatever octets it holds."""
        return self.main_cf.read_text("utf-8", "surrogateescape")

    def replace(self, text: str) -> None:
        """Other contents for main.cf: whole or not at all, with the same owner and mode."""
        status = self.main_cf.stat()
        new = self.main_cf.with_name(f".{self.main_cf.name}.dmarc-milter")
        new.write_text(text, "utf-8", "surrogateescape")
        new.chmod(status.st_mode & 0o7777)
        os.chown(new, status.st_uid, status.st_gid)
        new.replace(self.main_cf)

    @contextlib.contextmanager
    def whole_or_not_at_all(self) -> Iterator[str]:
        """main.cf, to be changed; it is as it was again where AttachError or OSError is raised meanwhile."""
        before = self.text()
        try:
            yield before
        except (AttachError, OSError):
            self.replace(before)
            raise

    def reload(self) -> bool:
        """Have the running Postfix read main.cf; False where it does not run: it will read it when it starts."""
        program = _program("postfix")
        running = subprocess.run([program, *self._options, "status"], capture_output=True, check=False)  # noqa: S603
        if running.returncode != 0:
            return False
        done = subprocess.run(  # noqa: S603
            [program, *self._options, "reload"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise AttachError(f"postfix reload failed: {done.stderr.strip()}")
        return True


def group_of(user: str) -> str:
    """The group of Postfix's daemons, which has to be able to write to a socket. Raises AttachError."""
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        raise AttachError(f"Postfix's mail_owner {user} is no user here") from None


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise AttachError(f"{name} was not found: is Postfix installed?")
    return found
