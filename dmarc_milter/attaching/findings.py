"""What a Postfix configuration means for the filter beyond its list of filters: own mail, and what makes attach void.

Pure: from what Postfix says to sentences for the operator.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from dmarc_milter.attaching.milters import entries, parameter_names
from dmarc_milter.attaching.postfix import Configuration, Service
from dmarc_milter.settings.policy import LOOPBACK

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NO_MILTERS = "no_milters"


def findings(postfix: Configuration, address: str, trusted: Sequence[Network]) -> tuple[str, ...]:
    """What the operator should know, each a sentence or two with what to do; `address` is the filter as Postfix has it.

    `trusted` is `[policy] trusted_networks`.
    """
    return (
        *void(postfix, address),
        *_own_mail(postfix, address, trusted),
        *_authentication(postfix),
        *_submission(postfix, address),
        *_local_mail(postfix, address),
        *_reinjection(postfix, address),
    )


def own_networks(postfix: Configuration, address: str) -> tuple[Network, ...]:
    """Networks whose mail is the operator's own: those that Postfix relays for, and local submissions to the filter."""
    own = list(_networks(postfix.values["mynetworks"]))
    if _asks_for_local_mail(postfix, address):
        own += LOOPBACK
    return tuple(dict.fromkeys(own))


def not_trusted(own: Iterable[Network], trusted: Sequence[Network]) -> tuple[Network, ...]:
    """Those of `own` of which not every address is in a network of `trusted`."""
    return tuple(each for each in own if not any(_is_within(each, other) for other in trusted))


