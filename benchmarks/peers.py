"""dmarc-milter beside its peers, and beside a filter that does nothing: mail as it really is, in turns, several rounds.

Used by benchmarks.report; by itself it prints the tables:
sudo .venv/bin/python -m benchmarks.peers [--rounds N] [--messages N]   (root: a name server on port 53 of a loopback
address of its own, a private /etc/resolv.conf; Debian's opendkim and opendmarc; rspamd, pyspf-milter and dkimpy-milter
where they are installed)
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks import corpus
from benchmarks.comparison import CONNECTIONS, Comparison, Round, compare
from benchmarks.contenders import NOTHING, PAIR, WORKERS, floor, installed, name_server

PAUSE = 0.025
"""A client's round trip: one of the DNS's, and a little."""


def _ratios(words: str, each: Round) -> str:
    return (
        f"| {words} | {each.messages_a_second:.2f} | {each.cpu:.2f} | {each.p50:.2f} | {each.p99:.2f} | "
        f"{each.last_p50:.2f}, {each.last_p99:.2f} | | |"
    )


def _figures(name: str, each: Round, count: int) -> str:
    right = "" if name == NOTHING else f"{each.right:.0f} of {count}"
    return (
        f"| {name} | {each.messages_a_second:.0f} | {each.cpu:.2f} | {each.p50:.1f} | {each.p99:.1f} | "
        f"{each.last_p50:.1f}, {each.last_p99:.1f} | {each.memory:.0f} | {right} |"
    )


def table(title: str, found: Comparison, count: int) -> str:
    """The medians of all, and the ratios that have a bar."""
    lines = [
        f"### {title}",
        "",
        "| | messages/s | CPU ms | p50 ms | p99 ms | last step p50, p99 ms | peak MB | right |",
        "|---|---|---|---|---|---|---|---|",
        *(_figures(name, each, count) for name, each in found.medians.items()),
        _ratios("ours to the C pair", found.ratios[PAIR]),
    ]
    if NOTHING in found.ratios:
        lines.append(_ratios("ours to the filter that does nothing", found.ratios[NOTHING]))
    return "\n".join([*lines, ""])


def tables(rounds: int, count: int) -> tuple[str, dict[str, Comparison]]:
    """The comparison in words and figures."""
    senders = max(1, count // 5)
    messages = corpus.real(count, senders)
    few = messages[: len(messages) // 10]
    again = corpus.real(len(few), max(1, len(few) // 5))
    contenders = installed()
    found: dict[str, Comparison] = {}
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        zone.write_text(corpus.zone(senders))
        with name_server(zone, 0):
            title = f"DNS on this host, {CONNECTIONS} connections"
            found[title] = compare({**contenders, NOTHING: floor}, messages, CONNECTIONS, rounds)
        with name_server(zone, 20):
            found["DNS 20 ms away, one connection, five messages per sender"] = compare(contenders, again, 1, rounds)
            found["DNS 20 ms away, one connection, nearly every sender new"] = compare(contenders, few, 1, rounds)
            found["The same, the client a round trip away"] = compare(contenders, few, 1, rounds, PAUSE)
    counts = [count, len(again), len(few), len(few)]
    shown = [table(title, each, number) for (title, each), number in zip(found.items(), counts, strict=True)]
    return "\n".join([_head(messages, senders, rounds), *shown]), found


def _head(messages: list[corpus.Message], senders: int, rounds: int) -> str:
    count = len(messages)
    body = sum(len(each.body) for each in messages) / count
    fields = sum(len(each.fields) for each in messages) / count
    header = sum(len(name) + len(value) + 3 for each in messages for name, value in each.fields) / count
    return (
        f"{count} messages, {fields:.0f} fields and {(body + header) / 1000:.0f} KB on average, {header / 1000:.1f} KB "
        f"of it header; {senders} senders, {WORKERS} workers, cold caches, rounds: {rounds}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2_000)
    options = parser.parse_args()
    print(tables(options.rounds, options.messages)[0])


if __name__ == "__main__":
    main()
