"""What attach and detach would change, and what they say of a Postfix configuration: as tables."""

import ipaddress
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from dmarc_milter.attaching import own_mail, plan, probe, record
from dmarc_milter.attaching.findings import findings
from dmarc_milter.attaching.milter_address import same
from dmarc_milter.attaching.milters import entries, expanded, value_of
from dmarc_milter.attaching.plan import Change
from dmarc_milter.attaching.postfix import Configuration, Service
from dmarc_milter.attaching.record import AttachRecord
from dmarc_milter.attaching.who_answers import other_milter
from dmarc_milter.settings import config, installed
from dmarc_milter.settings.addresses import InetAddress, UnixAddress

OURS = "inet:127.0.0.1:8899"
BRACES = "{ inet:127.0.0.1:8899, default_action=accept }"
OTHER = "inet:localhost:8891"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

VALUES = {
    "smtpd_milters": "",
    "non_smtpd_milters": "",
    "milter_default_action": "tempfail",
    "milter_mail_macros": "i {auth_type} {auth_authen}",
    "mynetworks": "127.0.0.0/8 [::1]/128",
    "content_filter": "",
    "smtpd_proxy_filter": "",
    "smtpd_sasl_auth_enable": "no",
}
SMTP = Service("smtp", "inet", "smtpd", is_chrooted=False)
EARLIER = AttachRecord(OURS, "before", "after", ("smtpd_milters", "milter_default_action"))


def configuration(*services: Service, version: tuple[int, int] = (3, 7), **written: str) -> Configuration:
    return Configuration(
        folder=Path("/etc/postfix"),
        version=version,
        queue_directory="/var/spool/postfix",
        mail_owner="postfix",
        values={**VALUES, **written},
        is_set=frozenset(written),
        services=services or (SMTP,),
    )


@pytest.mark.parametrize(
    ("value", "texts", "addresses"),
    [
        ("", [], []),
        (OTHER, [OTHER], [OTHER]),
        (f"{OTHER},\n    unix:/run/x", [OTHER, "unix:/run/x"], [OTHER, "unix:/run/x"]),
        (f"{OTHER} {BRACES}", [OTHER, BRACES], [OTHER, OURS]),
        ("{unix:/x,a=b}", ["{unix:/x,a=b}"], ["unix:/x"]),
        ("{ }", ["{ }"], [""]),
        ("{ unix:/x", ["{ unix:/x"], ["unix:/x"]),
    ],
)
def test_entries(value: str, texts: list[str], addresses: list[str]) -> None:
    found = entries(value)
    assert [each.text for each in found] == texts
    assert [each.address for each in found] == addresses
    assert entries(value_of(found)) == found


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (OURS, None),
        (BRACES, "accept"),
        ("{ unix:/x, default_action = tempfail }", "tempfail"),
        ("{ unix:/x, connect_timeout=3s }", None),
    ],
)
def test_the_default_action_of_an_entry(text: str, action: str | None) -> None:
    assert entries(text)[0].default_action == action


def test_other_settings_of_an_entry_stay() -> None:
    (entry,) = entries("{ unix:/x, connect_timeout=3s, default_action=accept }")
    assert entry.with_default_action("tempfail").text == "{ unix:/x, connect_timeout=3s, default_action=tempfail }"


@pytest.mark.parametrize(
    ("value", "expanded_value"),
    [("$b", f"{OTHER} {OURS}"), ("${a} $c", f"{OURS} $c"), ("$d", "x " * 64 + "$d")],
    ids=["of parameters", "an unknown one", "one that names itself"],
)
def test_a_value_with_parameters(value: str, expanded_value: str) -> None:
    assert expanded(value, {"a": OURS, "b": f"{OTHER} $(a)", "d": "x $d"}) == expanded_value


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("inet:8899@127.0.0.1", OURS, True),
        ("inet:[::1]:8899", "inet6:8899@localhost", True),
        ("unix:dmarc/s", "local:/var/spool/postfix/dmarc/s", True),
        ("/run/s", "unix:/run/s", True),
        (OURS, OTHER, False),
        ("tcp:127.0.0.1:8899", "tcp:127.0.0.1:8899", False),
        ("inet:a:b:c", "inet:a:b:c", False),
        ("", "", False),
    ],
)
def test_two_addresses_of_one_filter(one: str, other: str, is_same: bool) -> None:
    """What is no address of a filter is at no place."""
    assert same(one, other) is is_same


