"""What dmarc-milter migrate makes of the files of other programs, file by file."""

import contextlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmarc_milter.attaching.milter_address import same
from dmarc_milter.cli.main import main
from dmarc_milter.migrating import ucl
from dmarc_milter.migrating.chain import read_chain
from dmarc_milter.migrating.fitting import fitting
from dmarc_milter.migrating.hosts import as_text, hosts
from dmarc_milter.migrating.lists import Entry
from dmarc_milter.migrating.order import order_notes
from dmarc_milter.migrating.readers import readers
from dmarc_milter.migrating.tree import Tree, TreeError
from dmarc_milter.migrating.ucl import Block, UclError
from dmarc_milter.migrating.values import Place, Reading, Rule
from dmarc_milter.settings import config
from tests.support.old_hosts import Files, found, tree, written
from tests.support.postfix import needs_postfix

# Hosts

HOSTS = {
    "networks": (["192.0.2.0/24", "2001:db8::/32"], ["192.0.2.0/24", "2001:db8::/32"], []),
    "addresses": (["192.0.2.1", "::1"], ["192.0.2.1", "::1"], []),
    "a mask": (["192.0.2.0/255.255.255.0"], ["192.0.2.0/24"], []),
    "bits that do not belong": (["192.168.0.1/24"], ["192.168.0.0/24"], []),
    "localhost": (["localhost"], ["127.0.0.0/8", "::1"], []),
    "an IPv4 address in IPv6": (["::ffff:192.0.2.1"], ["192.0.2.1"], []),
    "brackets": (["[2001:db8::1]"], ["2001:db8::1"], []),
    "one within another": (["127.0.0.1", "127.0.0.0/8"], ["127.0.0.0/8"], []),
    "an exception": (["192.0.2.0/30", "!192.0.2.1"], ["192.0.2.0", "192.0.2.2/31"], []),
    "an exception for all of it": (["192.0.2.1", "!192.0.2.1"], [], []),
    "an exception within an exception": (
        ["192.0.2.0/29", "!192.0.2.0/30", "192.0.2.1"],
        ["192.0.2.4/30", "192.0.2.1"],
        [],
    ),
    "names": (["mail.example.org", ".example.net"], [], ["mail.example.org", ".example.net"]),
    "a star, which matched nothing": (["*.example.org"], [], []),
}


@pytest.mark.parametrize(("entries", "networks", "names"), HOSTS.values(), ids=HOSTS)
def test_hosts(entries: list[str], networks: list[str], names: list[str]) -> None:
    taken = hosts([Entry(each, Place("x", 1)) for each in entries])
    assert [as_text(each) for each in taken.networks] == networks
    assert list(taken.names) == names


# Addresses of filters

SAME = {
    "as libmilter, as Postfix": ("inet:8893@localhost", "inet:localhost:8893", True),
    "an address for the name": ("inet:localhost:8893", "inet:127.0.0.1:8893", True),
    "IPv6's loopback": ("inet6:8893@::1", "inet:localhost:8893", True),
    "brackets": ("inet:8893@[127.0.0.1]", "inet:127.0.0.1:8893", True),
    "no host": ("inet:8893", "inet:127.0.0.1:8893", True),
    "another port": ("inet:8891@localhost", "inet:localhost:8893", False),
    "another host": ("inet:8893@192.0.2.1", "inet:localhost:8893", False),
    "local is unix": ("local:/run/x", "unix:/run/x", True),
    "below the queue directory": ("local:/var/spool/postfix/opendkim/x.sock", "unix:opendkim/x.sock", True),
    "absolute, as a chrooted smtpd has it": ("/var/spool/postfix/x/y", "unix:/x/y", True),
    "another path": ("unix:/run/x", "unix:/run/y", False),
    "nothing": ("", "", False),
}


@pytest.mark.parametrize(("one", "other", "expected"), SAME.values(), ids=SAME)
def test_addresses_are_compared_as_addresses(one: str, other: str, expected: bool) -> None:
    assert same(one, other) is expected
    assert same(other, one) is expected


# OpenDMARC, OpenDKIM, policyd-spf, pyspf-milter

