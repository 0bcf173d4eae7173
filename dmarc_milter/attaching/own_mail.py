"""Own mail that the filter may refuse: told when it starts, for it is late to learn it from users."""

import ipaddress
from collections.abc import Sequence

from dmarc_milter.attaching.address import in_postfix
from dmarc_milter.attaching.findings import Network, not_trusted, own_networks
from dmarc_milter.attaching.postfix import AttachError, Postfix
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.policy import LOOPBACK


def warnings(settings: Settings) -> tuple[str, ...]:
    """In mode enforce: networks of own hosts whose mail is judged, in a sentence with what to set.

    Own are this host's loopback addresses, and those that the Postfix of this host relays for, if there is one.
    """
    if settings.policy.mode != "enforce":
        return ()
    trusted = settings.policy.trusted_networks
    own = (*LOOPBACK, *_of_postfix(settings))
    missing = _collapsed(not_trusted(own, trusted))
    if not missing:
        return ()
    wanted = ", ".join(f'"{each}"' for each in (*trusted, *missing))
    return (
        f"mode enforce: own mail from {', '.join(map(str, missing))} is judged, and may be refused. "
        f"If you don't want that, set in [policy]: trusted_networks = [{wanted}]",
    )


def _of_postfix(settings: Settings) -> tuple[Network, ...]:
    """What Postfix relays for; nothing where there is no Postfix, or none that may be read."""
    try:
        postfix = Postfix(None).read()
        return own_networks(postfix, in_postfix(settings.milter.listen[0], postfix))
    except (AttachError, OSError):
        return ()


def _collapsed(networks: Sequence[Network]) -> tuple[Network, ...]:
    """Without those that lie in another of them."""
    four = [each for each in networks if isinstance(each, ipaddress.IPv4Network)]
    six = [each for each in networks if isinstance(each, ipaddress.IPv6Network)]
    return (*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six))
