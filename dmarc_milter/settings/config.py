"""Settings: one TOML file, read into frozen values. Every error names the key and says what would be right."""

import ipaddress
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from dmarc_milter.common import network
from dmarc_milter.common.network import Network
from dmarc_milter.dns.name import DomainPattern, domain_pattern
from dmarc_milter.dns.servers import NameServer
from dmarc_milter.judging.evaluation import EvaluationSettings
from dmarc_milter.judging.override import Override
from dmarc_milter.judging.policy import (
    Mode,
    OnMailingList,
    OnTemporaryError,
    OnUnusableFrom,
    PolicySettings,
    Quarantine,
)
from dmarc_milter.judging.reply import ReplySettings, ReplyTemplate, template
from dmarc_milter.message.mailing_list import ListPattern, list_pattern

DEFAULT_PATH = Path("/etc/dmarc-milter/dmarc-milter.toml")


class ConfigError(Exception):
    """Settings that cannot be used; the text is one line that names the key."""


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A listening socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class InetAddress:
    """A listening socket on the network."""

    host: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return f"{'inet6' if self.is_ipv6 else 'inet'}:{self.port}@{self.host}"


ListenAddress = UnixAddress | InetAddress


@dataclass(frozen=True, slots=True)
class MetricsAddress:
    """Where the metrics are to be had; None for nowhere."""

    inet: InetAddress | None


class OnError(Enum):
    """What is done with a message in whose handling the filter itself failed."""

    ACCEPT = "accept"
    TEMPFAIL = "tempfail"
    REJECT = "reject"


class LogFormat(Enum):
    """How log lines look."""

    LOGFMT = "logfmt"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class MilterSettings:
    """[milter]"""

    listen: tuple[ListenAddress, ...] = (InetAddress("127.0.0.1", 8893),)
    authserv_id: str | None = None
    strip_authserv_ids: tuple[str, ...] = ()
    workers: int = 1
    socket_mode: str = "0660"
    socket_group: str | None = None
    drain_seconds: float = 30.0
    received_spf: bool = False


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """[dns]"""

    nameservers: tuple[NameServer, ...] = ()
    timeout: float = 3.0
    tries: int = 2
    deadline: float = 15.0
    cache_megabytes: int = 6


@dataclass(frozen=True, slots=True)
class DkimSettings:
    """[dkim]"""

    max_signatures: int = 10
    allow_partial_body: bool = False


@dataclass(frozen=True, slots=True)
class IndirectSettings:
    """[policy.indirect]"""

    trusted_sealers: tuple[DomainPattern, ...] = ()
    trusted_lists: tuple[ListPattern, ...] = ()
    mailing_list: OnMailingList = OnMailingList.QUARANTINE


@dataclass(frozen=True, slots=True)
class PolicySection:
    """[policy]"""

    mode: Mode = Mode.MONITOR
    quarantine: Quarantine = Quarantine.HEADER
    temperror: OnTemporaryError = OnTemporaryError.BY_POLICY
    unusable_from: OnUnusableFrom = OnUnusableFrom.REJECT
    on_error: OnError = OnError.TEMPFAIL
    trusted_networks: tuple[Network, ...] = ()
    trusted_relays: tuple[Network, ...] = ()
    indirect: IndirectSettings = field(default_factory=IndirectSettings)
    reply: ReplySettings = field(default_factory=ReplySettings)


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """[metrics]"""

    listen: MetricsAddress = MetricsAddress(InetAddress("127.0.0.1", 9893))


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """[journal]"""

    enabled: bool = True
    database: str = "sqlite:////var/lib/dmarc-milter/journal.sqlite"
    keep_days: int = 30
    queue: int = 20_000
    addresses: bool = False


@dataclass(frozen=True, slots=True)
class LogSettings:
    """[log]"""

    format: LogFormat = LogFormat.LOGFMT
    addresses: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file."""

    milter: MilterSettings = field(default_factory=MilterSettings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    dkim: DkimSettings = field(default_factory=DkimSettings)
    policy: PolicySection = field(default_factory=PolicySection)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    override: tuple[Override, ...] = ()

    @property
    def evaluation(self) -> EvaluationSettings:
        """What an evaluation needs."""
        return EvaluationSettings(
            self.dns.deadline,
            self.dkim.max_signatures,
            self.dkim.allow_partial_body,
            self.policy.trusted_relays,
            any(rule.reverse_name for rule in self.override),
        )

    @property
    def decision(self) -> PolicySettings:
        """What policy.decide needs."""
        policy = self.policy
        return PolicySettings(
            policy.mode,
            policy.quarantine,
            policy.temperror,
            policy.unusable_from,
            self.override,
            policy.indirect.trusted_sealers,
            policy.indirect.trusted_lists,
            policy.indirect.mailing_list,
        )


def load(path: Path) -> Settings:
    """The settings in the file at `path`. Raises ConfigError."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return parse(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def load_default(path: Path | None) -> Settings:
    """The settings at `path`, else of the default file if it is there, else the defaults. Raises ConfigError."""
    if path is not None:
        return load(path)
    return load(DEFAULT_PATH) if DEFAULT_PATH.exists() else Settings()


