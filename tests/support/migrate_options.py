"""Every option of the peers that concerns verifying, with what migrate makes of it: a row each."""

import json
from typing import NamedTuple

DMARC, DKIM, DKIMPY = "etc/opendmarc.conf", "etc/opendkim.conf", "etc/dkimpy-milter/dkimpy-milter.conf"
POLICYD = "etc/postfix-policyd-spf-python/policyd-spf.conf"
PYSPF = "etc/pyspf-milter/pyspf-milter.conf"
AUTH = "etc/authentication_milter.json"


class Row(NamedTuple):
    """One line of input, and what has to come of it."""

    file: str
    line: str
    becomes: str = ""
    """Text that has to stand in our file."""
    says: str = ""
    """Text that has to stand in what is left or to know, with the option's name."""
    option: str = ""
    """The option's name there, where it is not the first word of the line."""

    @property
    def name(self) -> str:
        """As the report names the option."""
        return self.option or self.line.replace("=", " ").split()[0]


def _auth(says: str = "", becomes: str = "", option: str = "", **handlers: object) -> Row:
    return Row(AUTH, json.dumps({"handlers": handlers}), becomes, says, option)


def _rspamd(file: str, line: str, becomes: str = "", says: str = "", option: str = "") -> Row:
    return Row(f"etc/rspamd/local.d/{file}", line, becomes, says, option)