FIRST = "Socket inet:8893@localhost\n"
CARRIED: Mapping[str, tuple[Files, str, str, object]] = {
    "a list of names": (
        {"etc/opendmarc.conf": f"{FIRST}IgnoreHosts /etc/h\n", "etc/h": "# ours\n.example.net\n192.0.2.1 # one\n"},
        "override",
        "",
        [
            {
                "name": "ignore-hosts-by-name",
                "reverse_name": [".example.net"],
                "action": "accept",
                "reason": "IgnoreHosts of OpenDMARC",
            }
        ],
    ),
    "a list of sealers": (
        {"etc/opendmarc.conf": f"{FIRST}DomainWhitelist a.example, B.example\n"},
        "policy.indirect",
        "trusted_sealers",
        ["a.example", "b.example"],
    ),
    "a reply": (
        {"etc/opendmarc.conf": f'{FIRST}RejectString "no, %s {{x}}"\n'},
        "policy.reply",
        "reject",
        "550 5.7.1 no, {domain} x",
    ),
    "a timeout": ({"etc/opendmarc.conf": f"{FIRST}DNSTimeout 7\n"}, "dns", "timeout", 7.0),
    "HOSTNAME": (
        {"etc/opendmarc.conf": f"{FIRST}AuthservID HOSTNAME\n", "etc/hostname": "mx.example.org\n"},
        "milter",
        "authserv_id",
        "mx.example.org",
    ),
    "two names": (
        {
            "etc/opendmarc.conf": f"{FIRST}AuthservID mx.example.org\n",
            "etc/opendkim.conf": "Mode v\nAuthservID dkim.example.org\n",
        },
        "milter",
        "strip_authserv_ids",
        ["dkim.example.org"],
    ),
    "a file that is included": (
        {"etc/opendkim.conf": "Mode v\nInclude /etc/more\n", "etc/more": "MaximumSignaturesToVerify 4\n"},
        "dkim",
        "max_signatures",
        4,
    ),
    "a list in a file": (
        {"etc/opendkim.conf": "Mode v\nInternalHosts refile:/etc/h\n", "etc/h": "192.0.2.0/24\n*.example.org\n"},
        "policy",
        "trusted_networks",
        ["192.0.2.0/24"],
    ),
    "what dkimpy-milter verifies": (
        {"etc/dkimpy-milter/dkimpy-milter.conf": "Mode v\nInternalHosts csl:192.0.2.1\n"},
        "policy",
        "trusted_networks",
        ["192.0.2.1"],
    ),
    "hosts that policyd-spf skips": (
        {"etc/postfix-policyd-spf-python/policyd-spf.conf": "skip_addresses = 127.0.0.0/8,::1,192.0.2.0/24\n"},
        "policy",
        "trusted_networks",
        ["127.0.0.0/8", "::1", "192.0.2.0/24"],
    ),
    "names below those that pyspf-milter trusts": (
        {"etc/pyspf-milter/pyspf-milter.conf": "Domain_Whitelist_PTR = example.net,.example.org\n"},
        "override",
        "",
        [
            {
                "name": "domain-whitelist-ptr",
                "reverse_name": [".example.net", ".example.org"],
                "action": "accept",
                "reason": "Domain_Whitelist_PTR of pyspf-milter",
            }
        ],
    ),
    "Received-SPF, which policyd-spf writes by default": (
        {"etc/postfix-policyd-spf-python/policyd-spf.conf": "debugLevel = 1\n"},
        "milter",
        "received_spf",
        True,
    ),
    "names that pyspf-milter trusts": (
        {"etc/pyspf-milter/pyspf-milter.conf": "HELO_Whitelist = relay.example.org\n"},
        "override",
        "",
        [
            {
                "name": "helo-whitelist",
                "reverse_name": ["relay.example.org"],
                "action": "accept",
                "reason": "HELO_Whitelist of pyspf-milter",
            }
        ],
    ),
    "rspamd's override.d wins": (
        {
            "etc/rspamd/local.d/dmarc.conf": 'actions { reject = "reject"; }\n',
            "etc/rspamd/override.d/options.inc": 'local_addrs = ["192.0.2.0/24"];\n',
        },
        "policy",
        "trusted_networks",
        ["127.0.0.0/8", "::1", "192.0.2.0/24"],
    ),
    "signatures that rspamd verifies": (
        {"etc/rspamd/local.d/dkim.conf": "max_sigs = 5;\n"},
        "dkim",
        "max_signatures",
        5,
    ),
    "a map of rspamd's own networks, as mailcow has it": (
        {
            "etc/rspamd/local.d/options.inc": "local_addrs = /etc/rspamd/own.map;\n",
            "etc/rspamd/own.map": "192.0.2.0/24 # ours\n2001:db8::/32\n",
        },
        "policy",
        "trusted_networks",
        ["127.0.0.0/8", "::1", "192.0.2.0/24", "2001:db8::/32"],
    ),
    "rspamd's own networks in one string": (
        {"etc/rspamd/local.d/options.inc": 'local_addrs = "192.0.2.0/24, 198.51.100.1";\n'},
        "policy",
        "trusted_networks",
        ["127.0.0.0/8", "::1", "192.0.2.0/24", "198.51.100.1"],
    ),
    "relays of rspamd's, by address and by name": (
        {"etc/rspamd/local.d/spf.conf": 'external_relay = ["198.51.100.7", "mx.example.net", "198.51.100.9/24"];\n'},
        "policy",
        "trusted_relays",
        ["198.51.100.0/24"],
    ),
    "a map of rspamd's": (
        {
            "etc/rspamd/local.d/arc.conf": 'whitelisted_signers_map = "$LOCAL_CONFDIR/local.d/sealers.map";\n',
            "etc/rspamd/local.d/sealers.map": "# trusted\nlists.example\n",
        },
        "policy.indirect",
        "trusted_sealers",
        ["lists.example"],
    ),
}


