"""Settings: what is read, and which key an error names."""

import tomllib
from pathlib import Path

import pytest

from dmarc_milter import config
from dmarc_milter.config import ConfigError, InetAddress, Settings, UnixAddress
from dmarc_milter.dns.upstream import NameServer

GOOD = {
    "": lambda s: s == Settings(),
    '[milter]\nlisten = "unix:/run/x"': lambda s: s.milter.listen == UnixAddress("/run/x"),
    '[milter]\nlisten = "local:/run/x"': lambda s: s.milter.listen == UnixAddress("/run/x"),
    '[milter]\nlisten = "inet:99@192.0.2.1"': lambda s: s.milter.listen == InetAddress("192.0.2.1", 99),
    '[milter]\nlisten = "inet:99@localhost"': lambda s: s.milter.listen == InetAddress("127.0.0.1", 99),
    '[milter]\nlisten = "inet6:99@::1"': lambda s: s.milter.listen == InetAddress("::1", 99),
    '[milter]\nlisten = "inet6:99@[::1]"': lambda s: s.milter.listen == InetAddress("::1", 99),
    '[dns]\nnameservers = ["127.0.0.1", "127.0.0.1:5300", "[::1]:53", "::1"]': lambda s: (
        s.dns.nameservers
        == (NameServer("127.0.0.1"), NameServer("127.0.0.1", 5300), NameServer("::1"), NameServer("::1"))
    ),
    '[policy]\nmode = "enforce"\nunusable_from = "quarantine"': lambda s: s.policy.mode.value == "enforce",
    "[dns]\ntimeout = 2": lambda s: s.dns.timeout == 2.0,
}
BAD = {
    '[milter]\nlissten = "x"': "milter.lissten",
    "[milters]": "milters",
    "milter = 3": "[milter]",
    '[milter]\nlisten = "8893"': "milter.listen",
    '[milter]\nlisten = "inet:8893@mail.example.org"': "milter.listen",
    '[milter]\nlisten = "inet:99999@127.0.0.1"': "milter.listen",
    '[milter]\nworkers = "2"': "milter.workers",
    "[milter]\nworkers = true": "milter.workers",
    "[milter]\nworkers = -1": "milter.workers",
    '[milter]\nauthserv_id = "a b"': "milter.authserv_id",
    '[milter]\nsocket_mode = "rw"': "milter.socket_mode",
    '[dns]\nnameservers = "127.0.0.1"': "dns.nameservers",
    '[dns]\nnameservers = ["localhost"]': "dns.nameservers[0]",
    '[dns]\nnameservers = ["127.0.0.1:0"]': "dns.nameservers[0]",
    "[dns]\ntimeout = 0": "dns.timeout",
    '[policy]\nmode = "on"': "policy.mode",
    '[policy]\ntemperror = "reject"': "policy.temperror",
    "[dkim]\nallow_partial_body = 1": "dkim.allow_partial_body",
}


@pytest.mark.parametrize("text", GOOD)
def test_good(text: str) -> None:
    assert GOOD[text](config.parse(tomllib.loads(text)))


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse(tomllib.loads(text))
    assert BAD[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"[milter\n")
    with pytest.raises(ConfigError, match=r"x\.toml"):
        config.load(tmp_path / "x.toml")


def test_the_example_file_holds_the_defaults() -> None:
    path = Path(__file__).resolve().parents[2] / "etc" / "dmarc-milter.toml"
    assert config.load(path) == Settings()
    shown = path.read_text().replace("\n#", "\n")
    for section in ("milter", "dns", "dkim", "policy", "log"):
        for key in getattr(Settings(), section).__dataclass_fields__:
            assert f"\n{key} = " in shown, f"{section}.{key} is not explained"
