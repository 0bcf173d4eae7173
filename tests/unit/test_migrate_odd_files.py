"""Files as they are in the wild: of Windows, in other encodings, unreadable, links, and any octets at all."""

import contextlib
import errno
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmarc_milter.cli.main import main
from dmarc_milter.migrating.tree import Tree
from tests.support.migrate_options import ROWS
from tests.support.old_hosts import commands, found
from tests.support.postfix import needs_postfix

pytestmark = pytest.mark.slow

Octets = Mapping[str, bytes]
MAIN_CF = b"compatibility_level = 3.6\nmyhostname = mx.example.org\n"
MASTER_CF = b"smtp inet n - y - - smtpd\n"
OPENDMARC = b"RejectFailures true\nSocket inet:8893@localhost\n"


def root(folder: Path, files: Octets) -> Path:
    for name, octets in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
    return folder


def run(folder: Path) -> tuple[int, str, str]:
    """Exit status, standard output with our file, standard error with the report."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["migrate", "--root", str(folder), "--output", "-"])
    return status, out.getvalue(), err.getvalue()


READ: Mapping[str, tuple[Octets, str]] = {
    "lines of Windows": (
        {"etc/opendmarc.conf": b"AuthservID mx.example.org\r\nRejectFailures true\r\n"},
        'authserv_id = "mx.example.org"  # opendmarc.conf:1',
    ),
    "a mark of the byte order": (
        {"etc/opendmarc.conf": b"\xef\xbb\xbfAuthservID mx.example.org\n"},
        'authserv_id = "mx.example.org"  # opendmarc.conf:1',
    ),
    "Latin-1 in a comment": (
        {"etc/opendmarc.conf": b"# f\xfcr alle\nAuthservID mx.example.org\n"},
        'authserv_id = "mx.example.org"  # opendmarc.conf:2',
    ),
    "a form feed in a comment": (
        {"etc/opendmarc.conf": b"# one \x0c page\nAuthservID mx.example.org\n"},
        'authserv_id = "mx.example.org"  # opendmarc.conf:2',
    ),
    "another end of line in a comment": (
        {"etc/opendmarc.conf": "# one\u2028page\x85\nAuthservID mx.example.org\n".encode()},
        'authserv_id = "mx.example.org"  # opendmarc.conf:2',
    ),
    "no end of the last line": ({"etc/opendmarc.conf": b"AuthservID mx.example.org"}, "opendmarc.conf:1"),
    "UCL of Windows": (
        {"etc/rspamd/local.d/dmarc.conf": b'actions = {\r\n  reject = "reject";\r\n}\r\n'},
        "sed -i '1,3s/^/#/' /etc/rspamd/local.d/dmarc.conf",
    ),
}


@pytest.mark.parametrize(("files", "text"), READ.values(), ids=READ)
def test_read_all_the_same(tmp_path: Path, files: Octets, text: str) -> None:
    status, out, err = run(root(tmp_path, files))
    assert status == 0, err
    assert text in out + err


UNREADABLE: Mapping[str, tuple[Octets, str]] = {
    "a null octet": ({"etc/opendmarc.conf": b"RejectFailures true\0"}, "/etc/opendmarc.conf: no text"),
    "too large": ({"etc/opendmarc.conf": b"#" * 4_000_001}, "larger than"),
    "what Debian hands over": (
        {"etc/opendmarc.conf": OPENDMARC, "etc/default/opendmarc": b"SOCKET=\0"},
        "/etc/default/opendmarc: no text",
    ),
    "OpenDMARC includes nothing": ({"etc/opendmarc.conf": b"Include /etc/more\n"}, "Include is no option"),
    "main.cf": ({"etc/opendmarc.conf": OPENDMARC, "etc/postfix/main.cf": b"a\0"}, "/etc/postfix/main.cf: no text"),
}


@pytest.mark.parametrize(("files", "text"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_said(tmp_path: Path, files: Octets, text: str) -> None:
    status, out, err = run(root(tmp_path, files))
    assert (status, out) == (2, "")
    assert text in err


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root may read everything, it is pretended."""

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    root(tmp_path, {"etc/opendmarc.conf": OPENDMARC})
    monkeypatch.setattr(Path, "open", refuse)
    status, _, err = run(tmp_path)
    assert status == 2
    assert "/etc/opendmarc.conf: Permission denied" in err