@pytest.mark.parametrize(("files", "section", "key", "value"), CARRIED.values(), ids=CARRIED)
def test_carried_over(tmp_path: Path, files: Files, section: str, key: str, value: object) -> None:
    data: object = written(tmp_path, files)
    for name in filter(None, (*section.split("."), key)):
        assert isinstance(data, dict)
        data = data[name]
    assert data == value


LEFT: Mapping[str, tuple[Files, str, str]] = {
    "a name server that is no address": (
        {"etc/opendkim.conf": "Mode v\nNameservers not-an-address, 192.0.2.53\n"},
        "opendkim.conf:2",
        "not-an-address",
    ),
    "more seconds than we wait": ({"etc/opendmarc.conf": f"{FIRST}DNSTimeout 120\n"}, "opendmarc.conf:2", "120.0"),
    "no seconds": ({"etc/opendmarc.conf": f"{FIRST}DNSTimeout 0\n"}, "opendmarc.conf:2", "0.0"),
    "more signatures than we verify": (
        {"etc/opendkim.conf": "Mode v\nMaximumSignaturesToVerify 500\n"},
        "opendkim.conf:2",
        "500",
    ),
    "a reply that cannot be one": (
        {"etc/opendmarc.conf": f"{FIRST}RejectString n\u00e9in\n"},
        "opendmarc.conf:2",
        "550 5.7.1 n\u00e9in",
    ),
    "addresses where domains belong": (
        {"etc/opendmarc.conf": f"{FIRST}IgnoreMailFrom user@example.org,example.org,*\n"},
        "opendmarc.conf:2",
        "user@example.org, *",
    ),
    "a sealer that is no domain": ({"etc/opendmarc.conf": f"{FIRST}DomainWhitelist a b!\n"}, "opendmarc.conf:2", "b!"),
    "a client that is none": (
        {"etc/pyspf-milter/pyspf-milter.conf": "Domain_Whitelist_PTR = example.net,*\n"},
        "pyspf-milter.conf:1",
        "*",
    ),
}


@pytest.mark.parametrize(("files", "place", "value"), LEFT.values(), ids=LEFT)
def test_a_value_that_cannot_be_ours_is_said_where_it_stands(
    tmp_path: Path, files: Files, place: str, value: str
) -> None:
    migration = found(tmp_path, files)
    assert migration.problems == ()
    assert (place, value) in [(str(each.place), each.value) for each in migration.left], migration.left


def test_a_rule_that_loses_a_condition_is_left_out(tmp_path: Path) -> None:
    """Without it, it would be about more mail than before."""
    rule = Rule("r", {"from_domain": ("a b",), "spf_domain": ("a.example",)}, "accept", "", "x:1")
    fitted = fitting(Reading(rules=(rule,)))
    assert fitted.rules == ()
    assert [each.value for each in fitted.left] == ["a b"]


