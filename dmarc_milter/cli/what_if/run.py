"""What dmarc-milter what-if runs."""

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.engine import Engine

from dmarc_milter.cli import moments
from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail, open_journal
from dmarc_milter.common.terminal import columns, hanging, wrapped
from dmarc_milter.dns.name import DomainPattern
from dmarc_milter.explaining.rejudging import UNKNOWN, Changed, Rejudging, rejudged
from dmarc_milter.journal import reader
from dmarc_milter.journal.figures import Period
from dmarc_milter.journal.location import database
from dmarc_milter.journal.refused import refused
from dmarc_milter.journal.seen_lists import SeenList, setting
from dmarc_milter.journal.seen_sealers import SeenSealer, of_no_use, seen
from dmarc_milter.journal.seen_sealers import setting as sealers_setting
from dmarc_milter.journal.what_if import Group, Method, Refused
from dmarc_milter.journal.what_if_words import LISTS, RULES, SEALERS, SHOWN, counted, headline, meaning, most
from dmarc_milter.judging.site import trusted_lists, trusted_sealers
from dmarc_milter.message.mailing_list import ListPattern
from dmarc_milter.settings import config
from dmarc_milter.wording.actions import DONE

NOBODY, SOMEBODY = 0, 1


def what_if(options: argparse.Namespace) -> int:
    """dmarc-milter what-if"""
    earliest = time.time() - options.days * 86_400
    settings = config.load_default(options.config)
    try:
        engine = open_journal(options.journal or database(settings.journal))
        if options.config is not None:
            return _with_other_settings(reader.judged(engine, earliest), engine, settings, options, earliest)
        judged = reader.judged(engine, earliest)
        found, lists, _ = refused(engine, Period(earliest, math.inf), None if options.json else options.limit)
        sealers = seen(reader.sealed(engine, earliest))
    except JOURNAL_ERRORS as error:
        return fail(error)
    trusted, believed = trusted_lists(settings), trusted_sealers(settings)
    if options.json:
        for line in (*_json_lines(found, lists, trusted), *_sealers_as_json(sealers, believed)):
            print(json.dumps(line))
    else:
        width = columns(sys.stdout)
        for text in _lines(found, judged, options, width):
            print(text)
        _print_lists(lists, options.limit, trusted, width)
        _print_sealers(sealers, options.limit, believed, width)
        _print_setting(SEALERS, sealers_setting(sealers[: options.limit], believed), width)
        _print_rules(found, width)
    return SOMEBODY if found.messages else NOBODY


# As JSON


def _json_lines(found: Refused, lists: Sequence[SeenList], trusted: Sequence[ListPattern]) -> Iterator[dict[str, Any]]:
    yield from map(_as_json, found.groups)
    if found.others:
        yield {"others": found.others}
    yield from (_list_as_json(each, trusted) for each in lists)


def _as_json(group: Group) -> dict[str, Any]:
    told = group.particulars
    return {
        "author_domain": group.author_domain or None,
        "network": told.networks.most_common(1)[0][0],
        "networks": dict(told.networks.most_common()),
        "messages": group.count,
        "wanted": dict(group.wanted),
        "modes": dict(group.modes),
        "reason": told.reasons.most_common(1)[0][0],
        "method": None if group.method is Method.NOBODY else group.method.value,
        "authenticated_as": group.identifier or None,
        "lists": dict(told.lists),
        "sealers": [list(chain) for chain in told.sealers],
        "examples": told.examples,
        "first": told.first,
        "last": told.last,
        "rule": group.rule,
    }


def _list_as_json(found: SeenList, trusted: Sequence[ListPattern]) -> dict[str, object]:
    return {
        "list_id": found.list_id,
        "messages": found.messages,
        "wanted": dict(found.wanted),
        "authenticated_as": found.authenticated_as,
        "author_domains": dict(found.authors),
        "trusted": found.is_trusted(trusted),
    }


def _sealers_as_json(found: Sequence[SeenSealer], trusted: Sequence[DomainPattern]) -> Iterator[dict[str, object]]:
    for each in found:
        yield {
            "sealer": each.name,
            "messages": each.messages,
            "sent_on": each.sent_on,
            "spared": each.spared,
            "beside": dict(each.beside),
            "author_domains": dict(each.authors),
            "trusted": each.is_trusted(trusted),
        }
    yield from ({"sealer": name, "messages": 0, "spared": 0, "trusted": True} for name in of_no_use(found, trusted))


# For people


def _lines(found: Refused, judged: "Counter[str]", options: argparse.Namespace, width: int) -> Iterator[str]:
    yield from wrapped(headline(found, judged, options.days), width)
    for group in found.groups:
        yield ""
        yield from _group(group, width)
    if found.others:
        yield ""
        yield from wrapped(
            f"{len(found.groups)} groups are shown, the largest. {found.others} messages more are in smaller ones: "
            "--limit N shows more, --json all; the totals above count every message.",
            width,
        )