@pytest.mark.parametrize("name", ["opendmarc.conf", "postfix/main.cf"])
@pytest.mark.parametrize("target", ["{name}", "/nowhere", "{outside}"], ids=["itself", "nothing", "outside"])
def test_a_link_that_leads_nowhere_is_said(tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "outside").write_text("myhostname = secret.example.org\n")
    folder = root(tmp_path / "root", {"etc/opendkim.conf": b"Mode v\n"})
    link = folder / "etc" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target.format(name=link.name, outside=tmp_path / "outside"))
    status, out, err = run(folder)
    assert (status, out) == (2, "")
    assert link.name in err
    assert "secret" not in err


@needs_postfix
def test_a_link_of_main_cf_stays_below_the_root(tmp_path: Path) -> None:
    files = {"etc/opendmarc.conf": OPENDMARC, "srv/main.cf": MAIN_CF, "etc/postfix/master.cf": MASTER_CF}
    folder = root(tmp_path, files)
    (folder / "etc/postfix/main.cf").symlink_to("/srv/main.cf")
    status, _, err = run(folder)
    assert status == 0
    assert "new.mx.example.org" in err


@needs_postfix
def test_main_cf_in_latin_1(tmp_path: Path) -> None:
    main_cf = MAIN_CF + b"smtpd_banner = f\xfcr alle\nsmtpd_milters = inet:localhost:8893\n"
    files = {"etc/opendmarc.conf": OPENDMARC, "etc/postfix/main.cf": main_cf, "etc/postfix/master.cf": MASTER_CF}
    status, _, err = run(root(tmp_path, files))
    assert status == 0
    assert "postconf -e 'smtpd_milters = unix:dmarc-milter/dmarc-milter.sock'" in err


@needs_postfix
def test_what_postconf_cannot_read_is_said_without_the_place_of_our_copy(tmp_path: Path) -> None:
    files = {"etc/opendmarc.conf": OPENDMARC, "etc/postfix/main.cf": b"?" * 5000}
    said = {run(root(tmp_path, files)) for _ in range(2)}
    ((status, _, err),) = said
    assert status == 2
    assert "/etc/postfix/main.cf, line 1" in err
    assert max(map(len, err.splitlines())) < 400


@needs_postfix
def test_services_with_options_in_braces(tmp_path: Path) -> None:
    files = {
        "etc/opendmarc.conf": OPENDMARC.decode(),
        "etc/postfix/main.cf": MAIN_CF.decode(),
        "etc/postfix/master.cf": "smtp inet n - y - - smtpd\n"
        "  -o { smtpd_milters = inet:localhost:8893, inet:localhost:8891 }\n"
        "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
        "  -o { smtpd_recipient_restrictions = check_policy_service unix:private/policyd-spf, permit }\n"
        "policyd-spf unix - n n - 0 spawn\n  user=nobody argv=/usr/bin/policyd-spf\n",
    }
    lines = commands(found(tmp_path, files), 2)
    ours = "unix:dmarc-milter/dmarc-milter.sock"
    assert f"postconf -P 'smtp/inet/smtpd_milters={ours}, inet:localhost:8891'" in lines
    assert "postconf -P 'submission/inet/smtpd_recipient_restrictions=permit'" in lines


NOTED: Mapping[str, tuple[str, str, str]] = {
    "more instances": (
        "multi_instance_directories = /etc/postfix-out\n",
        "",
        "more instances of Postfix, at /etc/postfix-out",
    ),
    "another policy service": (
        "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:7777\n",
        "",
        "the policy service inet:127.0.0.1:7777",
    ),
    "another in master.cf": (
        "",
        "  -o { smtpd_client_restrictions = check_policy_service { unix:private/grey, timeout=10s } }\n",
        "the policy service unix:private/grey",
    ),
}