def parse(data: Mapping[str, Any]) -> Settings:
    """Settings from the tables of a TOML file. Raises ConfigError."""
    settings = _section(Settings, data, "")
    _check(settings)
    return settings


_D = TypeVar("_D")


def _section(kind: type[_D], data: object, path: str) -> _D:
    if not isinstance(data, dict):
        raise ConfigError(f"[{path}] has to be a table")
    hints = typing.get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]  # every kind here is a dataclass
    values = {}
    for key, value in data.items():
        name = f"{path}.{key}" if path else key
        if key not in known:
            raise ConfigError(f"unknown key {name} (known here: {', '.join(sorted(known))})")
        values[key] = _value(hints[key], value, name)
    for key, each in known.items():
        if key not in values and each.default is MISSING and each.default_factory is MISSING:
            raise ConfigError(f"{path}.{key} is missing")
    return kind(**values)


def _value(hint: Any, value: object, name: str) -> Any:
    if hint == tuple[ListenAddress, ...]:
        listed = [value] if isinstance(value, str) else _expect(list, value, name, _TYPE_NAMES[ListenAddress])
        if not listed:
            raise ConfigError(f"{name} is empty; it needs an address")
        return tuple(_value(ListenAddress, each, name) for each in listed)
    if hint in _TEXTS:
        return _TEXTS[hint](_expect(str, value, name, _TYPE_NAMES[hint]), name)
    if isinstance(hint, types.UnionType):
        return _value(next(each for each in typing.get_args(hint) if each is not type(None)), value, name)
    if typing.get_origin(hint) is tuple:
        items = _expect(list, value, name, "a list")
        return tuple(_value(typing.get_args(hint)[0], item, f"{name}[{index}]") for index, item in enumerate(items))
    if is_dataclass(hint) and isinstance(hint, type):
        return _section(hint, value, name)
    if isinstance(hint, type) and issubclass(hint, Enum):
        choices = [each.value for each in hint]
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}; it has to be one of {', '.join(map(repr, choices))}")
        return hint(value)
    if hint is float:
        return float(_expect((int, float), value, name, "a number"))
    return _expect(hint, value, name, _TYPE_NAMES[hint])


_TYPE_NAMES = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    ListenAddress: 'a string like "inet:8893@127.0.0.1", or a list of them',
    MetricsAddress: 'a string like "127.0.0.1:9893"',
    NameServer: 'a string like "127.0.0.1:53"',
    Network: 'a string like "192.0.2.0/24"',
    DomainPattern: 'a string like "example.com" or ".example.com"',
    ListPattern: 'a string like "lists.example.org" or ".example.org"',
    ReplyTemplate: 'a string like "550 5.7.1 Refused"',
}