def _group(group: Group, width: int) -> Iterator[str]:
    told = group.particulars
    proof = f"{group.identifier} ({group.method.name})" if group.identifier else "nobody"
    title = f"{group.author_domain or '(no usable From)'}, authenticated as {proof}: {counted(group.wanted)}"
    yield from wrapped(title, width)
    yield from _pair("from", most(told.networks), width)
    yield from _pair("seen", f"{moments.told(told.first)} to {moments.told(told.last)}", width)
    yield from _pair("mostly", told.reasons.most_common(1)[0][0], width)
    if told.lists:
        yield from _pair("lists", most(told.lists), width)
    for chain, count in told.sealers.most_common(SHOWN):
        later = f"; later sealed by {', '.join(chain[-2::-1])}" if len(chain) > 1 else ""
        yield from _pair("sealed", f"{chain[-1]} saw dmarc=pass ({count}){later}", width)
    yield from _pair("means", meaning(group), width)
    yield from _pair("examples", ", ".join(told.examples), width)


def _pair(label: str, text: str, width: int) -> Iterator[str]:
    yield from hanging(text, width, f"  {label:9} ", " " * 12)


def _print_lists(lists: Sequence[SeenList], limit: int, trusted: Sequence[ListPattern], width: int) -> None:
    if not lists:
        return
    print("\nMailing lists whose mail fails DMARC:\n")
    for each in lists[:limit]:
        mark = "trusted" if each.is_trusted(trusted) else "not trusted"
        print(f"{each.list_id}: {counted(each.wanted)}; {mark}")
        print(f"  authenticated as: {each.authenticated_as or 'nobody, so it cannot be named'}")
        print(f"  in the name of: {', '.join(name for name, _ in each.authors.most_common(5)) or '(no usable From)'}")
    if len(lists) > limit:
        print(f"\n{limit} lists are shown, those with the most messages, of {len(lists)}.")
    _print_setting(LISTS, setting(lists[:limit], trusted), width)


def _print_sealers(found: Sequence[SeenSealer], limit: int, trusted: Sequence[DomainPattern], width: int) -> None:
    unused = of_no_use(found, trusted)
    if not found and not unused:
        return
    print("\nARC sealers, and what is spared where they are trusted:\n")
    for each in found[:limit]:
        mark = "trusted" if each.is_trusted(trusted) else "not trusted"
        print(f"{each.name}: {each.spared} spared, {each.messages} would be; {mark}")
        if each.messages:
            for text in _sealer(each, width):
                print(text)
    for name in unused:
        print(f"{name}: trusted, and it spared nothing")
    if len(found) > limit:
        print(f"\n{limit} sealers are shown, those that would spare most, of {len(found)}.")


def _sealer(found: SeenSealer, width: int) -> Iterator[str]:
    signed = f"header signed by the domain of From, and the body changed: {found.sent_on} of {found.messages}"
    yield from hanging(signed, width, "  ", "    ")
    yield from hanging(f"in the name of: {most(found.authors) or '(no usable From)'}", width, "  ", "    ")
    if found.beside:
        yield from hanging(f"to be trusted, too: {most(found.beside)}", width, "  ", "    ")


def _print_setting(advice: str, line: str | None, width: int) -> None:
    if line is not None:
        print("\n" + "\n".join(wrapped(advice, width)))
        print(f"\n{line}")


def _print_rules(found: Refused, width: int) -> None:
    if found.rules:
        print("\n" + "\n".join(wrapped(RULES, width)) + "\n")
        print("\n".join(found.rules), end="")


# With other settings


def _with_other_settings(
    judged: "Counter[str]", engine: Engine, settings: config.Settings, options: argparse.Namespace, earliest: float
) -> int:
    rejudging = Rejudging(settings)
    found = rejudged(reader.rejudged(engine, earliest, needs_all=rejudging.needs_all), rejudging)
    changed = {pair: each for pair, each in found.items() if pair[0] != pair[1]}
    if options.json:
        for (done, would_be), each in sorted(found.items()):
            print(json.dumps(_changed_as_json(done, would_be, each)))
    else:
        for text in _changes(changed, sum(judged.values()), options, columns(sys.stdout)):
            print(text)
    return SOMEBODY if changed else NOBODY


def _changed_as_json(done: str, would_be: str, found: Changed) -> dict[str, Any]:
    return {
        "done": done,
        "would_be": would_be,
        "messages": found.count,
        "author_domains": dict(found.authors.most_common(SHOWN)),
        "examples": found.examples,
    }


def _changes(
    changed: dict[tuple[str, str], Changed], judged: int, options: argparse.Namespace, width: int
) -> Iterator[str]:
    count = sum(each.count for each in changed.values())
    said = (
        f"In {options.days} days, {judged} messages were judged. With the settings of {options.config}, {count} would"
    )
    yield from wrapped(f"{said} have another outcome, or one that the journal does not tell.", width)
    for (done, would_be), each in sorted(changed.items(), key=lambda item: -item[1].count):
        yield ""
        yield f"{DONE[done]}, would be {DONE.get(would_be, 'unknown')}: {each.count}"
        yield from _pair("From", most(each.authors), width)
        yield from _pair("examples", ", ".join(each.examples), width)
        if would_be == UNKNOWN:
            yield from _pair(
                "means", "a rule asks for recipients or names that no record has, or it was not judged", width
            )