@needs_postfix
@pytest.mark.parametrize(("main_cf", "master_cf", "text"), NOTED.values(), ids=NOTED)
def test_what_no_step_changes_is_noted(tmp_path: Path, main_cf: str, master_cf: str, text: str) -> None:
    files = {
        "etc/opendmarc.conf": OPENDMARC.decode(),
        "etc/postfix/main.cf": MAIN_CF.decode() + main_cf,
        "etc/postfix/master.cf": MASTER_CF.decode() + master_cf,
    }
    assert [each for each in found(tmp_path, files).notes if text in each]


@needs_postfix
def test_a_class_by_a_name_within_another(tmp_path: Path) -> None:
    """`spf` is no class here: `spf_strict` is."""
    files = {
        "etc/opendmarc.conf": OPENDMARC.decode(),
        "etc/postfix/main.cf": MAIN_CF.decode()
        + "smtpd_restriction_classes = spf_strict\nspf_strict = check_policy_service unix:private/policyd-spf\n"
        "smtpd_client_restrictions = check_policy_service unix:private/policyd-spf\n",
        "etc/postfix/master.cf": MASTER_CF.decode()
        + "policyd-spf unix - n n - 0 spawn\n  user=nobody argv=/usr/bin/policyd-spf\n",
    }
    lines = commands(found(tmp_path, files), 2)
    assert "postconf -e 'spf_strict = check_client_access static:DUNNO'" in lines
    assert "postconf -e 'smtpd_client_restrictions ='" in lines


@pytest.mark.parametrize("name", ["a/b.example", "a'b.example", "a&b.example", "a$(id).example", "ü.example"])
def test_a_name_that_no_command_may_hold(tmp_path: Path, name: str) -> None:
    migration = found(tmp_path, {"etc/opendmarc.conf": f"AuthservID {name}\nRejectFailures true\n"})
    assert migration.problems == ()
    assert not [line for step in (1, 2, 3) for line in commands(migration, step) if name in line]


def test_lines_are_counted_as_sed_counts_them(tmp_path: Path) -> None:
    folder = root(tmp_path, {"etc/opendkim.conf": b"# a\x0cb\x1cc\r\nMode sv\r\nDomain a.example\r\nKeyFile /k\r\n"})
    assert Tree(folder).text("/etc/opendkim.conf") == "# a\x0cb\x1cc\nMode sv\nDomain a.example\nKeyFile /k\n"
    assert "sed -i '2s/.*/Mode s/' /etc/opendkim.conf" in run(folder)[2]


# Any octets

PATHS = sorted(
    {
        *(row.file for row in ROWS.values()),
        "etc/default/opendkim",
        "etc/hostname",
        "etc/hosts.list",
        "etc/mail/sendmail.mc",
        "etc/amavis/conf.d/50-user",
        "etc/spamassassin/local.cf",
    }
)
OF_POSTFIX = ("etc/postfix/main.cf", "etc/postfix/master.cf")
LINES = sorted({row.line for row in ROWS.values()})
octets = st.lists(
    st.sampled_from([each.encode() for each in LINES])
    | st.binary(max_size=40)
    | st.sampled_from([MAIN_CF, MASTER_CF, b"smtpd_milters = {", b"\\", b"\xff\n", b"\r\n", b"\n", b'"', b"{", b"}"]),
    max_size=8,
).map(b"\n".join)


@settings(max_examples=150)
@given(files=st.dictionaries(st.sampled_from(PATHS), octets, min_size=1, max_size=4))
def test_any_octets_end_in_a_file_or_in_a_sentence(files: dict[str, bytes]) -> None:
    _end_in_a_file_or_in_a_sentence(files)


@needs_postfix
@settings(max_examples=8)
@given(files=st.dictionaries(st.sampled_from(OF_POSTFIX), octets, min_size=1, max_size=2))
def test_any_octets_of_postfix_do(files: dict[str, bytes]) -> None:
    _end_in_a_file_or_in_a_sentence(
        {"etc/opendmarc.conf": OPENDMARC, OF_POSTFIX[0]: MAIN_CF, OF_POSTFIX[1]: MASTER_CF, **files}
    )


def _end_in_a_file_or_in_a_sentence(files: Octets) -> None:
    with tempfile.TemporaryDirectory() as folder:
        status, out, err = run(root(Path(folder), files))
        assert status in (0, 2)
        assert bool(out) is (status == 0)
        assert err
        assert run(Path(folder)) == (status, out, err)