def _is_within(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


def _networks(mynetworks: str) -> Iterator[Network]:
    """The networks that are written there; tables and files, which Postfix looks up, are left out."""
    for word in mynetworks.replace(",", " ").split():
        try:
            yield _unmapped(ipaddress.ip_network(word.replace("[", "").replace("]", ""), strict=False))
        except ValueError:
            continue


def _unmapped(network: Network) -> Network:
    """IPv4 addresses as IPv6 writes them, ``[::ffff:127.0.0.0]/104``, as IPv4 (RFC 4291 2.5.5.2)."""
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((network.network_address.packed[12:], network.prefixlen - 96))
    return network


def _tables(mynetworks: str) -> list[str]:
    return [
        word
        for word in mynetworks.replace(",", " ").split()
        if not word.startswith("[") and (("/" in word and ":" in word) or word.startswith("/"))
    ]


def _own_mail(postfix: Configuration, address: str, trusted: Sequence[Network]) -> Iterator[str]:
    missing = not_trusted(own_networks(postfix, address), trusted)
    if missing:
        wanted = ", ".join(f'"{each}"' for each in (*trusted, *missing))
        yield (
            f"own mail: Postfix relays for {_listed(missing)}, but the filter judges mail from there. "
            f"If it is your own, set in [policy]: trusted_networks = [{wanted}]"
        )
    tables = _tables(postfix.values["mynetworks"])
    if tables:
        yield (
            f"own mail: mynetworks names {', '.join(tables)}, which the filter does not read. "
            "Name those networks in [policy] trusted_networks, too."
        )


def _listed(networks: Iterable[Network]) -> str:
    return ", ".join(map(str, networks))


def _asks_for_local_mail(postfix: Configuration, address: str) -> bool:
    value = postfix.values["non_smtpd_milters"]
    return "smtpd_milters" in parameter_names(value) or postfix.asks(value, address)


def _names(value: str, address: str) -> bool:
    return any(entry.is_at(address) for entry in entries(value))


def _asks(service: Service, address: str) -> bool:
    """Whether this smtpd asks the filter, once it is attached."""
    if _NO_MILTERS in service.overrides.get("receive_override_options", ""):
        return False
    value = service.overrides.get("smtpd_milters")
    return value is None or "$smtpd_milters" in value or _names(value, address)


def void(postfix: Configuration, address: str) -> Iterator[str]:
    """Of servers that take mail from strangers, and do not ask: each a sentence or two with what to do."""
    for service in postfix.services:
        if service.is_smtpd and _is_for_strangers(service) and not _asks(service, address):
            option = "smtpd_milters" if "smtpd_milters" in service.overrides else "receive_override_options"
            yield (
                f"the service {service.path} of master.cf does not ask the filter: its option "
                f"'-o {option}={service.overrides[option]}' overrides main.cf. To have its mail judged, remove that "
                f"option: postconf -PX '{service.path}/{option}'"
            )


def _is_for_strangers(service: Service) -> bool:
    return service.name.rpartition(":")[2] in ("smtp", "25", "smtpd") and not _is_on_loopback(service)


def _is_on_loopback(service: Service) -> bool:
    host = service.name.rpartition(":")[0].strip("[]")
    return host == "localhost" or host.startswith("127.") or host == "::1"


def is_submission(service: Service) -> bool:
    """Whether users send their own mail there."""
    names = ("submission", "submissions", "smtps", "587", "465")
    is_authenticating = service.overrides.get("smtpd_sasl_auth_enable") == "yes"
    return service.name.rpartition(":")[2] in names or is_authenticating


def _authentication(postfix: Configuration) -> Iterator[str]:
    if "{auth_authen}" not in postfix.values["milter_mail_macros"]:
        yield (
            "authenticated mail: milter_mail_macros leaves {auth_authen} out, so the filter judges the mail of your "
            "users who log in. Add {auth_authen} to it."
        )


def _submission(postfix: Configuration, address: str) -> Iterator[str]:
    for service in postfix.services:
        if service.is_smtpd and is_submission(service) and _asks(service, address):
            has_login = (
                service.overrides.get("smtpd_sasl_auth_enable", postfix.values["smtpd_sasl_auth_enable"]) == "yes"
            )
            what = "mail of users who log in is not judged, all other mail is" if has_login else "nobody logs in there"
            yield (
                f"submission: the service {service.path} asks the filter, too; {what}. To exclude this filter "
                f"there, name only the other filters: "
                f"postconf -P '{service.path}/smtpd_milters={_others(postfix, address)}'"
            )


def _local_mail(postfix: Configuration, address: str) -> Iterator[str]:
    if _asks_for_local_mail(postfix, address):
        others = _others(postfix, address)
        yield (
            "local mail: non_smtpd_milters names the filter, or follows smtpd_milters. So it is asked about cron mail, "
            "posts of Mailman and bounces, which must not be refused. To exclude this mail: "
            f"postconf -e 'non_smtpd_milters ={' ' if others else ''}{others}'"
        )


def _others(postfix: Configuration, address: str) -> str:
    return ", ".join(each.text for each in entries(postfix.values["smtpd_milters"]) if not each.is_at(address))


def _reinjection(postfix: Configuration, address: str) -> Iterator[str]:
    filters = (postfix.values["content_filter"], postfix.values["smtpd_proxy_filter"])
    for service in reinjected(postfix.services, filters):
        if _asks(service, address):
            own = service.overrides.get("smtpd_milters", "")
            kept = ", ".join(each.text for each in entries(own) if not each.is_at(address) and "$" not in each.text)
            yield (
                f"content filter: mail that comes back to the service {service.path} would be judged a second time. "
                f"To have the filter asked only once: postconf -P '{service.path}/smtpd_milters={kept}'"
            )


def reinjected(services: Sequence[Service], filters: Sequence[str]) -> Iterator[Service]:
    """The services that take mail back from a content filter, and may ask filters about it.

    `filters` are main.cf's content_filter and smtpd_proxy_filter.
    """
    everywhere = list(filters)
    for service in services:
        everywhere += [service.overrides.get("content_filter", ""), service.overrides.get("smtpd_proxy_filter", "")]
    for service in services if any(everywhere) else ():
        is_asking = _NO_MILTERS not in service.overrides.get("receive_override_options", "")
        if service.is_smtpd and is_asking and (_is_on_loopback(service) or _is_spared_the_filter(service)):
            yield service


def _is_spared_the_filter(service: Service) -> bool:
    """Whether its mail must not go to the content filter: it comes from there, unless users or strangers send it."""
    names = ("content_filter", "smtpd_proxy_filter")
    is_spared = any(service.overrides.get(name) == "" for name in names)
    return is_spared and not is_submission(service) and not _is_for_strangers(service)