def _expect(kind: Any, value: object, name: str, what: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{name} is {value!r}; it has to be {what}")
    return value


_INET = re.compile(r"(inet6?):([0-9]{1,5})(?:@(\[?[0-9A-Za-z:.%-]+\]?))?")


def listen_address(text: str, name: str) -> ListenAddress:
    """An address as Postfix and libmilter write it. Raises ConfigError."""
    kind, _, rest = text.partition(":")
    if kind in ("unix", "local") and rest.startswith("/"):
        return UnixAddress(rest)
    match = _INET.fullmatch(text)
    if match is None or not 0 <= int(match.group(2)) <= 65_535:
        raise ConfigError(f'{name} is "{text}"; it has to be "unix:/path", "inet:port@host" or "inet6:port@host"')
    host = (match.group(3) or ("::" if match.group(1) == "inet6" else "0.0.0.0")).strip("[]")  # noqa: S104
    if host == "localhost":
        host = "::1" if match.group(1) == "inet6" else "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(f'{name}: the host "{host}" has to be an IP address') from None
    return InetAddress(host, int(match.group(2)))


_NAME_SERVER = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?|([0-9.]+)(?::([0-9]{1,5}))?|([0-9A-Fa-f:]+)")


def name_server(text: str, name: str) -> NameServer:
    """A name server: an address, with a port if it is not 53. Raises ConfigError."""
    match = _NAME_SERVER.fullmatch(text)
    groups = match.groups() if match else (None,) * 5
    host = groups[0] or groups[2] or groups[4] or ""
    port = int(groups[1] or groups[3] or 53)
    try:
        ipaddress.ip_address(host)
        if not 0 < port <= 65_535:
            raise ValueError
    except ValueError:
        wanted = '"127.0.0.1", "127.0.0.1:5300" or "[::1]:53"'
        raise ConfigError(f'{name} is "{text}"; it has to be like {wanted}') from None
    return NameServer(host, port)


def _network(text: str, name: str) -> Network:
    try:
        return network.parse(text)
    except ValueError as error:
        raise ConfigError(f'{name} is "{text}"; it has to be like "192.0.2.0/24" or "2001:db8::1" ({error})') from None


def _domain_pattern(text: str, name: str) -> DomainPattern:
    pattern = domain_pattern(text)
    if pattern is None:
        wanted = '"example.com", or ".example.com" for all below it too'
        raise ConfigError(f'{name} is "{text}"; it has to be a domain like {wanted}')
    return pattern


def _list_pattern(text: str, name: str) -> ListPattern:
    pattern = list_pattern(text)
    if pattern is None:
        wanted = '"lists.example.org", ".example.org" for all below it too, or "*" for every list'
        raise ConfigError(f'{name} is "{text}"; it has to be a domain like {wanted}')
    return pattern


def _reply_template(text: str, name: str) -> ReplyTemplate:
    try:
        return template(text)
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None


_HOST_AND_PORT = re.compile(r"(?:([0-9.]+)|\[([0-9a-fA-F:]+)\]):([0-9]{1,5})")


def _metrics_address(text: str, name: str) -> MetricsAddress:
    if not text:
        return MetricsAddress(None)
    match = _HOST_AND_PORT.fullmatch(text)
    try:
        if match is None or not 0 <= int(match[3]) <= 65_535:
            raise ValueError
        host = str(ipaddress.ip_address(match[1] or match[2]))
    except ValueError:
        wanted = '"127.0.0.1:9893" or "[::1]:9893", or "" for no metrics'
        raise ConfigError(f'{name} is "{text}"; it has to be like {wanted}') from None
    return MetricsAddress(InetAddress(host, int(match[3])))


_TEXTS: dict[Any, Callable[[str, str], Any]] = {
    ListenAddress: listen_address,
    MetricsAddress: _metrics_address,
    NameServer: name_server,
    Network: _network,
    DomainPattern: _domain_pattern,
    ListPattern: _list_pattern,
    ReplyTemplate: _reply_template,
}


_RANGES: dict[str, tuple[Callable[[Settings], float], float, float]] = {
    "milter.workers": (lambda s: s.milter.workers, 0, 256),
    "milter.drain_seconds": (lambda s: s.milter.drain_seconds, 0, 3600),
    "dns.timeout": (lambda s: s.dns.timeout, 0.05, 60),
    "dns.tries": (lambda s: s.dns.tries, 1, 10),
    "dns.deadline": (lambda s: s.dns.deadline, 0.1, 120),
    "dns.cache_megabytes": (lambda s: s.dns.cache_megabytes, 1, 4096),
    "journal.keep_days": (lambda s: s.journal.keep_days, 0, 36_500),
    "journal.queue": (lambda s: s.journal.queue, 100, 1_000_000),
    "dkim.max_signatures": (lambda s: s.dkim.max_signatures, 1, 100),
}
_AUTHSERV_ID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,253}")
_DATABASE = re.compile(r"sqlite:///.|postgresql(?:\+[a-z0-9]+)?://.")
_MODE = re.compile(r"0?[0-7]{3}")


def _check(settings: Settings) -> None:
    for name, (get, least, most) in _RANGES.items():
        if not least <= get(settings) <= most:
            raise ConfigError(f"{name} is {get(settings)}; it has to be from {least} to {most}")
    authserv_id = settings.milter.authserv_id
    if authserv_id is not None and _AUTHSERV_ID.fullmatch(authserv_id) is None:
        raise ConfigError(f'milter.authserv_id is "{authserv_id}"; it has to be a name like mx.example.org')
    if _MODE.fullmatch(settings.milter.socket_mode) is None:
        raise ConfigError(f'milter.socket_mode is "{settings.milter.socket_mode}"; it has to be like "0660"')
    if _DATABASE.match(settings.journal.database) is None:
        wanted = '"sqlite:////path/of/a/file" or "postgresql://user:password@host/name"'
        raise ConfigError(f"journal.database has to be like {wanted}")
    _check_rules(settings.override)
    _check_reply_classes(settings.policy.reply)


_RULE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _check_rules(rules: tuple[Override, ...]) -> None:
    names = set()
    for index, rule in enumerate(rules):
        if _RULE_NAME.fullmatch(rule.name) is None:
            raise ConfigError(f'override[{index}].name is "{rule.name}"; it has to be like "partner-gateway"')
        if rule.name in names:
            raise ConfigError(f'override[{index}].name is "{rule.name}", as another rule\'s')
        if not rule.has_conditions:
            raise ConfigError(f"override[{index}] ({rule.name}) has no condition and would apply to all mail")
        names.add(rule.name)


def _check_reply_classes(replies: ReplySettings) -> None:
    for each in fields(replies):
        wanted = "4" if each.name.startswith("tempfail") else "5"
        code = getattr(replies, each.name).code
        if code[0] != wanted:
            raise ConfigError(f"policy.reply.{each.name} has the code {code}; it has to begin with {wanted}")