ALONE = "RFC 6376 6.3"
LUA = "Lua is not run"
ROWS: dict[str, Row] = {
    # OpenDMARC
    "AuthservID": Row(DMARC, "AuthservID mx.example.org", 'authserv_id = "mx.example.org"'),
    "AuthservID quoted": Row(DMARC, 'AuthservID "OpenDMARC"', 'strip_authserv_ids = ["OpenDMARC"]'),
    "AuthservID HOSTNAME": Row(DMARC, "AuthservID HOSTNAME", 'authserv_id = "host.example.org"'),
    "AuthservIDWithJobID": Row(DMARC, "AuthservIDWithJobID true", says="RFC 8601"),
    "RejectFailures": Row(DMARC, "RejectFailures true", 'makes it "enforce"'),
    "HoldQuarantinedMessages": Row(DMARC, "HoldQuarantinedMessages true", 'quarantine = "hold"'),
    "RejectString": Row(DMARC, 'RejectString "no, %s"', 'reject = "550 5.7.1 no, {domain}"'),
    "RequiredHeaders": Row(DMARC, "RequiredHeaders true", 'unusable_from = "reject"', "left to your spam filter"),
    "RequiredFrom": Row(DMARC, "RequiredFrom true", 'unusable_from = "reject"'),
    "IgnoreHosts": Row(DMARC, "IgnoreHosts /etc/hosts.list", '"192.0.2.0", "192.0.2.2/31"'),
    "IgnoreHosts by name": Row(DMARC, "IgnoreHosts /etc/hosts.list", 'reverse_name = ["mail.example.org"]'),
    "IgnoreAuthenticatedClients": Row(DMARC, "IgnoreAuthenticatedClients false", says="never judged"),
    "IgnoreMailFrom": Row(DMARC, "IgnoreMailFrom a.example", 'from_domain = ["a.example"]', "strangers too"),
    "IgnoreMailTo": Row(DMARC, "IgnoreMailTo /etc/names.list", says="out of reports"),
    "PublicSuffixList": Row(DMARC, "PublicSuffixList /usr/share/psl", says="Tree Walk"),
    "DomainWhitelist": Row(
        DMARC, "DomainWhitelist a.example,b.example", 'trusted_sealers = ["a.example", "b.example"]'
    ),
    "DomainWhitelistFile": Row(DMARC, "DomainWhitelistFile /etc/names.list", 'trusted_sealers = ["a.example"]'),
    "HistoryFile": Row(DMARC, "HistoryFile /run/opendmarc.dat", says="journal"),
    "RecordAllMessages": Row(DMARC, "RecordAllMessages true", says="journal has every message"),
    "FailureReports": Row(DMARC, "FailureReports true", says="[report.failure]"),
    "FailureReportsBcc": Row(DMARC, "FailureReportsBcc a@example.org", says="Domain Owner names"),
    "FailureReportsOnNone": Row(DMARC, "FailureReportsOnNone true", says="[report.failure]"),
    "FailureReportsSentBy": Row(DMARC, "FailureReportsSentBy a@example.org", says="[report] email"),
    "ReportCommand": Row(DMARC, "ReportCommand /usr/sbin/sendmail", says="through your MTA"),
    "NoReportsList": Row(DMARC, "NoReportsList /etc/names.list", says="who gets none"),
    "CopyFailuresTo": Row(DMARC, "CopyFailuresTo a@example.org", says="milter_header_checks"),
    "DNSTimeout": Row(DMARC, "DNSTimeout 7", "timeout = 7.0"),
    "SoftwareHeader": Row(DMARC, "SoftwareHeader true", says="No field names the program"),
    # OpenDKIM
    "DKIM AuthservID": Row(DKIM, "AuthservID mx.example.org", 'authserv_id = "mx.example.org"'),
    "RemoveARFrom": Row(DKIM, "RemoveARFrom mx2.example.org", 'strip_authserv_ids = ["mx2.example.org"]'),
    "RemoveARFrom patterns": Row(DKIM, "RemoveARFrom .example.org", says="no patterns"),
    "RemoveARAll": Row(DKIM, "RemoveARAll yes", says="strip_authserv_ids"),
    "On-BadSignature": Row(DKIM, "On-BadSignature reject", '# dkim = ["fail"]', ALONE),
    "On-NoSignature": Row(DKIM, "On-NoSignature reject", '# dkim = ["none"]', ALONE),
    "On-KeyNotFound": Row(DKIM, "On-KeyNotFound reject", '# dkim = ["fail"]', ALONE),
    "On-SignatureError": Row(DKIM, "On-SignatureError reject", '# dkim = ["fail"]', ALONE),
    "On-DNSError": Row(DKIM, "On-DNSError tempfail", '# dkim = ["temperror"]', "[policy] temperror"),
    "On-Default": Row(DKIM, "On-Default reject", '# dkim = ["fail", "none"]', ALONE),
    "On-Security": Row(DKIM, "On-Security tempfail", says="counts as none"),
    "Quarantine": Row(DKIM, "Quarantine yes", says="a rule with dkim can"),
    "RedirectFailuresTo": Row(DKIM, "RedirectFailuresTo a@example.org", says="REDIRECT"),
    "MinimumKeyBits more": Row(DKIM, "MinimumKeyBits 2048", says="1024 to 2047 bits"),
    "MinimumKeyBits fewer": Row(DKIM, "MinimumKeyBits 512", says="never count"),
    "MaximumSignaturesToVerify": Row(DKIM, "MaximumSignaturesToVerify 4", "max_signatures = 4"),
    "MaximumHeaders": Row(DKIM, "MaximumHeaders 65536", says="20,000 fields"),
    "Minimum": Row(DKIM, "Minimum 50%", "allow_partial_body = true"),
    "BodyLengthDB": Row(DKIM, "BodyLengthDB /etc/names.list", "allow_partial_body = true"),
    "ClockDrift": Row(DKIM, "ClockDrift 60", says="300 s"),
    "MustBeSigned": Row(DKIM, "MustBeSigned /etc/names.list", says="from_domain and dkim"),
    "TrustSignaturesFrom": Row(DKIM, "TrustSignaturesFrom /etc/names.list", says="alignment"),
    "ReplaceRules": Row(DKIM, "ReplaceRules /etc/names.list", says="as they came"),
    "SenderHeaders": Row(DKIM, "SenderHeaders Sender,From", says="Author Domain"),
    "InternalHosts": Row(DKIM, "InternalHosts refile:/etc/hosts.list", '"192.0.2.0", "192.0.2.2/31"'),
    "PeerList": Row(DKIM, "PeerList 192.0.2.7", '"192.0.2.7"'),
    "ExternalIgnoreList": Row(DKIM, "ExternalIgnoreList 192.0.2.7", '"192.0.2.7"'),
    "ExemptDomains": Row(DKIM, "ExemptDomains a.example", 'from_domain = ["a.example"]', "strangers too"),
    "MTA": Row(DKIM, "MTA MSA", says="postconf -P"),
    "MacroList": Row(DKIM, "MacroList daemon_name|ORIGINATING", says="postconf -P"),
    "Nameservers": Row(DKIM, "Nameservers 192.0.2.53", 'nameservers = ["192.0.2.53"]'),
    "TrustAnchorFile": Row(DKIM, "TrustAnchorFile /usr/share/dns/root.key", says="validates DNSSEC"),
    "BogusKey": Row(DKIM, "BogusKey fail", says="validates DNSSEC"),
    "UnprotectedKey": Row(DKIM, "UnprotectedKey none", says="no difference"),
    "DKIM RequiredHeaders": Row(DKIM, "RequiredHeaders yes", says="spam filter"),
    "StrictHeaders": Row(DKIM, "StrictHeaders yes", says="spam filter"),
    "SendReports": Row(DKIM, "SendReports yes", says="RFC 6651"),
    "ReportAddress": Row(DKIM, "ReportAddress a@example.org", says="RFC 6651"),
    "ReportBccAddress": Row(DKIM, "ReportBccAddress a@example.org", says="RFC 6651"),
    "Diagnostics": Row(DKIM, "Diagnostics yes", says="dmarc-milter check"),
    "DiagnosticDirectory": Row(DKIM, "DiagnosticDirectory /tmp", says="dmarc-milter check"),
    "SetupPolicyScript": Row(DKIM, "SetupPolicyScript /x.lua", says=LUA),
    "ScreenPolicyScript": Row(DKIM, "ScreenPolicyScript /x.lua", says=LUA),
    "FinalPolicyScript": Row(DKIM, "FinalPolicyScript /x.lua", says=LUA),
    "StatsPolicyScript": Row(DKIM, "StatsPolicyScript /x.lua", says=LUA),
    "Statistics": Row(DKIM, "Statistics /x", says="journal"),
    "StatisticsName": Row(DKIM, "StatisticsName x", says="journal"),
    "VBR-Certifiers": Row(DKIM, "VBR-Certifiers a.example", says="RFC 5518"),
    "VBR-TrustedCertifiers": Row(DKIM, "VBR-TrustedCertifiers a.example", says="RFC 5518"),
    "DomainKeysCompat": Row(DKIM, "DomainKeysCompat yes", says="RFC 4870"),
    "IgnoreMalformedMail": Row(DKIM, "IgnoreMalformedMail yes", says="unusable_from"),
    "WeakSyntaxChecks": Row(DKIM, "WeakSyntaxChecks yes", says="RFC 6376"),
    # dkimpy-milter
    "dkimpy AuthservID": Row(DKIMPY, "AuthservID mx.example.org", 'authserv_id = "mx.example.org"'),
    "dkimpy DNSTimeout": Row(DKIMPY, "DNSTimeout 7", "timeout = 7.0"),
    "dkimpy InternalHosts": Row(DKIMPY, "InternalHosts 192.0.2.7", '"192.0.2.7"'),
    "dkimpy MinimumKeyBits": Row(DKIMPY, "MinimumKeyBits 2048", says="1024 to 2047 bits"),
    "dkimpy MacroList": Row(DKIMPY, "MacroList daemon_name|x", says="postconf -P"),
    "dkimpy MacroListVerify": Row(DKIMPY, "MacroListVerify daemon_name|x", says="postconf -P"),
    "dkimpy DiagnosticDirectory": Row(DKIMPY, "DiagnosticDirectory /tmp", says="dmarc-milter check"),
    "dkimpy DNSOverride": Row(DKIMPY, "DNSOverride /x", says="check --zone"),
    # policyd-spf and pyspf-milter
    "Mail_From_reject Fail": Row(POLICYD, "Mail_From_reject = Fail", '# spf = ["fail"]', "RFC 9989 7.1"),
    "Mail_From_reject Softfail": Row(POLICYD, "Mail_From_reject = Softfail", '# spf = ["fail", "softfail"]', "7.1"),
    "HELO_reject": Row(POLICYD, "HELO_reject = Fail", '# helo_spf = ["fail"]', "RFC 9989 7.1"),
    "HELO_reject Null": Row(POLICYD, "HELO_reject = Null", '# helo_spf = ["fail"]', "RFC 9989 7.1"),
    "No_Mail": Row(POLICYD, "No_Mail = True", says="v=spf1 -all"),
    "Reject_Not_Pass_Domains": Row(POLICYD, "Reject_Not_Pass_Domains = a.example", says="mail_from_domain"),
    "PermError_reject": Row(POLICYD, "PermError_reject = True", says="permerror"),
    "TempError_Defer": Row(POLICYD, "TempError_Defer = True", says="[policy] temperror"),
    "skip_addresses": Row(POLICYD, "skip_addresses = 127.0.0.0/8,::ffff:192.0.2.7", '"192.0.2.7"'),
    "Whitelist": Row(POLICYD, "Whitelist = 192.0.2.7", '# client = ["192.0.2.7"]', "trusted_relays"),
    "HELO_Whitelist": Row(POLICYD, "HELO_Whitelist = a.example", 'reverse_name = ["a.example"]'),
    "Domain_Whitelist_PTR": Row(POLICYD, "Domain_Whitelist_PTR = a.example", 'reverse_name = [".a.example"]'),
    "Domain_Whitelist": Row(POLICYD, "Domain_Whitelist = a.example", says="trusted_relays"),
    "Header_Type": Row(POLICYD, "Header_Type = SPF", "received_spf = true"),
    "Authserv_Id": Row(POLICYD, "Authserv_Id = mx.example.org", 'authserv_id = "mx.example.org"'),
    "Lookup_Time": Row(POLICYD, "Lookup_Time = 15", "deadline = 15.0"),
    "Whitelist_Lookup_Time": Row(POLICYD, "Whitelist_Lookup_Time = 10", says="[dns] deadline"),
    "Void_Limit": Row(POLICYD, "Void_Limit = 3", says="RFC 7208 4.6.4"),
    "Per_User": Row(POLICYD, "Per_User = text,/x", says="recipient_domain"),
    "HELO_pass_restriction": Row(POLICYD, "HELO_pass_restriction = x", says="policy service"),
    "Mail_From_pass_restriction": Row(POLICYD, "Mail_From_pass_restriction = x", says="policy service"),
    "Prospective": Row(POLICYD, "Prospective = 192.0.2.7", says="check --domain"),
    "Mock": Row(POLICYD, "Mock = True", says="dmarc-milter check"),
    "Reason_Message": Row(POLICYD, "Reason_Message = x", says="[policy.reply]"),
    "SPF_Enhanced_Status_Codes": Row(POLICYD, "SPF_Enhanced_Status_Codes = Yes", says="[policy.reply]"),
    "pyspf InternalHosts": Row(PYSPF, "InternalHosts = 192.0.2.7", '"192.0.2.7"'),
    "pyspf InternalHosts in a file": Row(PYSPF, "InternalHosts = /etc/hosts.list", '"192.0.2.2/31"'),
    "pyspf MacroList": Row(PYSPF, "MacroList = daemon_name|x", says="postconf -P"),
    # rspamd
    "local_addrs": _rspamd("options.inc", "local_addrs = [192.0.2.7];", '"192.0.2.7"'),
    "check_local": _rspamd("options.inc", "check_local = true;", says="not judged here"),
    "check_authed": _rspamd("dmarc.conf", "check_authed = true;", says="not judged here"),
    "actions reject": _rspamd("dmarc.conf", 'actions { reject = "reject"; }', 'makes it "enforce"'),
    "actions quarantine": _rspamd("dmarc.conf", 'actions { quarantine = "reject"; }', 'quarantine = "reject"'),
    "actions greylist": _rspamd(
        "dmarc.conf", 'actions { quarantine = "greylist"; }', says="header field", option="actions.quarantine"
    ),
    "actions softfail": _rspamd(
        "dmarc.conf", 'actions { softfail = "add_header"; }', says="RFC 9989 5.4", option="actions.softfail"
    ),
    "no_sampling_domains": _rspamd("dmarc.conf", "no_sampling_domains = [a.example];", says="no sampling"),
    "reporting": _rspamd("dmarc.conf", "reporting { enabled = true; }", says="[report] exclude_domains"),
    "no_reporting_domains": _rspamd("dmarc.conf", "no_reporting_domains = [a.example];", says="exclude_domains"),
    "munging": _rspamd("dmarc.conf", "munging { mitigate_allow_only = true; }", says="not rewritten"),
    "external_relay": _rspamd("spf.conf", "external_relay = [192.0.2.7];", 'trusted_relays = ["192.0.2.7"]'),
    "spf whitelist": _rspamd("spf.conf", "whitelist = [192.0.2.7];", 'client = ["192.0.2.7"]'),
    "dkim whitelist": _rspamd("dkim.conf", "whitelist = [192.0.2.7];", 'client = ["192.0.2.7"]'),
    "dkim whitelist of domains": _rspamd("dkim.conf", "whitelist = [a.example];", says="dkim_domain"),
    "time_jitter": _rspamd("dkim.conf", "time_jitter = 6h;", says="300 s"),
    "trusted_only": _rspamd("dkim.conf", "trusted_only = true;", says="alignment"),
    "domains": _rspamd("dkim.conf", "domains = /etc/names.list;", says="dkim_domain"),
    "trusted_domains": _rspamd("dkim.conf", "trusted_domains = /etc/names.list;", says="dkim_domain"),
    "strict_multiplier": _rspamd("dkim.conf", "strict_multiplier = 2;", says="no scores"),
    "skip_multi": _rspamd("dkim.conf", "skip_multi = true;", says="max_signatures"),
    "max_sigs": _rspamd("dkim.conf", "max_sigs = 4;", "max_signatures = 4"),
    "whitelisted_signers_map": _rspamd("arc.conf", "whitelisted_signers_map = [a.example];", '["a.example"]'),
    "adjust_dmarc": _rspamd("arc.conf", "adjust_dmarc = true;", says="trusted_sealers"),
    "milter_headers": _rspamd("milter_headers.conf", "use = [authentication-results];", says="removes our field"),
    "remove_ar_from": _rspamd(
        "milter_headers.conf",
        "routines { authentication-results { remove_ar_from = [mx2.example.org]; } }",
        'strip_authserv_ids = ["mx2.example.org"]',
    ),
    "force_actions": _rspamd(
        "force_actions.conf",
        'rules { x { action = "reject"; expression = "DMARC_POLICY_QUARANTINE"; } }',
        says="[[override]]",
        option="DMARC_POLICY_QUARANTINE",
    ),
    "settings": _rspamd("settings.conf", "x { apply { R_SPF_FAIL = 0; } }", says="goes on to act", option="R_SPF_FAIL"),
    # authentication_milter
    "hard_reject": _auth(becomes='makes it "enforce"', DMARC={"hard_reject": 1}),
    "no_reject_disposition": _auth("Mode monitor", DMARC={"no_reject_disposition": "none"}, option="no_reject"),
    "no_list_reject": _auth(becomes='mailing_list = "accept"', DMARC={"no_list_reject": 1}),
    "no_list_reject_disposition": _auth(
        becomes='mailing_list = "quarantine"',
        DMARC={"no_list_reject": 1, "no_list_reject_disposition": "quarantine"},
    ),
    "arc_before_list": _auth("always counts before", DMARC={"arc_before_list": 1}, option="arc_before_list"),
    "use_arc": _auth("trusted_sealers", DMARC={"use_arc": 1}, option="use_arc"),
    "trusted sealers": _auth(becomes='trusted_sealers = ["a.example"]', ARC={"trusted_domains": ["a.example"]}),
    "rbl_whitelist": _auth("Lists in the DNS", ARC={"rbl_whitelist": "a.example"}, option="rbl_whitelist"),
    "policy_rbl_lookup": _auth("Lists in the DNS", DMARC={"policy_rbl_lookup": {"a": 1}}, option="policy_rbl_lookup"),
    "RBLDNS": _auth("not this filter's job", RBLDNS={}, option="RBLDNS"),
    "whitelisted": _auth(becomes='client = ["192.0.2.7"]', DMARC={"whitelisted": ["192.0.2.7"]}),
    "whitelisted by DKIM": _auth(becomes='dkim_domain = ["a.example"]', DMARC={"whitelisted": ["dkim:a.example"]}),
    "reject_on_multifrom": _auth("however many", DMARC={"reject_on_multifrom": 20}, option="reject_on_multifrom"),
    "quarantine_on_multifrom": _auth("nearest", DMARC={"quarantine_on_multifrom": 1}, option="quarantine_on_multi"),
    "skip_on_multifrom": _auth("nearest", DMARC={"skip_on_multifrom": 1}, option="skip_on_multifrom"),
    "strict_multifrom": _auth("unusable_from", DMARC={"strict_multifrom": 1}, option="strict_multifrom"),
    "no_report": _auth("docs/reporting.md", DMARC={"no_report": 1}, option="DMARC.report_"),
    "report_": _auth("docs/reporting.md", DMARC={"report_skip_to": ["a@example.org"]}, option="DMARC.report_"),
    "config_file": _auth("[report]", DMARC={"config_file": "/etc/mail-dmarc.ini"}, option="config_file"),
    "hide_none": _auth("result is none", SPF={"hide_none": 1}, option="SPF.hide_none"),
    "hide_received-spf_header": _auth(becomes="received_spf = true", SPF={"hide_received-spf_header": 0}),
    "spfu_detection": _auth("not looked for", SPF={"spfu_detection": 1}, option="spfu_detection"),
    "helo_check": _auth("helo_spf", SPF={"helo_check": 1}, option="helo_check"),
    "DKIM no_strict": _auth("RFC 8301", DKIM={"no_strict": 1}, option="DKIM.no_strict"),
    "ARC no_strict": _auth("RFC 8301", ARC={"no_strict": 1}, option="ARC.no_strict"),
    "LocalIP": _auth(becomes='"10.0.0.0/8"', LocalIP={}),
    "TrustedIP": _auth(becomes='trusted_relays = ["192.0.2.7"]', TrustedIP={"trusted_ip_list": ["192.0.2.7"]}),
    "hosts_to_remove": _auth(
        "subdomains",
        'strip_authserv_ids = ["example.org"]',
        "hosts_to_remove",
        Sanitize={"hosts_to_remove": ["example.org"]},
    ),
    "extra_auth_results_types": _auth(
        "alone is removed", Sanitize={"extra_auth_results_types": ["X-A-R"]}, option="extra_auth_results_types"
    ),
    "other handlers": _auth("not this filter's job", IPRev={}, BIMI={}, option="IPRev, BIMI"),
    "protocol": Row(AUTH, '{"protocol": "smtp", "handlers": {}}', says="smtpd_milters", option="protocol smtp"),
    "dns_timeout": Row(AUTH, '{"dns_timeout": 7, "handlers": {}}', "timeout = 7.0"),
}
WITHOUT_A_WORD: dict[str, Row] = {
    # A counterpart is always on, or it is the service's business.
    "TrustedAuthservIDs": Row(DMARC, "TrustedAuthservIDs host.example.org"),
    "RejectMultiValueFrom": Row(DMARC, "RejectMultiValueFrom true"),
    "SPFIgnoreResults": Row(DMARC, "SPFIgnoreResults true"),
    "SPFSelfValidate": Row(DMARC, "SPFSelfValidate true"),
    "UMask": Row(DMARC, "UMask 0002"),
    "DomainWhitelistSize": Row(DMARC, "DomainWhitelistSize 3000"),
    "AlwaysAddARHeader": Row(DKIM, "AlwaysAddARHeader yes"),
    "LogResults": Row(DKIM, "LogResults yes"),
    "KeepAuthResults": Row(DKIM, "KeepAuthResults yes"),
    "QueryCache": Row(DKIM, "QueryCache yes"),
    "MinimumKeyBits": Row(DKIM, "MinimumKeyBits 1024"),
    "On-NoSignature": Row(DKIM, "On-NoSignature accept"),
    "TestOnly": Row(POLICYD, "TestOnly = 0"),
    "No_Mail": Row(POLICYD, "No_Mail = False"),
    "Hide_Receiver": Row(POLICYD, "Hide_Receiver = Yes"),
    "debugLevel": Row(POLICYD, "debugLevel = 1"),
    "min_cache_ttl": _rspamd("spf.conf", "min_cache_ttl = 5m;"),
    "best_guess": _auth(SPF={"best_guess": 1}),
    "check_adsp": _auth(DKIM={"check_adsp": 1}),
    "Auth": _auth(Auth={}),
}
