"""Stand-ins for Postfix's own tools, which read and write main.cf and master.cf as postconf(1) does."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

_USUAL = {
    "mail_version": "3.7.11",
    "queue_directory": "/var/spool/postfix",
    "mail_owner": "nobody",
    "compatibility_level": "0",
    "smtpd_milters": "",
    "non_smtpd_milters": "",
    "milter_default_action": "tempfail",
    "milter_mail_macros": "i {auth_type} {auth_authen}",
    "mynetworks": "127.0.0.0/8",
    "content_filter": "",
    "smtpd_proxy_filter": "",
    "smtpd_sasl_auth_enable": "no",
}


class PostfixTools:
    """postconf and postfix, in place of other programs' processes. The Postfix that they mean is the one in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused: Mapping[tuple[str, ...], str] = {}
        """What postconf says of arguments that begin like these, instead of doing what it is told."""
        self.is_running = True
        self.reload_error = ""
        self.reloads: list[list[str]] = []
        """The other arguments of each `postfix reload`."""

    def replace(self, patch: pytest.MonkeyPatch) -> None:
        """Have everybody run these."""
        patch.setattr("shutil.which", lambda name, path: name)
        patch.setattr("subprocess.run", self._run)

    def _run(self, command: Sequence[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        program, *arguments = command
        options: list[str] = []
        if arguments[0] == "-c":
            options, arguments = arguments[:2], arguments[2:]
        folder = Path(options[1]) if options else self.folder
        out, error, status = "", "", 0
        if program == "postconf":
            out, error = self._postconf(folder, arguments)
            status = bool(error)
        elif arguments == ["status"]:
            status = not self.is_running
        elif arguments == ["reload"]:
            self.reloads.append(options)
            error, status = self.reload_error, bool(self.reload_error)
        return subprocess.CompletedProcess(command, int(status), out, error)

    def _postconf(self, folder: Path, arguments: Sequence[str]) -> tuple[str, str]:
        for beginning, said in self.refused.items():
            if all(each.startswith(start) for each, start in zip(arguments, beginning, strict=False)):
                return "", said
        path = folder / "main.cf"
        if not path.exists():
            return "", f"postconf: fatal: open {path}: No such file or directory\n"
        services = [line.split() for line in _logical_lines(folder / "master.cf")]
        said_there = dict(_pair(line) for line in _logical_lines(path))
        match arguments:
            case ["-h", "config_directory"]:
                lines = [str(folder)]
            case ["-n"]:
                lines = [f"{name} = {value}" for name, value in said_there.items()]
            case ["-M"]:
                lines = [" ".join(words[:8]) for words in services]
            case ["-P"]:
                lines = [f"{w[0]}/{w[1]}/{' = '.join(_pair(w[i + 1]))}" for w in services for i in range(8, len(w), 2)]
            case ["-e", pair]:
                path.write_text(_without(path, pair.partition(" =")[0]) + pair + "\n")
                lines = []
            case ["-X", name]:
                path.write_text(_without(path, name))
                lines = []
            case names:
                lines = [f"{name} = {said_there.get(name, _USUAL[name])}" for name in names]
        return "".join(f"{line}\n" for line in lines), ""


def _logical_lines(path: Path) -> list[str]:
    kept = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return re.sub(r"\n[ \t]+", " ", "\n".join(kept)).splitlines()


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()


def _without(path: Path, name: str) -> str:
    """main.cf without a parameter, and without the lines that go on with it."""
    return re.sub(rf"^{name}\s*=.*\n([ \t].*\n)*", "", path.read_text(), flags=re.MULTILINE)
