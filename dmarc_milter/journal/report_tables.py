"""The tables of reports: what is counted for them, and the queue of those that are made.

What workers write is counted by ``reported.py``; the queue is the business of ``dmarc_milter.reporting``.
"""

from enum import StrEnum

import sqlalchemy as sa

metadata = sa.MetaData()


def _day() -> "sa.Column[int]":
    return sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False)


policy_records = sa.Table(
    "policy_records",
    metadata,
    sa.Column("digest", sa.String(32), primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("day", sa.BigInteger, nullable=False),
)
"""DMARC Policy Records as published, each once. `day` is the last one on which it was seen."""

reported_policies = sa.Table(
    "reported_policies",
    metadata,
    _day(),
    sa.Column("policy_domain", sa.String(253), primary_key=True),
    sa.Column("policy", sa.String(24), primary_key=True),
    sa.Column("record", sa.String(32), nullable=False),
    sa.Column("seen", sa.Float(53), nullable=False),
    sqlite_with_rowid=False,
)
"""The policies of a day, with the record that was seen last. `day` is its start in UTC, in seconds since 1970."""

reported = sa.Table(
    "reported",
    metadata,
    _day(),
    sa.Column("policy_domain", sa.String(253), primary_key=True),
    sa.Column("policy", sa.String(24), primary_key=True),
    sa.Column("digest", sa.String(32), primary_key=True),
    sa.Column("variant", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("messages", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How many messages a report counts, by what it tells of them."""


class JobState(StrEnum):
    """What became of one domain of a closed day."""

    OPEN = "open"
    DONE = "done"
    """Its reports are made, or there is none to make."""
    GIVEN_UP = "given-up"
    """The DNS did not answer for days."""


report_jobs = sa.Table(
    "report_jobs",
    metadata,
    _day(),
    sa.Column("policy_domain", sa.String(253), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("next_try", sa.Float(53), nullable=False, default=0.0),
    sa.Column("messages", sa.BigInteger, nullable=False, default=0),
    sa.Column("note", sa.String(500)),
    sa.Index(
        "ix_report_jobs_open",
        "next_try",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
    sqlite_with_rowid=False,
)
"""The domains of closed days. `messages`: how many were counted when it was done; those that came later are late."""

report_days = sa.Table(
    "report_days", metadata, _day(), sa.Column("closed", sa.Float(53), nullable=False), sqlite_with_rowid=False
)
"""Days that are closed: their domains are in `report_jobs`."""

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("day", sa.BigInteger, nullable=False),
    sa.Column("policy_domain", sa.String(253), nullable=False),
    sa.Column("policy", sa.String(24), nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("messages", sa.BigInteger, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("made", sa.Float(53), nullable=False),
    sa.Column("is_signed", sa.Boolean, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Index("ix_reports_by_domain", "policy_domain", "day"),
    sa.Index("ix_reports_by_day", "day", "policy_domain"),
)
"""The reports as they are sent: `message` is the whole mail. `kind`: aggregate, failure."""


class DeliveryState(StrEnum):
    """What became of a report at one address."""

    PENDING = "pending"
    SENT = "sent"
    """The MTA has taken it."""
    SUPPRESSED = "suppressed"
    """The address had refused reports, or is on the operator's list."""
    REFUSED = "refused"
    """For good, 5xx."""
    EXPIRED = "expired"
    """It was tried for three days."""
    BOUNCED = "bounced"
    """The MTA took it, and a DSN came back."""


report_deliveries = sa.Table(
    "report_deliveries",
    metadata,
    sa.Column("report", sa.String(64), primary_key=True),
    sa.Column("address", sa.String(320), primary_key=True),
    sa.Column("token", sa.String(32), nullable=False, unique=True),
    sa.Column("host", sa.String(253), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("next_try", sa.Float(53), nullable=False),
    sa.Column("changed", sa.Float(53), nullable=False),
    sa.Column("reply", sa.String(500)),
    sa.Index(
        "ix_report_deliveries_pending",
        "host",
        "next_try",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index("ix_report_deliveries_changed", "state", "changed"),
)
"""One report at one address. `token` is in its MAIL FROM (VERP), `host` is the address's."""

report_suppressions = sa.Table(
    "report_suppressions",
    metadata,
    sa.Column("address", sa.String(320), primary_key=True),
    sa.Column("until", sa.Float(53)),
    sa.Column("times", sa.Integer, nullable=False, default=0),
    sa.Column("changed", sa.Float(53), nullable=False),
    sa.Column("why", sa.String(500), nullable=False),
)
"""Addresses that get no reports. `until`: None where the operator said so. `times`: how often it refused."""

failure_reports = sa.Table(
    "failure_reports",
    metadata,
    sa.Column("uid", sa.String(40), primary_key=True),
    sa.Column("time", sa.Float(53), nullable=False),
    sa.Column("policy_domain", sa.String(253), nullable=False),
    sa.Column("incidents", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Index("ix_failure_reports_by_domain", "policy_domain", "time"),
)
"""Failures that wait to be told; `uid` is that of the message. What is in them is redacted."""

report_secrets = sa.Table(
    "report_secrets",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("secret", sa.String(64), nullable=False),
)
"""The key of redaction: the same on all hosts, and after a restart."""

report_checks = sa.Table(
    "report_checks",
    metadata,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("passed", sa.Float(53), nullable=False),
)
"""Settings of sending for which `report check` passed."""