SAID: Mapping[str, tuple[Files, str]] = {
    "refusing on SPF alone": ({"etc/postfix-policyd-spf-python/policyd-spf.conf": "Header_Type = AR\n"}, "SPF alone"),
    "a whitelist": (
        {"etc/postfix-policyd-spf-python/policyd-spf.conf": "Whitelist = 192.0.2.1\n"},
        "[policy] trusted_relays",
    ),
    "refusing on DKIM alone": ({"etc/opendkim.conf": "Mode v\nOn-BadSignature reject\n"}, "RFC 6376 6.3"),
    "a script": ({"etc/opendkim.conf": "Mode v\nScreenPolicyScript /etc/x.lua\n"}, "Lua is not run"),
    "a copy of failures": ({"etc/opendmarc.conf": f"{FIRST}CopyFailuresTo a@example.org\n"}, "milter_header_checks"),
    "several authors, as authentication_milter took them": (
        {"etc/authentication_milter.json": '{"handlers": {"DMARC": {"quarantine_on_multifrom": 1}}}'},
        'unusable_from = "quarantine"',
    ),
    "lists in the DNS": (
        {"etc/authentication_milter.json": '{"handlers": {"ARC": {"rbl_whitelist": "x.example"}}}'},
        "Lists in the DNS are not asked",
    ),
    "HELO, as authentication_milter checks it": (
        {"etc/authentication_milter.json": '{"handlers": {"SPF": {"helo_check": 1}}}'},
        "helo_spf",
    ),
    "seconds in the future": ({"etc/rspamd/local.d/dkim.conf": "time_jitter = 6h;\n"}, "300 s in the future"),
    "whom rspamd sends no report": (
        {"etc/rspamd/local.d/dmarc.conf": "no_reporting_domains = [x.example];\n"},
        "rspamd's list is not carried over",
    ),
    "who gets a copy of a report": (
        {"etc/opendmarc.conf": f"{FIRST}FailureReportsBcc a@example.org\n"},
        "whom the Domain Owner names",
    ),
    "what OpenDKIM puts into quarantine": ({"etc/opendkim.conf": "Mode v\nQuarantine yes\n"}, "a rule with dkim can"),
    "DKIM that never counted": (
        {
            "etc/opendmarc.conf": f"{FIRST}TrustedAuthservIDs other.example\nSPFSelfValidate yes\n",
            "etc/opendkim.conf": "Domain a.example\nKeyFile /k\nAuthservID dkim.example\n",
        },
        "DKIM never counted",
    ),
    "what pct= was": ({"etc/opendmarc.conf": FIRST}, "pct=0"),
}


@pytest.mark.parametrize(("files", "text"), SAID.values(), ids=SAID)
def test_said(tmp_path: Path, files: Files, text: str) -> None:
    migration = found(tmp_path, files)
    said = [each.meaning for each in migration.left] + list(migration.notes)
    assert any(text in each for each in said), said


RSPAMD, DKIM_CONF = "etc/rspamd/local.d", "etc/opendkim.conf"
LEFT_TO_THE_OPERATOR: Mapping[str, tuple[Files, str, str]] = {
    "what a policy of none was answered with": (
        {f"{RSPAMD}/dmarc.conf": 'actions { softfail = "add_header"; }'}, "actions.softfail", "add_header",
    ),
    "names where networks belong": (
        {f"{RSPAMD}/options.inc": 'local_addrs = ["192.0.2.0/24", "mail.example.org", "*.x"];'},
        "local_addrs", "mail.example.org, *.x",
    ),
    "a map that is fetched": (
        {f"{RSPAMD}/options.inc": 'local_addrs = "https://user:secret@maps.example/x";'}, "local_addrs", "https://...",
    ),
    "a map that is not there": (
        {f"{RSPAMD}/options.inc": 'local_addrs = "/etc/rspamd/none.map";'}, "local_addrs", "/etc/rspamd/none.map",
    ),
    "hosts that are none": ({DKIM_CONF: "Mode v\nPeerList 192.0.2.1,*\n"}, "PeerList", "*"),
    "domains that are none": ({DKIM_CONF: "Mode v\nExemptDomains a.example,b c!\n"}, "ExemptDomains", "b, c!"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "option", "value"), LEFT_TO_THE_OPERATOR.values(), ids=LEFT_TO_THE_OPERATOR
)  # fmt: skip
def test_what_is_left_to_the_operator(tmp_path: Path, files: Files, option: str, value: str) -> None:
    migration = found(tmp_path, files)
    assert migration.problems == ()
    assert (option, value) in [(each.option, each.value) for each in migration.left], migration.left


