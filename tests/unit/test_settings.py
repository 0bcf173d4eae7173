"""Settings: what is read, and which key an error names."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dmarc_milter.judging.evaluation import EvaluationSettings
from dmarc_milter.judging.policy import PolicySettings
from dmarc_milter.judging.reply import ReplySettings
from dmarc_milter.judging.site import check, evaluation_settings, policy_settings, trusted_lists
from dmarc_milter.settings import config
from dmarc_milter.settings.addresses import InetAddress, UnixAddress
from dmarc_milter.settings.config import Settings
from dmarc_milter.settings.error import ConfigError

GOOD: dict[str, Callable[[Settings], bool]] = {
    "": lambda s: s == Settings(),
    '[milter]\nlisten = "unix:/run/x"': lambda s: s.milter.listen == (UnixAddress("/run/x"),),
    '[milter]\nlisten = "local:/run/x"': lambda s: s.milter.listen == (UnixAddress("/run/x"),),
    '[milter]\nlisten = "inet:99@192.0.2.1"': lambda s: s.milter.listen == (InetAddress("192.0.2.1", 99),),
    '[milter]\nlisten = "inet:99@0.0.0.0"': lambda s: s.milter.listen == (InetAddress("0.0.0.0", 99),),
    '[milter]\nlisten = "inet6:99@::"': lambda s: s.milter.listen == (InetAddress("::", 99),),
    '[milter]\nlisten = "inet:99@localhost"': lambda s: s.milter.listen == (InetAddress("127.0.0.1", 99),),
    '[milter]\nlisten = "inet6:99@::1"': lambda s: s.milter.listen == (InetAddress("::1", 99),),
    '[milter]\nlisten = "inet6:99@[::1]"': lambda s: s.milter.listen == (InetAddress("::1", 99),),
    '[dns]\nnameservers = ["127.0.0.1", "127.0.0.1:5300", "[::1]:53", "::1"]': lambda s: (
        s.dns.nameservers
        == (
            InetAddress("127.0.0.1", 53),
            InetAddress("127.0.0.1", 5300),
            InetAddress("::1", 53),
            InetAddress("::1", 53),
        )
    ),
    '[policy]\nmode = "enforce"\nunusable_from = "quarantine"': lambda s: s.policy.mode == "enforce",
    '[milter]\nlisten = ["unix:/a", "inet:99@127.0.0.1"]': lambda s: len(s.milter.listen) == 2,
    '[policy]\ntrusted_networks = ["10.0.0.0/8", "::1"]': lambda s: len(s.policy.trusted_networks) == 2,
    '[policy.indirect]\nmailing_list = "accept"\ntrusted_sealers = [".example.com"]': lambda s: (
        policy_settings(s).trusted_sealers[0].matches("a.example.com")
    ),
    '[policy.indirect]\ntrusted_lists = ["lists.example.org", ".example.net", "*"]': lambda s: (
        [str(each) for each in trusted_lists(s)] == ["lists.example.org", ".example.net", "*"]
    ),
    '[policy]\ntemperror = "by-policy"': lambda s: s == Settings(),
    '[policy.reply]\nreject = "554 5.7.1 No {domain} {policy} {queue_id} {reason}"': lambda s: (
        ReplySettings.of(s.policy.reply).reject.code == "554"
    ),
    '[[override]]\nname = "a"\nclient = ["192.0.2.1"]\naction = "accept"': lambda s: s.override[0].name == "a",
    "[dns]\ntimeout = 2": lambda s: s.dns.timeout == 2.0,
}
BAD = {
    '[milter]\nlissten = "x"': "milter.lissten (did you mean listen?)",
    '[milter]\ncolour = "x"': "milter.colour (known here: authserv_id, ",
    "[milters]": "milters",
    "milter = 3": "[milter]",
    '[milter]\nlisten = "8893"': "milter.listen",
    '[milter]\nlisten = "inet:8893"': 'an address: "inet:8893@127.0.0.1", or "inet:8893@0.0.0.0" for every',
    '[milter]\nlisten = "inet6:8893"': 'an address: "inet6:8893@::1", or "inet6:8893@::" for every',
    '[milter]\nlisten = ["inet:8893@"]': 'an address: "inet:8893@127.0.0.1", or',
    '[milter]\nlisten = "inet:127.0.0.1:8893"': 'it has to be "inet:8893@127.0.0.1"',
    '[milter]\nlisten = "inet6:[::1]:8893"': 'it has to be "inet6:8893@::1"',
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
    "[milter]\nlisten = []": "milter.listen",
    '[policy]\ntrusted_networks = ["10.0.0.1/8"]': "policy.trusted_networks[0]",
    '[policy]\ntrusted_relays = ["mx.example.org"]': "policy.trusted_relays[0]",
    '[policy.indirect]\ntrusted_sealers = ["a b"]': "policy.indirect.trusted_sealers[0]",
    '[policy.indirect]\ntrusted_sealers = ["*"]': "policy.indirect.trusted_sealers[0]",
    '[policy.indirect]\ntrusted_lists = ["*.example.org"]': "policy.indirect.trusted_lists[0]",
    '[policy.indirect]\ntrusted_lists = "lists.example.org"': "policy.indirect.trusted_lists",
    '[policy.reply]\nreject = "no"': "policy.reply.reject",
    '[policy.reply]\nreject = "450 4.7.1 x"': "policy.reply.reject",
    '[policy.reply]\nreject = "550 4.7.1 x"': "policy.reply.reject",
    '[policy.reply]\nreject = "550 5.7.1 {sender}"': "{domain}",
    '[policy.reply]\nreject = "550 5.7.1 a\\nb"': "policy.reply.reject",
    '[policy.reply]\ntempfail = "550 5.7.1 x"': "policy.reply.tempfail",
    '[[override]]\nname = "a"\naction = "accept"': "no condition",
    '[[override]]\naction = "accept"\nclient = ["::1"]': "override[0].name",
    '[[override]]\nname = "a"\nclient = ["::1"]': "override[0].action",
    '[[override]]\nname = "a b"\nclient = ["::1"]\naction = "accept"': "override[0].name",
    '[[override]]\nname = "a"\nclient = ["::1"]\naction = "drop"': "override[0].action",
    '[override]\nname = "a"': "override",
    '[[override]]\nname = "a"\nclient = ["::1"]\naction = "accept"\n' * 2: "another",
}


@pytest.mark.parametrize("text", GOOD)
def test_good(text: str) -> None:
    settings = config.parse(tomllib.loads(text))
    check(settings)
    assert GOOD[text](settings)


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(config.parse(tomllib.loads(text)))
    assert BAD[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        config.load_default(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"[milter\n")
    with pytest.raises(ConfigError, match=r"x\.toml"):
        config.load_default(tmp_path / "x.toml")


def test_judging_has_the_same_defaults() -> None:
    assert evaluation_settings(Settings()) == EvaluationSettings()
    assert policy_settings(Settings()) == PolicySettings()


def test_the_examples_of_the_docs_are_valid() -> None:
    root = Path(__file__).resolve().parents[2]
    text = "".join(each.read_text() for each in (root / "README.md", *(root / "docs").glob("*.md")))
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        check(config.parse(tomllib.loads(example)))
