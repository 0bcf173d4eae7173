"""Whether the MTA's configuration points at the filter."""

from collections.abc import Iterator

from dmarc_milter.attaching.address import in_postfix
from dmarc_milter.attaching.findings import findings as other_findings
from dmarc_milter.attaching.findings import void
from dmarc_milter.attaching.milters import entries
from dmarc_milter.attaching.plan import DEFAULT_ACTION, MILTERS
from dmarc_milter.attaching.postfix import AttachError, Configuration, Postfix
from dmarc_milter.settings.config import Settings
from dmarc_milter.status.finding import Finding, attention, good, note, unknown

ATTACH = "dmarc-milter attach postfix"


def findings(settings: Settings) -> Iterator[Finding]:
    """Of the Postfix of this host. Sendmail's configuration is not looked into."""
    try:
        postfix = Postfix(None).read()
    except (AttachError, OSError) as error:
        yield unknown("MTA", f"Postfix's configuration cannot be read: {error}")
        return
    yield from of_postfix(postfix, settings)


def of_postfix(postfix: Configuration, settings: Settings) -> Iterator[Finding]:
    """What its main.cf and master.cf say."""
    try:
        addresses = [in_postfix(each, postfix) for each in settings.milter.listen]
    except AttachError as error:
        yield attention("MTA", str(error))
        return
    asked = [entry for entry in entries(postfix.values[MILTERS]) if any(entry.is_at(each) for each in addresses)]
    if not asked:
        yield attention("MTA", f"Postfix does not ask the filter: smtpd_milters = {_shown(postfix)}", ATTACH)
        return
    action = asked[0].default_action or postfix.values[DEFAULT_ACTION]
    yield good("MTA", f"Postfix asks at {asked[0].address}; while the filter is down: {action}")
    yield from _others(postfix, asked[0].address, settings)


def _others(postfix: Configuration, address: str, settings: Settings) -> Iterator[Finding]:
    makes_void = tuple(void(postfix, address))
    for each in makes_void:
        yield attention("MTA", each)
    for each in other_findings(postfix, address, settings.policy.trusted_networks):
        if each not in makes_void:
            yield note("MTA", each)


def _shown(postfix: Configuration) -> str:
    return postfix.values[MILTERS] or "(empty)"
