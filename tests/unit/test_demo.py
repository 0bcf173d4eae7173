"""dmarc-milter demo, as somebody sees it who has just installed the filter."""

import re

import pytest

from dmarc_milter.cli.main import main
from dmarc_milter.demo import play
from dmarc_milter.demo.examples import EXAMPLES
from tests.support.examples import EXPECTED

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def told(paragraph: str) -> dict[str, str]:
    """What stands behind each of the words at the left; what goes on in the next lines belongs to it."""
    found = re.findall(r"^  (\w+) +(.*(?:\n {13}.*)*)", paragraph, re.MULTILINE)
    return {name: " ".join(value.split()) for name, value in found}


def test_every_example_is_played_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--color", "always"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert COLOUR.search(out)
    introduction, *paragraphs = COLOUR.sub("", out).split("\n\n")
    assert "eight messages" in introduction
    assert len(paragraphs) == len(EXAMPLES)
    for number, (example, paragraph) in enumerate(zip(EXAMPLES, paragraphs, strict=True), 1):
        assert paragraph.startswith(f"{number}. {example.title}\n")
        found = told(paragraph)
        assert found["why"] == example.lesson
        assert found["sent"].startswith(f"client {example.client}, EHLO {example.helo}")
        expected = EXPECTED[example.name]
        if expected is None:
            assert found["decided"].startswith("reject: ")
            assert found["reply"].startswith("550 5.7.1 ")
            continue
        assert tuple(re.split(r"\W", found[name])[0] for name in ("SPF", "DKIM", "DMARC")) == expected[:3]
        assert found["decided"].startswith(("accept: ", "quarantine: "))
        assert found["header"].startswith("Authentication-Results: mx.example.org;")


def test_a_filter_that_does_not_start(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "_SETTINGS", play._SETTINGS.replace("authserv_id", "authserv"))
    assert main(["demo", "--color", "never"]) == 2
    out, err = capsys.readouterr()
    assert "\n1. " not in out
    assert COLOUR.search(out) is None
    assert err.startswith("dmarc-milter: the filter did not start:\n")
    assert "unknown key milter.authserv" in err
