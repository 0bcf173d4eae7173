"""Old chains as they are in public: what stands in their files, and which daemons run."""

from dataclasses import dataclass, field

from tests.system.old_programs import Daemon, opendkim, opendmarc, policyd_spf


@dataclass(frozen=True)
class Shape:
    """Files below /etc, and the daemons that listen; the keys of signing are made."""

    main_cf: str
    files: dict[str, str]
    daemons: dict[str, Daemon]
    """By unit."""
    master_cf: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    """Folders of the system that a daemon writes into, each with its owner: copies stand in for them."""
    programs: tuple[str, ...] = ("opendkim", "opendmarc", "policyd-spf")
    """What has to be installed, besides Postfix."""


_DKIM = (
    "Domain example.org\nSelector s\nKeyFile /etc/dkimkeys/s.private\nSyslog no\nUserID root\nNameservers 127.0.0.1\n"
)
_DMARC = (
    "RejectFailures true\nSyslog no\nUserID root\nIgnoreAuthenticatedClients true\nTrustedAuthservIDs mx.example.org\n"
)
_POLICYD = "Header_Type = AR\nAuthserv_Id = mx.example.org\ndebugLevel = 0\n"
_POLICYD_FILE = "postfix-policyd-spf-python/policyd-spf.conf"
_NO_REFUSALS = "Mail_From_reject = False\nHELO_reject = False\n"
_SPF_SERVICE = policyd_spf("policyd-spf")
_RESTRICTIONS = (
    "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service unix:private/policyd-spf\n"
)


def _milters(dkim: str, dmarc: str) -> dict[str, Daemon]:
    return {"opendkim": opendkim("/etc/opendkim.conf", dkim), "opendmarc": opendmarc("/etc/opendmarc.conf", dmarc)}


_INET = _milters("inet:8891", "inet:8893")

