"""What attach and detach would change, and what they say of a Postfix configuration: as tables."""

import ipaddress
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dmarc_milter.attaching import plan, probe, record
from dmarc_milter.attaching.findings import findings
from dmarc_milter.attaching.milters import entries, value_of
from dmarc_milter.attaching.plan import Change
from dmarc_milter.attaching.postfix import Configuration, Service
from dmarc_milter.attaching.record import AttachRecord

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
    "a wider network is trusted": (
        configuration(mynetworks="192.0.2.0/25"), (ipaddress.ip_network("192.0.2.0/24"),), [],
    ),
    "a table of networks": (configuration(mynetworks="127.0.0.1 cidr:/etc/postfix/own"), LOOPBACK, ["cidr:/etc/postfix/own"]),
    "local submissions": (configuration(mynetworks="", non_smtpd_milters="$smtpd_milters"), (), ['trusted_networks = ["127.0.0.0/8", "::1/128"]']),
    "local submissions, by name": (configuration(mynetworks="", non_smtpd_milters=OURS), (), ["own mail"]),
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
