"""The tables of what is tallied of each day that is over (tallies.py): most of them, of what stood out."""

import sqlalchemy as sa

metadata = sa.MetaData()


def _day() -> "sa.Column[int]":
    return sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False)


def _author_domain() -> "sa.Column[str]":
    return sa.Column("author_domain", sa.String(253), primary_key=True)


def _network() -> "sa.Column[bytes]":
    return sa.Column("network", sa.LargeBinary, primary_key=True)


def _list_id() -> "sa.Column[str]":
    return sa.Column("list_id", sa.String(253), primary_key=True)


def _messages() -> "sa.Column[int]":
    return sa.Column("messages", sa.BigInteger, nullable=False)


tallied_days = sa.Table("tallied_days", metadata, _day())
"""Those that the other tables tell of. `day` is its start in UTC, in seconds since 1970."""

tallied_sources = sa.Table(
    "tallied_sources", metadata, _day(), _author_domain(), _network(), _messages(), sqlite_with_rowid=False
)
"""What stood out, by Author Domain (empty: From has none) and network (empty: the client is not known)."""
sa.Index("ix_tallied_sources_network", *(tallied_sources.c[name] for name in ("day", "network", "author_domain")))

tallied_domains = sa.Table("tallied_domains", metadata, _day(), _author_domain(), _messages(), sqlite_with_rowid=False)
"""The same, by Author Domain."""

tallied_networks = sa.Table("tallied_networks", metadata, _day(), _network(), _messages(), sqlite_with_rowid=False)
"""The same, by network."""

tallied_lists = sa.Table(
    "tallied_lists",
    metadata,
    _day(),
    _list_id(),
    _messages(),
    sa.Column("failing", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""All mail with a List-Id, and how much of it failed DMARC."""

tallied_decisions = sa.Table(
    "tallied_decisions",
    metadata,
    _day(),
    sa.Column("mode", sa.String(16), primary_key=True),
    sa.Column("wanted", sa.String(16), primary_key=True),
    _messages(),
    sqlite_with_rowid=False,
)
"""What enforce does not accept, or would not."""

tallied_groups = sa.Table(
    "tallied_groups",
    metadata,
    _day(),
    _author_domain(),
    sa.Column("method", sa.String(16), primary_key=True),
    sa.Column("identifier", sa.String(253), primary_key=True),
    _messages(),
    sa.Column("sent_on", sa.BigInteger, nullable=False),
    sa.Column("particulars", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
"""The same as groups (what_if.py), the largest of the day."""

tallied_failing_lists = sa.Table(
    "tallied_failing_lists",
    metadata,
    _day(),
    _list_id(),
    sa.Column("particulars", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Lists whose mail fails under a policy (seen_lists.py), the largest of the day."""

tallied_kinds = sa.Table(
    "tallied_kinds",
    metadata,
    _day(),
    _author_domain(),
    sa.Column("kind", sa.String(16), primary_key=True),
    _messages(),
    sqlite_with_rowid=False,
)
"""All mail of the Author Domains with much of it, by kind (domain_kinds.py)."""