READERS = {
    "Received-SPF": ("header X Received-SPF =~ /pass/", "[milter] received_spf = true"),
    "policy.disposition": ("Authentication-Results =~ /policy.disposition=reject/", "disposition_property = true"),
    "DMARC's result": (r"Authentication-Results =~ /mx\.example dmarc=fail \(p=reject/", "DMARC's result stands first"),
    "SPF's": ("Authentication-Results =~ /mx.example; spf=fail/", "SPF and DKIM stand behind DMARC"),
    "another": ("Authentication-Results =~ /./", "See whether it still matches"),
}


@pytest.mark.parametrize(("line", "meaning"), READERS.values(), ids=READERS)
def test_who_reads_the_old_field(tmp_path: Path, line: str, meaning: str) -> None:
    files = {
        "etc/spamassassin/local.cf": f"# Authentication-Results\n\n{line}\n",
        "etc/postfix/header_checks.db": f"{line}\n",
        "etc/dovecot/no-text": f"{line}\0\n",
    }
    (reader,) = readers(tree(tmp_path, files))
    assert str(reader.place) == "spamassassin/local.cf:3"
    assert meaning in reader.meaning


def test_so_many_readers_are_told_at_most(tmp_path: Path) -> None:
    files = {"etc/procmailrc": "", "etc/postfix/checks": "/^Received-SPF/ DUNNO\n" * 300}
    assert len(list(readers(tree(tmp_path, files)))) == 200


REFUSED: Mapping[str, tuple[Files, str]] = {
    "nothing there": ({}, "nothing to move from"),
    "a list that is missing": (
        {"etc/opendmarc.conf": f"{FIRST}IgnoreHosts /etc/none\n"},
        "opendmarc.conf:2: IgnoreHosts: there is no file /etc/none",
    ),
    "an option that is none": (
        {"etc/opendmarc.conf": f"{FIRST}Rejectfailure true\n"},
        "opendmarc.conf:2: Rejectfailure is no option of OpenDMARC",
    ),
    "a file that is no text": ({"etc/opendkim.conf": "Mode v\0\n"}, "opendkim.conf: /etc/opendkim.conf: no text"),
    "a path that is too long": (
        {"etc/opendmarc.conf": f"{FIRST}IgnoreHosts /{'a' * 300}\n"},
        "opendmarc.conf:2: IgnoreHosts: /aaa",
    ),
    "a list of OpenDKIM that is missing": (
        {"etc/opendkim.conf": "Mode v\nPeerList /etc/none\n"},
        "opendkim.conf:2: PeerList: there is no file /etc/none",
    ),
    "an included file that is missing": (
        {"etc/opendkim.conf": "Include /etc/none.conf\n"},
        "opendkim.conf:1: Include: there is no file /etc/none.conf",
    ),
    "an included file that is no text": (
        {"etc/opendkim.conf": "Include /etc/x.conf\n", "etc/x.conf": "\0"},
        "opendkim.conf:1: Include: /etc/x.conf: no text",
    ),
    "a map that is no text": (
        {"etc/rspamd/local.d/options.inc": 'local_addrs = "/etc/x.map";', "etc/x.map": "\0"},
        "local_addrs: /etc/x.map: no text",
    ),
    "no JSON": ({"etc/authentication_milter.json": "{"}, "authentication_milter.json:1: no JSON"),
    "no UCL": ({"etc/rspamd/local.d/dmarc.conf": "actions { reject"}, "dmarc.conf: line 1"),
    "files that include each other": (
        {"etc/opendkim.conf": "Include /etc/opendkim.conf\n"},
        "more than 16 files are included",
    ),
}