_TUTORIAL = Shape(
    "smtpd_milters = inet:localhost:8891, inet:localhost:8893\nnon_smtpd_milters = $smtpd_milters\n" + _RESTRICTIONS,
    {
        "opendkim.conf": f"Mode sv\nAuthservID mx.example.org\nSocket inet:8891@localhost\n{_DKIM}",
        "opendmarc.conf": f"AuthservID mx.example.org\nSocket inet:8893@localhost\n{_DMARC}",
        _POLICYD_FILE: _POLICYD + _NO_REFUSALS,
    },
    _INET,
    _SPF_SERVICE,
)
_PARAMETERS = Shape(
    "dkim_milter = inet:localhost:8891\ndmarc_milter = inet:localhost:8893\n"
    "smtpd_milters = $dkim_milter $dmarc_milter\nnon_smtpd_milters = $dkim_milter\n" + _RESTRICTIONS,
    {
        "opendkim.conf": f"Mode sv\nSocket inet:8891@localhost\n{_DKIM}",
        "opendmarc.conf": f"AuthservID mx.example.org\nSocket inet:8893@localhost\n{_DMARC}",
        _POLICYD_FILE: _POLICYD + _NO_REFUSALS,
    },
    _INET,
    _SPF_SERVICE,
)
_SOCKETS = Shape(
    "smtpd_milters = local:opendkim/opendkim.sock,local:opendmarc/opendmarc.sock\nnon_smtpd_milters = $smtpd_milters\n",
    {
        "opendkim.conf": "Mode sv\nSocket local:/var/spool/postfix/opendkim/opendkim.sock\nUMask 000\n" + _DKIM,
        "opendmarc.conf": "AuthservID OpenDMARC\nSPFIgnoreResults true\nSPFSelfValidate true\nUMask 000\n"
        f"Socket local:/var/spool/postfix/opendmarc/opendmarc.sock\n{_DMARC}",
    },
    _milters("/var/spool/postfix/opendkim/opendkim.sock", "/var/spool/postfix/opendmarc/opendmarc.sock"),
    programs=("opendkim", "opendmarc"),
)
_SCORES = r"""required_score 50
use_bayes 0
skip_rbl_checks 1
use_pyzor 0
use_razor2 0
dns_available no
header MIAB_DMARC_PASS Authentication-Results =~ /mx\.example\.org; dmarc=pass/
score MIAB_DMARC_PASS -0.1
header MIAB_DMARC_NONE Authentication-Results =~ /mx\.example\.org; dmarc=none/
score MIAB_DMARC_NONE 0.1
header MIAB_DMARC_FAIL_NONE Authentication-Results =~ /mx\.example\.org; dmarc=fail \(p=none/
score MIAB_DMARC_FAIL_NONE 2.0
header MIAB_DMARC_FAIL_QUARANTINE Authentication-Results =~ /mx\.example\.org; dmarc=fail \(p=quarantine/
score MIAB_DMARC_FAIL_QUARANTINE 5.0
add_header all Status _YESNO_, tests=_TESTS_
"""
_SPAMPD = (
    *("spampd", "--nodetach", "--host=127.0.0.1:10025", "--relayhost=127.0.0.1:10026", "--children=1"),
    *("--user=spampd", "--group=spampd", "--pid=/run/spampd.pid", "--logsock=inet", "--tagall"),
)
_MAIL_IN_A_BOX = Shape(
    "smtpd_milters = inet:127.0.0.1:8891 inet:127.0.0.1:8893\nnon_smtpd_milters = $smtpd_milters\n"
    "milter_default_action = accept\nvirtual_transport = lmtp:[127.0.0.1]:10025\n"
    "smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination,\n"
    "  check_policy_service unix:private/policy-spf\npolicy-spf_time_limit = 3600s\n",
    {
        "opendkim.conf": "Canonicalization relaxed/simple\nSubDomains no\nOversignHeaders From\nSyslog no\n"
        "UserID root\nNameservers 127.0.0.1\nMinimumKeyBits 1024\nExternalIgnoreList refile:/etc/opendkim/TrustedHosts\n"
        "InternalHosts refile:/etc/opendkim/TrustedHosts\nKeyTable refile:/etc/opendkim/KeyTable\n"
        "SigningTable refile:/etc/opendkim/SigningTable\nSocket inet:8891@127.0.0.1\nRequireSafeKeys false\n"
        "AlwaysAddARHeader true",
        "opendkim/TrustedHosts": "127.0.0.1\n",
        "opendkim/KeyTable": "example.org example.org:s:/etc/dkimkeys/s.private\n",
        "opendkim/SigningTable": "*@example.org example.org\n",
        "opendmarc.conf": "Syslog false\nSocket inet:8893@[127.0.0.1]\nFailureReports false\nSPFIgnoreResults true\n"
        "SPFSelfValidate true\nFailureReportsOnNone true\nUserID root\nRejectFailures true\n",
        _POLICYD_FILE: "debugLevel = 0\nHeader_Type = AR\n" + _NO_REFUSALS,
        "spamassassin/local.cf": _SCORES,
    },
    {**_INET, "spampd": Daemon(_SPAMPD, "inet:10025")},
    policyd_spf("policy-spf") + "lmtp unix - - n - - lmtp\n",
    {"/var/cache/spampd": "spampd"},
    ("opendkim", "opendmarc", "policyd-spf", "spampd"),
)
_AMAVIS_USER = """use strict;
@bypass_virus_checks_maps = (1);
@bypass_spam_checks_maps = (1);
$myhostname = 'mx.example.org';
$mydomain = 'example.org';
$enable_db = 0;
$pid_file = '/var/lib/amavis/amavisd.pid';
$lock_file = '/var/lib/amavis/amavisd.lock';
$enable_dkim_verification = 1;
$inet_socket_port = 10024;
$forward_method = 'smtp:[127.0.0.1]:10025';
$notify_method = $forward_method;
$final_bad_header_destiny = D_PASS;
1;  # ensure a defined return
"""
_GIVEN_BACK = """127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
  -o smtpd_authorized_xclient_hosts=
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
  -o mynetworks=127.0.0.0/8
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks
smtp-amavis unix - - n - 2 smtp
  -o smtp_send_xforward_command=yes
"""
_AMAVIS = Shape(
    "content_filter = smtp-amavis:[127.0.0.1]:10024\nsmtpd_milters = inet:localhost:12345, inet:localhost:8893\n"
    "non_smtpd_milters = $smtpd_milters\nmilter_default_action = accept\n" + _RESTRICTIONS,
    {
        "opendkim.conf": f"Mode sv\nAuthservID mx.example.org\nSocket inet:12345@localhost\n{_DKIM}",
        "opendmarc.conf": f"AuthservID mx.example.org\nSocket inet:8893@localhost\n{_DMARC}",
        _POLICYD_FILE: _POLICYD + _NO_REFUSALS,
        "amavis/conf.d/50-user": _AMAVIS_USER,
    },
    {
        **_milters("inet:12345", "inet:8893"),
        "amavis": Daemon(("amavisd", "foreground"), "inet:10024"),
    },
    _SPF_SERVICE + _GIVEN_BACK,
    {"/var/lib/amavis": "amavis"},
    ("opendkim", "opendmarc", "policyd-spf", "amavisd"),
)
_RSPAMD = Shape(
    "smtpd_milters = inet:localhost:9900\nnon_smtpd_milters = inet:localhost:9900\nmilter_default_action = tempfail\n"
    "milter_protocol = 6\nmilter_mail_macros = i {mail_addr} {client_addr} {client_name} {auth_authen}\n",
    {
        "rspamd/local.d/worker-proxy.inc": 'bind_socket = "localhost:9900";\nmilter = true;\nupstream {\n'
        '  name = "localhost";\n  default = true;\n  self_scan = true;\n}\n',
        "rspamd/local.d/dmarc.conf": 'actions = {\n  quarantine = "add_header";\n  reject = "reject";\n}\n',
        "rspamd/local.d/milter_headers.conf": 'use = ["x-spamd-result", "authentication-results"];\n'
        "skip_local = false;\nskip_authenticated = true;\nroutines {\n  authentication-results {\n"
        '    header = "Authentication-Results";\n    remove = 1;\n    add_smtp_user = false;\n  }\n}\n',
        "rspamd/local.d/dkim_signing.conf": 'path = "/etc/dkimkeys/s.private";\nselector = "s";\nsign_local = true;\n',
        "rspamd/local.d/arc.conf": "enabled = true;\n",
        "rspamd/local.d/actions.conf": "reject = 500;\nadd_header = 400;\ngreylist = 300;\n",
        "rspamd/local.d/options.inc": 'dns {\n  nameserver = ["127.0.0.1"];\n  timeout = 4s;\n  retransmits = 2;\n}\n'
        "disable_monitoring = true;\n",
        "rspamd/local.d/logging.inc": 'type = "console";\n',
        "rspamd/local.d/fuzzy_check.conf": "enabled = false;\n",
        "rspamd/local.d/rbl.conf": "enabled = false;\n",
    },
    {"rspamd": Daemon(("rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd"), "inet:9900")},
    folders={"/var/lib/rspamd": "_rspamd"},
    programs=("rspamd",),
)
SHAPES = {
    # A tutorial's: three programs, and one list for everything.
    "tutorial": _TUTORIAL,
    # docker-mailserver's: parameters name the filters.
    "parameters": _PARAMETERS,
    # Debian's page: sockets below the queue directory; OpenDMARC checks SPF itself.
    "sockets": _SOCKETS,
    # Mail-in-a-Box's: spampd passes mail on to the mailboxes, and scores what stands in the field.
    "mail-in-a-box": _MAIL_IN_A_BOX,
    # modoboa's and iRedMail's: Amavis verifies, and gives mail back to another server of Postfix.
    "amavis": _AMAVIS,
    # mailcow's: rspamd does everything.
    "rspamd": _RSPAMD,
}
