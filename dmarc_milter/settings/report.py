"""[report] and [report.failure]"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from dmarc_milter.settings.constraints import Example, Pattern, Range

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})+"
_LOCAL_PART = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}"
_ADDRESS = Pattern(rf"{_LOCAL_PART}@{_DOMAIN}", "an address like dmarc@reports.example.org")
_ONE_LINE = Pattern(r"[^\x00-\x1f\x7f]{1,200}", "one line of at most 200 characters")


SigningKey = Annotated[
    str,
    Pattern(rf"{_LABEL}(?:\.{_LABEL})*:/[^\0]+", 'a selector and an absolute path, like "reports:/etc/report.private"'),
]


@dataclass(frozen=True, slots=True)
class FailureSection:
    """Failure reports (RFC 9991): one per message that fails, with its header. They are off by default, because they
    contain data about people."""

    domains: Annotated[tuple[str, ...], Example((".example.com",))] = ()
    """The policy domains that may get them, where their record asks for it (ruf): "example.com" is that domain alone,
    ".example.com" it and everything below. Empty: nobody."""

    per_hour: Annotated[int, Range(1, 10_000)] = 10
    """The maximum number of reports per policy domain and hour. Further failures are counted, and the next report
    has their number (Incidents)."""


@dataclass(frozen=True, slots=True)
class ReportSection:
    """Aggregate reports to the domains whose mail came in (RFC 9990): docs/reporting.md says how to begin. They need
    the journal."""

    enabled: bool = False
    """Whether the journal counts what reports need, and `dmarc-milter report` makes and sends them."""

    organization: Annotated[str | None, _ONE_LINE, Example("Example Ltd")] = None
    """Your name in the reports. Needed to send them. If it is not set, `report make` uses the name of the host."""

    email: Annotated[str | None, _ADDRESS, Example("dmarc@reports.example.org")] = None
    """The sender of the reports, whom their readers may ask. Use an address in a domain that is used only for
    reports, and whose own DMARC record asks for no reports. Needed to send them."""

    submitter: Annotated[
        str | None,
        Pattern(rf"(?=.{{1,120}}\Z){_DOMAIN}", "a domain of at most 120 characters, like example.org"),
        Example("example.org"),
    ] = None
    """The domain in whose name the reports are made. It is the same on all hosts of a fleet. Needed to send them."""

    contact: Annotated[str | None, _ONE_LINE, Example("https://example.org/dmarc")] = None
    """More about how to reach you, for the readers of reports."""

    minimum_messages: Annotated[int, Range(1, 1_000_000)] = 1
    """A domain with fewer messages on a day gets no report."""

    only_aligned: bool = False
    """Whether a domain gets a report only if at least one of its messages on that day passed DMARC. Domains that
    only spammers use publish records as well. Nobody reads reports to them, and hundreds of such reports harm your
    reputation. `report make --dry-run` shows which domains are left out."""

    max_addresses: Annotated[int, Range(1, 20)] = 5
    """Addresses per report, the first ones of the record."""

    exclude_domains: Annotated[tuple[str, ...], Example((".example.net",))] = ()
    """Policy domains that get no reports: "example.com" is that domain alone, ".example.com" it and everything below.
    """

    exclude_addresses: Annotated[tuple[str, ...], Example(("dmarc@example.net", "@example.com"))] = ()
    """Addresses that get none; "@example.com" means all of that host."""

    grace_minutes: Annotated[int, Range(0, 720)] = 60
    """The time from the end of a day (UTC) until the day is closed. Until then, late records of the journal still
    count."""

    spread_hours: Annotated[float, Range(0, 20)] = 4.0
    """The hours over which the reports of a day are spread if there are many. A run sends 500 in all and 20 to one
    host. It sends more only if that is needed to send all of them in this time."""

    keep_days: Annotated[int, Range(4, 3_650)] = 30
    """Days for which reports, and what they were made of, are kept."""

    dkim_key: Annotated[tuple[SigningKey, ...], Example(("reports:/etc/dmarc-milter/report.private",))] = ()
    """Keys that sign the reports, one signature each: the selector, a colon, and the path of a private key (PEM; RSA or
    Ed25519). Empty: your MTA signs them."""

    transport: Literal["smtp", "submission", "sendmail"] = "smtp"
    """How reports leave: "smtp" hands them to the MTA at `server`; "submission" does so with STARTTLS and, where
    `user` is set, a password; "sendmail" runs that program."""

    server: Annotated[
        str,
        Pattern(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?", '"host:port"'),
        Example("mail.example.org:587"),
    ] = "127.0.0.1:25"
    """The MTA that takes them."""

    ca_file: Annotated[str | None, Pattern(r"/[^\0]+", "an absolute path"), Example("/etc/ssl/certs/my-ca.pem")] = None
    """CA certificates (PEM) that verify the server's certificate at submission. If it is not set, those of the
    system are used."""

    user: Annotated[str | None, _ONE_LINE, Example("reports")] = None
    """Who logs in at submission."""

    password_file: Annotated[
        str | None, Pattern(r"/[^\0]+", "an absolute path"), Example("/etc/dmarc-milter/report-password")
    ] = None
    """The file that has the password for this user, on one line."""

    metrics_file: Annotated[str, Pattern(r"/[^\0]+", "an absolute path")] = "/var/lib/dmarc-milter/report.prom"
    """The file into which each run of `dmarc-milter report` writes its figures. The filter gives them to Prometheus
    together with its own."""

    failure: FailureSection = field(default_factory=FailureSection)