@pytest.mark.parametrize(("files", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, files: Files, text: str) -> None:
    problems = [str(each) for each in found(tmp_path, files).problems]
    assert any(text in each for each in problems), problems


def test_what_rspamd_includes_decides(tmp_path: Path) -> None:
    files = {
        "etc/rspamd/local.d/dmarc.conf": '.include(try=true; priority=1) "$LOCAL_CONFDIR/mine.conf"\nno_sampling_domains = x;',
        "etc/rspamd/mine.conf": 'actions { reject = "reject"; }\n',
    }
    assert found(tmp_path, files).draft.mode == "enforce"


UNREAD_INCLUDES = {
    "by a pattern": '.include "/etc/rspamd/*.conf"',
    "from elsewhere": '.include "http://rules.example/x"',
    "within a block": 'actions {\n .include "/etc/rspamd/x.conf"\n}',
}


@pytest.mark.parametrize("text", UNREAD_INCLUDES.values(), ids=UNREAD_INCLUDES)
def test_what_cannot_be_included_is_said(tmp_path: Path, text: str) -> None:
    left = found(tmp_path, {"etc/rspamd/local.d/dmarc.conf": text + "\n"}).left
    assert [each.option for each in left] == [".include"]


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    text = '.include "/etc/rspamd/local.d/dmarc.conf"\nactions { reject = "reject"; }\n'
    migration = found(tmp_path, {"etc/rspamd/local.d/dmarc.conf": text})
    assert migration.draft.mode == "enforce"
    assert [each.option for each in migration.left] == [".include"]


# The command

HOST: Files = {
    "etc/opendmarc.conf": f"{FIRST}RejectFailures true\n",
    "etc/opendkim.conf": "Mode sv\nDomain a.example\nKeyFile /secret/place\nLDAPBindPassword hunter2\n",
}


def test_the_same_input_gives_the_same_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree(tmp_path, HOST)
    said = []
    for _ in range(2):
        assert main(["migrate", "--root", str(tmp_path), "--output", "-"]) == 0
        said.append(capsys.readouterr())
    assert said[0] == said[1]
    assert 'mode = "monitor"' in said[0].out
    assert "Step 2" in said[0].err


@pytest.mark.parametrize(
    ("value", "results"),
    [("Fail", ["fail"]), ("Softfail", ["fail", "softfail"]), ("SPF_Not_Pass", ["fail", "softfail", "neutral"])],
)
def test_what_refused_on_spf_alone_is_suggested_as_it_was(tmp_path: Path, value: str, results: list[str]) -> None:
    text = f"Mail_From_reject = {value}\nHELO_reject = False\n"
    (rule,) = found(tmp_path, {"etc/postfix-policyd-spf-python/policyd-spf.conf": text}).draft.rules
    assert (list(rule.conditions["spf"]), rule.is_suggested) == (results, True)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Mode sv\n", "sed -i '1s/.*/Mode s/' /etc/opendkim.conf"),
        ("", "sed -i '$a Mode s' /etc/opendkim.conf"),
        ("Mode sv\nInclude /etc/more\n", "sed -i '$a Mode s' /etc/opendkim.conf"),
    ],
)
def test_the_one_line_of_opendkim(tmp_path: Path, text: str, command: str) -> None:
    files = {"etc/opendkim.conf": f"{text}Domain a.example\nKeyFile /k", "etc/more": "Mode sv\n"}
    lines = [each.line for step in found(tmp_path, files).steps for each in step.commands]
    assert command in lines


def test_no_secret_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree(tmp_path, HOST)
    for options in ([], ["--json"]):
        assert main(["migrate", "--root", str(tmp_path), "--output", "-", *options]) == 0
        told = capsys.readouterr()
        assert "hunter2" not in told.out + told.err
        assert "/secret/place" not in told.out + told.err