TEMPFAIL = BRACES.replace("accept", "tempfail")
ATTACH = {
    "nothing there": (configuration(), None, None, [Change("smtpd_milters", None, BRACES)]),
    "behind another": (
        configuration(smtpd_milters=OTHER), None, None,
        [Change("smtpd_milters", OTHER, f"{OTHER}, {BRACES}")],
    ),
    "already": (configuration(smtpd_milters=BRACES), None, None, []),
    "another action": (
        configuration(smtpd_milters=BRACES), "tempfail", None,
        [Change("smtpd_milters", BRACES, TEMPFAIL)],
    ),
    "an action that was chosen stays": (configuration(smtpd_milters=TEMPFAIL), None, None, []),
    "the operator's action for all filters": (
        configuration(milter_default_action="quarantine"), None, None,
        [Change("smtpd_milters", None, OURS)],
    ),
    "an action of its own beside that": (
        configuration(milter_default_action="quarantine"), "accept", None,
        [Change("smtpd_milters", None, BRACES)],
    ),
    "old Postfix": (
        configuration(version=(2, 11)), None, None,
        [Change("smtpd_milters", None, OURS), Change("milter_default_action", None, "accept")],
    ),
    "old Postfix, its operator's action": (
        configuration(version=(2, 11), milter_default_action="quarantine"), None, None,
        [Change("smtpd_milters", None, OURS)],
    ),
    "already, by a parameter": (
        replace(configuration(smtpd_milters="$mine"), parameters={"mine": f"{OTHER}, {OURS}"}), None, None, [],
    ),
    "moved": (
        configuration(smtpd_milters=f"{{ unix:/old, default_action=tempfail }}, {OTHER}"), None,
        replace(EARLIER, address="unix:/old", unset_before=()),
        [Change("smtpd_milters", f"{{ unix:/old, default_action=tempfail }}, {OTHER}", f"{TEMPFAIL}, {OTHER}")],
    ),
    "the action that an earlier version set for all filters": (
        configuration(smtpd_milters=OURS, milter_default_action="accept"), None, EARLIER,
        [Change("smtpd_milters", OURS, BRACES), Change("milter_default_action", "accept", None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("postfix", "action", "known", "changes"), ATTACH.values(), ids=ATTACH.keys())
def test_attach(postfix: Configuration, action: str | None, known: AttachRecord | None, changes: list[Change]) -> None:
    assert list(plan.to_attach(postfix, OURS, action, known)) == changes


DETACH = {
    "alone": (configuration(smtpd_milters=BRACES), None, [Change("smtpd_milters", BRACES, None)]),
    "among others": (
        configuration(smtpd_milters=f"{OTHER}, {BRACES}"), None,
        [Change("smtpd_milters", f"{OTHER}, {BRACES}", OTHER)],
    ),
    "not attached": (configuration(smtpd_milters=OTHER), EARLIER, []),
    "attached elsewhere, by the record": (
        configuration(smtpd_milters="unix:/old"), replace(EARLIER, address="unix:/old", unset_before=()),
        [Change("smtpd_milters", "unix:/old", None)],
    ),
    "the action for all filters, that attach set": (
        configuration(smtpd_milters=OURS, milter_default_action="accept"), EARLIER,
        [Change("smtpd_milters", OURS, None), Change("milter_default_action", "accept", None)],
    ),
    "others rely on it by now": (
        configuration(smtpd_milters=f"{OURS}, {OTHER}", milter_default_action="accept"), EARLIER,
        [Change("smtpd_milters", f"{OURS}, {OTHER}", OTHER)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("postfix", "known", "changes"), DETACH.values(), ids=DETACH.keys())
def test_detach(postfix: Configuration, known: AttachRecord | None, changes: list[Change]) -> None:
    assert list(plan.to_detach(postfix, OURS, known)) == changes


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (Change("a", None, "1"), ("+ a = 1",)),
        (Change("a", "1", None), ("- a = 1",)),
        (Change("a", "1", "2"), ("- a = 1", "+ a = 2")),
    ],
)
def test_a_change_as_it_is_shown(change: Change, lines: tuple[str, ...]) -> None:
    assert change.lines == lines


def smtpd(name: str, **overrides: str) -> Service:
    return Service(name, "inet", "smtpd", is_chrooted=False, overrides=overrides)


FINDINGS = {
    "nothing to say": (configuration(), LOOPBACK, []),
    "networks that Postfix relays for": (
        configuration(mynetworks="127.0.0.0/8, 192.0.2.0/24 [2001:db8::]/32"), LOOPBACK,
        ['trusted_networks = ["127.0.0.0/8", "::1/128", "192.0.2.0/24", "2001:db8::/32"]'],
    ),
    "Debian's own": (configuration(mynetworks="127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"), LOOPBACK, []),
    "a wider network is trusted": (
        configuration(mynetworks="192.0.2.0/25"), (ipaddress.ip_network("192.0.2.0/24"),), [],
    ),
    "a table of networks": (configuration(mynetworks="127.0.0.1 cidr:/etc/postfix/own"), LOOPBACK, ["cidr:/etc/postfix/own"]),
    "local submissions": (configuration(mynetworks="", non_smtpd_milters="$smtpd_milters"), (), ['trusted_networks = ["127.0.0.0/8", "::1/128"]', "postconf -e 'non_smtpd_milters ="]),
    "local submissions, by name": (configuration(mynetworks="", non_smtpd_milters=OURS), (), ["own mail", "local mail"]),
    "local submissions, by name of a parameter": (
        replace(configuration(mynetworks="", non_smtpd_milters="$mine"), parameters={"mine": f"{OTHER}, {OURS}"}),
        LOOPBACK, ["local mail"],
    ),
    "void for strangers' mail": (configuration(smtpd("smtp", smtpd_milters="")), LOOPBACK, ["postconf -PX 'smtp/inet/smtpd_milters'"]),
    "void for an address's": (
        configuration(smtpd("192.0.2.1:25", receive_override_options="no_milters")), LOOPBACK,
        ["postconf -PX '192.0.2.1:25/inet/receive_override_options'"],
    ),
    "behind postscreen": (
        configuration(Service("smtpd", "pass", "smtpd", is_chrooted=True, overrides={"smtpd_milters": ""})), LOOPBACK,
        ["smtpd/pass"],
    ),
    "an override that names us": (configuration(smtpd("smtp", smtpd_milters=f"{OTHER}, {BRACES}")), LOOPBACK, []),
    "submission asks, too": (
        configuration(SMTP, smtpd("submission", smtpd_sasl_auth_enable="yes"), smtpd_milters=OTHER), LOOPBACK,
        [f"postconf -P 'submission/inet/smtpd_milters={OTHER}'"],
    ),
    "submission does not": (configuration(SMTP, smtpd("submission", smtpd_milters=OTHER)), LOOPBACK, []),
    "no macro for who logged in": (configuration(milter_mail_macros="i"), LOOPBACK, ["{auth_authen}"]),
    "a content filter hands back": (
        configuration(SMTP, smtpd("127.0.0.1:10025"), content_filter="smtp:127.0.0.1:10024"), LOOPBACK,
        ["postconf -P '127.0.0.1:10025/inet/smtpd_milters='"],
    ),
    "a content filter, without us": (
        configuration(smtpd("smtp", content_filter="scan"), smtpd("127.0.0.1:10025", receive_override_options="no_milters")), LOOPBACK,
        [],
    ),
    "a content filter hands back, and only another is asked": (
        configuration(SMTP, smtpd("127.0.0.1:10025", smtpd_milters=OTHER), content_filter="scan"), LOOPBACK, [],
    ),
    "loopback without a content filter": (configuration(SMTP, smtpd("127.0.0.1:10025")), LOOPBACK, []),
}  # fmt: skip


@pytest.mark.parametrize(("postfix", "trusted", "said"), FINDINGS.values(), ids=FINDINGS.keys())
def test_findings(postfix: Configuration, trusted: tuple[ipaddress.IPv4Network, ...], said: list[str]) -> None:
    found = findings(postfix, OURS, trusted)
    assert len(found) == len(said), found
    for expected, sentence in zip(said, found, strict=True):
        assert expected in sentence


def test_the_record_of_an_earlier_version(tmp_path: Path) -> None:
    old = {"before": "b", "after": "a", "unset": ["smtpd_milters"], "milter": OURS}
    (tmp_path / record.NAME).write_text(json.dumps(old))
    assert record.read(tmp_path) == AttachRecord(OURS, "b", "a", ("smtpd_milters",))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"milter": 1}', '{"address": "x", "before": "b"}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / record.NAME).write_text(text)
    assert record.read(tmp_path) is None


def test_a_record_is_for_root_alone_and_comes_back(tmp_path: Path) -> None:
    record.write(tmp_path, EARLIER)
    assert record.read(tmp_path) == EARLIER
    assert (tmp_path / record.NAME).stat().st_mode & 0o777 == 0o600
    record.forget(tmp_path)
    assert record.read(tmp_path) is None


@pytest.mark.parametrize(("found", "before"), [("after", "before"), ("changed by hand", None)])
def test_a_second_attach_undoes_no_work_of_others(found: str, before: str | None) -> None:
    assert EARLIER.again("unix:/new", found, "later") == AttachRecord(
        "unix:/new", before, "later", EARLIER.unset_before
    )


@pytest.mark.parametrize(("mode", "is_reachable"), [(0o666, True), (0o660, False)])
def test_a_socket_that_postfix_may_not_use(tmp_path: Path, mode: int, is_reachable: bool) -> None:
    path = tmp_path / "socket"
    path.touch()
    path.chmod(mode)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o001)
    assert (probe.why_unreachable(path, "nobody") is None) is is_reachable
    assert probe.why_unreachable(path, "nobody-of-this-name") is None


