"""What the DNS of tests says."""

from dmarc_milter.dns.answer import RecordType
from dmarc_milter.dns.zone import ZoneResolver, records_of
from tests.support.keys import rsa_key

POLICY_ZONE = f"""$TTL 300
bank.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.bank.example. IN TXT "v=DMARC1; p=reject"
shop.example. IN TXT "v=spf1 -all"
_dmarc.shop.example. IN TXT "v=DMARC1; p=quarantine"
lists.example. IN TXT "v=spf1 ip4:203.0.113.9 -all"
s._domainkey.fwd.example. IN TXT "{rsa_key()[1]}"
5.113.0.203.in-addr.arpa. IN PTR out.partner.example.
out.partner.example. IN A 203.0.113.5
6.113.0.203.in-addr.arpa. IN PTR out.partner.example.
"""
"""A bank whose policy is reject, a shop whose policy is quarantine, a list, a forwarder, a partner's host."""


def dmarc_zone(
    records: dict[str, str], *, existing: tuple[str, ...] = (), failing: tuple[str, ...] = ()
) -> ZoneResolver:
    """A DMARC record per name; names that exist without one; names whose record cannot be had."""
    entries = {f"_dmarc.{name}": [(RecordType.TXT, f'"{text}"')] for name, text in records.items()}
    entries |= {name: [(RecordType.A, "192.0.2.1")] for name in existing}
    return ZoneResolver(records_of(entries), frozenset(f"_dmarc.{name}" for name in failing))