def test_what_is_there_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree(tmp_path, {**HOST, "etc/dmarc-milter/dmarc-milter.toml": "# mine\n"})
    assert main(["migrate", "--root", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert (tmp_path / "etc/dmarc-milter/dmarc-milter.toml").read_text() == "# mine\n"
    assert "nothing was written" in told.err
    assert told.out == ""


def test_by_default_it_is_written_below_the_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree(tmp_path, HOST)
    assert main(["migrate", "--root", str(tmp_path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["written"] == str(tmp_path / "etc/dmarc-milter/dmarc-milter.toml")
    assert [each["title"] for each in data["steps"]] == ["Step 1, beside", "Step 2, take over", "Step 3, clean up"]
    settings = config.parse(tomllib.loads((tmp_path / "etc/dmarc-milter/dmarc-milter.toml").read_text()))
    assert settings.policy.mode == "monitor"


def test_a_link_of_the_host_stays_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "host/etc").mkdir(parents=True)
    (tmp_path / "secret").write_text("hers")
    (tmp_path / "host/etc/up").symlink_to("../../../secret")
    (tmp_path / "host/etc/absolute").symlink_to(f"{tmp_path}/secret")
    (tmp_path / "host/etc/inner").symlink_to("/etc/there")
    (tmp_path / "host/etc/there").write_text("here")
    host = Tree(tmp_path / "host")
    assert host.text("/etc/up") is None
    assert host.text("/etc/absolute") is None
    assert host.text("/etc/inner") == "here"


def test_links_without_end_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "secret").write_text("hers")
    for number in range(100):
        (tmp_path / f"host/{number}").symlink_to(f"/{number + 1}")
    (tmp_path / "host/100").symlink_to(tmp_path / "secret")
    (tmp_path / "host/self").symlink_to("/self")
    host = Tree(tmp_path / "host")
    for path in ("/0", "/self"):
        assert not host.exists(path)
        with pytest.raises(TreeError, match="symbolic links"):
            host.text(path)


def test_control_characters_are_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree(tmp_path, {"etc/opendmarc.conf": f"{FIRST}CopyFailuresTo a\x1b[2J@example.org\n"})
    assert main(["migrate", "--root", str(tmp_path), "--output", "-"]) == 0
    assert "\x1b" not in capsys.readouterr().err


# Main.cf as it occurs

MAIN_CF = "compatibility_level = 3.6\nmyhostname = mx.example.org\n"
MASTER_CF = "smtp inet n - y - - smtpd\n"
POSTFIX: Mapping[str, tuple[str, str, list[str], list[str]]] = {
    "settings beside the address": (
        "smtpd_milters = { inet:localhost:8893, default_action=accept }\n",
        "",
        ["postconf -e 'smtpd_milters = { unix:dmarc-milter/dmarc-milter.sock, default_action=accept }'"],
        [],
    ),
    "one parameter names them all": (
        "mine = inet:localhost:8891, inet:localhost:8893\nsmtpd_milters = $mine\nnon_smtpd_milters = $mine\n",
        "",
        [
            "postconf -e 'smtpd_milters = inet:localhost:8891, unix:dmarc-milter/dmarc-milter.sock'",
            "postconf -e 'non_smtpd_milters = inet:localhost:8891'",
        ],
        [],
    ),
    "its own list of the port for strangers": (
        "smtpd_milters =\n",
        "  -o smtpd_milters=inet:localhost:8893\n",
        ["postconf -P 'smtp/inet/smtpd_milters=unix:dmarc-milter/dmarc-milter.sock'"],
        [],
    ),
    "a policy service with settings": (
        "smtpd_recipient_restrictions = reject_unauth_destination,"
        " check_policy_service { unix:private/policyd-spf, timeout=10s }\n",
        "policyd-spf unix - n n - 0 spawn\n  user=nobody argv=/usr/bin/policyd-spf\n",
        [
            "postconf -e 'smtpd_recipient_restrictions = reject_unauth_destination'",
            "postconf -MX policyd-spf/unix",
        ],
        ["check_policy_service"],
    ),
    "a policy service at a port": (
        "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10040, permit\n",
        "127.0.0.1:10040 inet n n n - 0 spawn\n  user=nobody argv=/usr/bin/policyd-spf\n",
        ["postconf -e 'smtpd_recipient_restrictions = reject_unauth_destination, permit'"],
        [],
    ),
    "a class that only asked for SPF": (
        "smtpd_restriction_classes = spf\nspf = check_policy_service unix:private/policyd-spf\n"
        "smtpd_recipient_restrictions = reject_unauth_destination\n",
        "policyd-spf unix - n n - 0 spawn\n  user=nobody argv=/usr/bin/policyd-spf\n",
        ["postconf -e 'spf = check_client_access static:DUNNO'"],
        [],
    ),
    "a policy service of another": (
        "smtpd_recipient_restrictions = check_policy_service unix:private/greylist\n",
        "",
        [],
        ["smtpd_recipient_restrictions"],
    ),
}


@needs_postfix
@pytest.mark.parametrize(("main_cf", "master_cf", "expected", "never"), POSTFIX.values(), ids=POSTFIX)
def test_postfix(tmp_path: Path, main_cf: str, master_cf: str, expected: list[str], never: list[str]) -> None:
    files = {**HOST, "etc/postfix/main.cf": MAIN_CF + main_cf, "etc/postfix/master.cf": MASTER_CF + master_cf}
    migration = found(tmp_path, files)
    assert migration.problems == ()
    lines = [command.line for step in migration.steps[1:] for command in step.commands]
    for line in expected:
        assert line in lines, lines
    assert not [line for line in lines for word in never if word in line]


# Whose field survives

OURS = "unix:dmarc-milter/dmarc-milter.sock"
VERIFIES = "Mode sv\nDomain a.example\nKeyFile /k\nSocket inet:8891@localhost\n"
ORDER: Mapping[str, tuple[Files, list[str], list[str]]] = {
    "OpenDKIM in front": ({"etc/opendkim.conf": VERIFIES}, ["inet:localhost:8891", OURS], ["in front of this filter"]),
    "OpenDKIM behind": ({"etc/opendkim.conf": VERIFIES}, [OURS, "inet:127.0.0.1:8891"], ["KeepAuthResults yes"]),
    "OpenDKIM that signs, behind": (
        {"etc/opendkim.conf": VERIFIES.replace("sv", "s")},
        [OURS, "inet:127.0.0.1:8891"],
        [],
    ),
    "rspamd behind, with its routine": (
        {"etc/rspamd/local.d/milter_headers.conf": 'use = ["authentication-results"];'},
        [OURS, "inet:localhost:11332"],
        ["remove = false"],
    ),
    "rspamd in front": (
        {"etc/rspamd/local.d/milter_headers.conf": 'use = ["authentication-results"];'},
        ["inet:localhost:11332", OURS],
        [],
    ),
    "rspamd behind, without it": ({"etc/rspamd/local.d/spf.conf": ""}, [OURS, "inet:localhost:11332"], []),
    "ours is not there yet": ({"etc/opendkim.conf": VERIFIES}, ["inet:localhost:8891"], ["in front of this filter"]),
}


@pytest.mark.parametrize(("files", "filters", "said"), ORDER.values(), ids=ORDER)
def test_order(tmp_path: Path, files: Files, filters: list[str], said: list[str]) -> None:
    notes = order_notes(read_chain(tree(tmp_path, files)), filters, OURS, has_amavis=False, has_content_filter=False)
    assert len(notes) == len(said), notes
    for text, note in zip(said, notes, strict=True):
        assert text in note


# UCL

UCL: Mapping[str, tuple[str, object]] = {
    "a value": ('a = "x";', "x"),
    "without an equals sign": ("a x;", "x"),
    "a colon": ('"a": "x"', "x"),
    "the end of the line ends it": ("a = x\nb = y", "x"),
    "the last one counts": ("a = x; a = y;", "y"),
    "comments": ("# a = 1\n/* a = 2 */ a = 3; // a = 4", "3"),
    "a list": ('a = ["x", y];', ("x", "y")),
    "a list over lines": ("a = [\n  x,\n  y\n];", ("x", "y")),
    "a macro with arguments": ('.include(try=true; priority=1) "/etc/x"\na = x;', "x"),
    "a text between tags": ("a = <<EOD\nx = {\nEOD\nb = y;", "x = {"),
    "an empty text between tags": ("a = <<EOD\nEOD\nb = y;", ""),
    "a macro": ('.include "/etc/x"\na = x;', "x"),
    "an address": ("a = 127.0.0.1:11332;", "127.0.0.1:11332"),
    "an address of a URL": ("a = https://x.example/y;", "https://x.example/y"),
}


@pytest.mark.parametrize(("text", "value"), UCL.values(), ids=UCL)
def test_ucl(text: str, value: object) -> None:
    assert ucl.parse(text).values["a"][0] == value


def test_ucl_blocks_and_lines() -> None:
    block = ucl.parse("a {\n  b {\n    c = 1;\n  }\n}\nd = 2;")
    assert block.block("a").block("b").text("c") == "1"
    assert block.line("d") == 6


@given(st.text(alphabet="ab={}[];:\"'\\ \n#/*,.", max_size=60))
def test_ucl_reads_anything_or_says_why(text: str) -> None:
    with contextlib.suppress(UclError):
        assert isinstance(ucl.parse(text), Block)


def test_ucl_within_ucl_is_bounded() -> None:
    with pytest.raises(UclError, match="more than"):
        ucl.parse("a {" * 1000)
