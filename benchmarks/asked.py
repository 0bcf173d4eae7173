"""How many questions to the DNS a new sender costs.

Each filter gets one message of each of many senders, and its questions are counted.

sudo .venv/bin/python -m benchmarks.asked [--senders N]     (root, and peers: as benchmarks.peers)

Prints questions per message, by what they are about, as a table in Markdown.
"""

import argparse
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchmarks import corpus, load
from benchmarks.contenders import ADDRESS, Contender, installed
from dmarc_milter.dns.answer import Question, RecordType
from dmarc_milter.dns.zone import ZoneResolver
from dmarc_milter.testing.name_server import NameServerThread

ABOUT = ("SPF", "keys", "DMARC", "other")


def domain(number: int) -> str:
    return f"d{number}.example"


def signed(number: int) -> corpus.Message:
    """From a domain with a policy of its own; SPF passes by an include, one signature."""
    return corpus.plain(number, number, size=2_000)


def unsigned(number: int) -> corpus.Message:
    """The same without a signature."""
    return corpus.plain(number, number, size=2_000, signatures=0)


def below(number: int) -> corpus.Message:
    """From a name two labels below the domain that has the policy."""
    return _from(unsigned(number), f"a.b.{domain(number)}")


def forwarded(number: int) -> corpus.Message:
    """Signed, from a client that SPF does not know."""
    return replace(signed(number), client=corpus.ELSEWHERE)


def of_nobody(number: int) -> corpus.Message:
    """From a domain without a policy, and without SPF."""
    name = f"n{number}.example"
    return replace(_from(unsigned(number), name), mail_from=f"a@{name}", helo=f"mail.{name}")


CASES = {
    "signed, SPF and DKIM pass": signed,
    "the same, forwarded: SPF fails": forwarded,
    "not signed, SPF passes": unsigned,
    "the same, From two labels below the policy": below,
    "no policy, no SPF, no signature": of_nobody,
}


def _from(message: corpus.Message, name: str) -> corpus.Message:
    fields = tuple((key, f" news@{name}".encode() if key == b"From" else value) for key, value in message.fields)
    return replace(message, fields=fields)


def about(question: Question) -> str:
    if "_domainkey." in question.name:
        return "keys"
    if question.name.startswith("_dmarc."):
        return "DMARC"
    return "SPF" if question.type is RecordType.TXT else "other"


def asked(contender: Contender, messages: list[corpus.Message], zone: ZoneResolver) -> Counter[str]:
    with tempfile.TemporaryDirectory() as name, NameServerThread(zone, host=ADDRESS, port=53) as server:
        folder = Path(name)
        folder.chmod(0o755)
        with contender(folder) as (_, paths):
            server.asked.clear()
            load.run(paths, messages, 1)
            return Counter(map(about, server.asked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--senders", type=int, default=50)
    options = parser.parse_args()
    zone = ZoneResolver.from_text(corpus.zone(options.senders))
    print(f"| | | {' | '.join(ABOUT)} | all |\n|---|---|{'--:|' * (len(ABOUT) + 1)}")
    for case, make in CASES.items():
        messages = [make(number) for number in range(options.senders)]
        for name, contender in installed().items():
            counted = asked(contender, messages, zone)
            each = [counted[what] / options.senders for what in ABOUT]
            print(f"| {case} | {name} | {' | '.join(f'{n:.1f}' for n in each)} | {sum(each):.1f} |", flush=True)


if __name__ == "__main__":
    main()