@pytest.mark.parametrize(
    ("mode", "trusted", "mynetworks", "said"),
    [
        ("monitor", [], "127.0.0.0/8", []),
        ("enforce", None, "127.0.0.0/8 [::1]/128", []),
        ("enforce", [], "", ['trusted_networks = ["127.0.0.0/8", "::1/128"]']),
        ("enforce", None, "192.0.2.0/24 192.0.2.7", ["own mail from 192.0.2.0/24 is judged"]),
        ("enforce", ["127.0.0.0/8", "::1", "192.0.2.0/24"], "192.0.2.0/24", []),
    ],
)
def test_own_mail_that_may_be_refused_is_told_at_the_start(
    mode: str, trusted: list[str] | None, mynetworks: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakePostfix:
        def __init__(self, folder: Path | None) -> None:
            pass

        def read(self) -> Configuration:
            return configuration(mynetworks=mynetworks)

    monkeypatch.setattr(own_mail, "Postfix", FakePostfix)
    policy: dict[str, object] = {"mode": mode}
    if trusted is not None:
        policy["trusted_networks"] = trusted
    found = own_mail.warnings(config.parse({"policy": policy}))
    assert len(found) == len(said)
    for expected, sentence in zip(said, found, strict=True):
        assert expected in sentence


def test_without_postfix_this_host_is_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    (told,) = own_mail.warnings(config.parse({"policy": {"mode": "enforce", "trusted_networks": []}}))
    assert "127.0.0.0/8" in told


@pytest.mark.parametrize(
    ("present", "listen"),
    [
        ((), "inet:9892@127.0.0.1"),
        (("run",), "unix:{folder}/run/dmarc-milter.sock"),
        (("spool", "run"), "unix:{folder}/spool/dmarc-milter.sock"),
    ],
)
def test_where_an_installed_filter_listens(
    present: tuple[str, ...], listen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in present:
        (tmp_path / name).mkdir()
    path = tmp_path / "filter.toml"
    monkeypatch.setattr(config, "DEFAULT_PATH", path)
    monkeypatch.setattr(installed, "SOCKET_FOLDERS", (tmp_path / "spool", tmp_path / "run"))
    # Without a settings file, the filter is not installed.
    assert str(config.load_file(None).settings.milter.listen[0]) == "inet:9892@127.0.0.1"
    path.write_text("")
    for named in (None, path):
        assert str(config.load_file(named).settings.milter.listen[0]) == listen.format(folder=tmp_path)
    other = tmp_path / "other.toml"
    other.write_text("")
    assert str(config.load_file(other).settings.milter.listen[0]) == "inet:9892@127.0.0.1"
    path.write_text('[milter]\nlisten = "unix:/x"\n')
    assert str(config.load_file(path).settings.milter.listen[0]) == "unix:/x"


# Who answers

COMMANDS = {
    "OpenDMARC": (b"/usr/sbin/opendmarc\0-p\0inet:8893@localhost\0", "opendmarc"),
    "a script": (b"/usr/bin/python3\0/usr/bin/pyspf-milter\0/etc/pyspf-milter/pyspf-milter.conf\0", "pyspf-milter"),
    "rspamd": (b"rspamd: main process\0", "rspamd"),
    "this filter": (b"/usr/bin/python3\0/usr/bin/dmarc-milter\0serve\0", None),
    "one that only speaks of it": (b"/usr/bin/less\0/etc/opendmarc.conf\0", None),
}


@pytest.mark.parametrize(("command", "name"), COMMANDS.values(), ids=COMMANDS)
def test_who_listens_at_a_port(tmp_path: Path, command: bytes, name: str | None) -> None:
    (tmp_path / "net").mkdir()
    heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 0100007F:22BD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n"
    (tmp_path / "net" / "tcp").write_text(heading + row)
    (tmp_path / "12" / "fd").mkdir(parents=True)
    (tmp_path / "12" / "fd" / "3").symlink_to("socket:[4711]")
    (tmp_path / "12" / "cmdline").write_bytes(command)
    assert other_milter(InetAddress("127.0.0.1", 8893), tmp_path) == name
    assert other_milter(InetAddress("127.0.0.1", 8894), tmp_path) is None


def test_who_listens_at_a_socket() -> None:
    """As this system tells it, of a program that bears such a name."""
    with tempfile.TemporaryDirectory() as folder:
        program = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True); input()"
        (Path(folder) / "opendkim").write_text(program)
        command = [sys.executable, f"{folder}/opendkim", f"{folder}/s"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert other_milter(UnixAddress(f"{folder}/s")) == "opendkim"
            assert other_milter(UnixAddress(f"{folder}/none")) is None
            process.communicate(b"\n")
