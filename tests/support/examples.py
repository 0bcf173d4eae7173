"""The demo's examples, played to a running filter, and what it has to say of each."""

import re

from dmarc_milter.demo.examples import Example
from dmarc_milter.testing.mta import ALL_STEPS, Mta, MtaResponse
from tests.support.running import RunningFilter

EXPECTED = {
    # spf, dkim, dmarc, what is done; None where the message is refused
    "signed": ("pass", "pass", "pass", "accept"),
    "spf-only": ("pass", "none", "pass", "accept"),
    "forwarded": ("fail", "pass", "pass", "accept"),
    "spoofed": None,
    "quarantined": ("pass", "none", "fail", "accept"),
    "no-such-subdomain": None,
    "no-policy": ("pass", "none", "none", "accept"),
    "two-authors": None,
}


def play(running: RunningFilter, scene: Example, *, steps: int = ALL_STEPS, chunk: int = 65_535) -> MtaResponse:
    """One example over a connection of its own, its body in pieces of `chunk` octets."""
    return play_on(running.mta(steps=steps), scene, chunk=chunk)


def play_on(mta: Mta, scene: Example, *, chunk: int = 65_535) -> MtaResponse:
    """The same over a connection that is there."""
    mta.connect(scene.helo, scene.client)
    mta.helo(scene.helo)
    fields, body = scene.content
    answer = mta.message(scene.mail_from, ["you@example.org"], fields, body, chunk=chunk)
    mta.quit()
    return answer


def found(answer: MtaResponse) -> tuple[str, ...]:
    """Results of SPF, DKIM and DMARC in the field that was added, and what is done."""
    values = [re.search(rf"\b{method}=(\w+)", answer.results) for method in ("spf", "dkim", "dmarc")]
    return (*(match.group(1) if match else "" for match in values), answer.action)
