"""The steps that migrate tells: that nothing is refused, lost or unsigned on the way."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from dmarc_milter.migrating import amavis, rspamd, ucl
from tests.support.old_hosts import Files, commands, found, tree
from tests.support.postfix import needs_postfix

OURS = "unix:dmarc-milter/dmarc-milter.sock"
MAIN_CF = "compatibility_level = 3.6\nmyhostname = mx.example.org\n"
OPENDMARC = {"etc/opendmarc.conf": "RejectFailures true\nSocket inet:8893@localhost\n"}
OPENDKIM = {"etc/opendkim.conf": "Mode sv\nDomain example.org\nKeyFile /k\nSocket inet:8891@localhost\n"}


def host(main_cf: str, master_cf: str, *files: Files) -> Files:
    """A host with Postfix."""
    return {
        "etc/postfix/main.cf": MAIN_CF + main_cf,
        "etc/postfix/master.cf": "smtp inet n - y - - smtpd\n" + master_cf,
        **{name: text for each in files for name, text in each.items()},
    }


@needs_postfix
def test_opendkim_verifies_until_opendmarc_is_no_longer_asked(tmp_path: Path) -> None:
    """OpenDMARC would refuse what only DKIM lets pass."""
    asked = "smtpd_milters = inet:localhost:8891, inet:localhost:8893\n"
    lines = commands(found(tmp_path, host(asked, "", OPENDMARC, OPENDKIM)), 2)
    assert lines.index("systemctl reload postfix") < lines.index("systemctl restart opendkim")


# Content filters

GIVEN_BACK: Mapping[str, tuple[str, str]] = {
    "asks as all do": ("127.0.0.1:10025 inet n - n - - smtpd\n", "127.0.0.1:10025/inet/smtpd_milters="),
    "signs by itself": (
        "127.0.0.1:10025 inet n - n - - smtpd\n  -o smtpd_milters=inet:localhost:8891,inet:localhost:8893\n",
        "127.0.0.1:10025/inet/smtpd_milters=inet:localhost:8891",
    ),
    "signs what users send, who are asked nothing": (
        "127.0.0.1:10025 inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n  -o smtpd_milters=\n",
        "127.0.0.1:10025/inet/smtpd_milters=inet:localhost:8891",
    ),
}


@needs_postfix
@pytest.mark.parametrize(("master_cf", "command"), GIVEN_BACK.values(), ids=GIVEN_BACK)
def test_mail_given_back_is_signed_and_not_judged(tmp_path: Path, master_cf: str, command: str) -> None:
    asked = "content_filter = smtp:[127.0.0.1]:10024\nsmtpd_milters = inet:localhost:8891, inet:localhost:8893\n"
    lines = commands(found(tmp_path, host(asked, master_cf, OPENDMARC, OPENDKIM)), 2)
    assert f"postconf -P '{command}'" in lines


@needs_postfix
def test_a_server_that_only_signs_stays_as_it_is(tmp_path: Path) -> None:
    master_cf = "127.0.0.1:10025 inet n - n - - smtpd\n  -o smtpd_milters=inet:localhost:8891\n"
    files = host("content_filter = smtp:[127.0.0.1]:10024\n", master_cf, OPENDMARC, OPENDKIM)
    assert not [line for line in commands(found(tmp_path, files), 2) if "10025" in line]


AMAVIS: Mapping[str, tuple[Files, tuple[str, int | None] | None]] = {
    "verifies": (
        {"etc/amavis/conf.d/50-user": "use strict;\n$enable_dkim_verification = 1;  # yes\n1;\n"},
        ("/etc/amavis/conf.d/50-user", 2),
    ),
    "in one file": (
        {"etc/amavisd/amavisd.conf": "$enable_dkim_verification=1;\n"},
        ("/etc/amavisd/amavisd.conf", 1),
    ),
    "does not": ({"etc/amavis/conf.d/50-user": "$enable_dkim_verification = 0;\n"}, None),
    "says nothing of it": ({"etc/amavis/conf.d/50-user": "use strict;\n"}, None),
    "the last one counts": (
        {
            "etc/amavis/conf.d/20-debian_defaults": "$enable_dkim_verification = 1;\n",
            "etc/amavis/conf.d/50-user": "$enable_dkim_verification = 0;\n",
        },
        None,
    ),
    "a comment": ({"etc/amavis/conf.d/50-user": "#$enable_dkim_verification = 1;\n"}, None),
    "under another name": (
        {"etc/amavis/conf.d/50-user": "$enable_dkim_verification = 1;\n$myauthservid = 'amavis.example.org';\n"},
        None,
    ),
}


@pytest.mark.parametrize(("files", "expected"), AMAVIS.values(), ids=AMAVIS)
def test_amavis(tmp_path: Path, files: Files, expected: tuple[str, int | None] | None) -> None:
    reading = amavis.read(tree(tmp_path, files))
    program = reading.program if reading is not None else None
    assert (None if program is None else (program.file, program.becomes_line)) == expected


def test_amavis_leaves_our_field_alone_afterwards(tmp_path: Path) -> None:
    files = {**OPENDMARC, "etc/amavis/conf.d/50-user": "$enable_dkim_verification = 1;\n"}
    lines = commands(found(tmp_path, files), 2)
    changed = lines.index("sed -i '1s/.*/$enable_dkim_verification = 0;/' /etc/amavis/conf.d/50-user")
    assert lines[changed + 1] == "systemctl restart amavis"


# rspamd

ACTIONS: Mapping[str, tuple[str, tuple[int, int] | None]] = {
    "a block": ('x = 1;\nactions = {\n  reject = "reject";\n}\ny = 2;\n', (2, 4)),
    "a line": ('actions { reject = "reject"; }\nx = 1;\n', (1, 1)),
    "beside something else": ('actions { reject = "reject"; } x = 1;\n', None),
    "twice": ('actions { reject = "reject"; }\nactions { reject = "x"; }\n', None),
    "not at all": ("x = 1;\n", None),
    "a bracket in a text": ('actions {\n  reject = "}";\n}\n', (1, 3)),
    "the end of the line is of Windows": ('actions {\r\n  reject = "reject";\r\n}\r\n', (1, 3)),
}


@pytest.mark.parametrize(("text", "lines"), ACTIONS.values(), ids=ACTIONS)
def test_lines_of_a_key(text: str, lines: tuple[int, int] | None) -> None:
    assert ucl.lines_of(text, "actions") == lines


def test_rspamd_no_longer_refuses_once_ours_does(tmp_path: Path) -> None:
    files = {"etc/rspamd/local.d/dmarc.conf": 'actions = {\n  reject = "reject";\n}\n'}
    lines = commands(found(tmp_path, files), 2)
    changed = lines.index("sed -i '1,3s/^/#/' /etc/rspamd/local.d/dmarc.conf")
    assert lines[changed + 1] == "systemctl restart rspamd"


def test_what_cannot_be_taken_apart_is_left_to_the_operator(tmp_path: Path) -> None:
    files = {"etc/rspamd/local.d/dmarc.conf": 'actions { reject = "reject"; } x = 1;\n'}
    step = found(tmp_path, files).steps[1]
    assert [each.line for each in step.commands if "by hand" in each.why] == ["systemctl restart rspamd"]


@needs_postfix
@pytest.mark.parametrize(
    ("use", "expected"),
    [("authentication-results", f"inet:localhost:11332, {OURS}"), ("x-spamd-bar", f"{OURS}, inet:localhost:11332")],
    ids=["removes fields", "does not"],
)
def test_ours_stands_where_its_field_survives(tmp_path: Path, use: str, expected: str) -> None:
    files = host(
        "smtpd_milters = inet:localhost:11332\n",
        "",
        {"etc/rspamd/local.d/milter_headers.conf": f'use = ["{use}"];\n'},
    )
    migration = found(tmp_path, files)
    assert f"postconf -e 'smtpd_milters = {expected}'" in commands(migration, 1)
    assert ("does not see" in migration.steps[0].explanation) is (use == "authentication-results")
    assert rspamd.NAME in [each.name for each in migration.chain.programs]
