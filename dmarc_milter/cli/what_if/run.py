"""What dmarc-milter what-if runs."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence

from dmarc_milter.cli.journal import JOURNAL_ERRORS, fail, open_journal
from dmarc_milter.journal import reader
from dmarc_milter.journal.location import database
from dmarc_milter.journal.seen_lists import SeenList, seen_lists, setting
from dmarc_milter.journal.trace import when
from dmarc_milter.journal.what_if import Group, groups
from dmarc_milter.judging.site import trusted_lists
from dmarc_milter.message.mailing_list import ListPattern
from dmarc_milter.settings import config

NOBODY, SOMEBODY = 0, 1


def what_if(options: argparse.Namespace) -> int:
    """dmarc-milter what-if"""
    earliest = time.time() - options.days * 86_400
    settings = config.load_default(options.config)
    trusted = trusted_lists(settings)
    try:
        engine = open_journal(options.journal or database(settings.journal))
        judged = reader.judged_in_monitor(engine, earliest)
        found = groups(reader.refused_in_monitor(engine, earliest))
        lists = seen_lists(reader.failing_list_mail_in_monitor(engine, earliest))
    except JOURNAL_ERRORS as error:
        return fail(error)
    if options.json:
        for line in (*map(_as_json, found), *(_list_as_json(each, trusted) for each in lists)):
            print(json.dumps(line))
    else:
        _print_what_if(found, judged, options.days)
        _print_lists(lists, trusted)
    return SOMEBODY if found else NOBODY


def _as_json(group: Group) -> dict[str, object]:
    return {
        "author_domain": group.author_domain or None,
        "network": group.network,
        "messages": group.count,
        "wanted": dict(group.wanted),
        "reason": group.reasons.most_common(1)[0][0],
        "authenticated_as": group.authenticated_as,
        "lists": dict(group.lists),
        "first": group.first,
        "last": group.last,
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


def _print_what_if(found: list[Group], judged: int, days: int) -> None:
    hit = sum(each.count for each in found)
    print(f"In {days} days, mode monitor judged {judged} messages; enforce would have touched {hit} of them.")
    if not judged:
        print("Nothing to conclude from: was the filter in mode monitor, with [journal] enabled?")
    for each in found:
        print(f"\n{each.author_domain or '(no usable From)'} from {each.network}: {_counted(each.wanted)}")
        print(f"  {when(each.first)} to {when(each.last)}")
        print(f"  mostly: {each.reasons.most_common(1)[0][0]}")
        print(f"  all authenticated as: {each.authenticated_as or 'nobody, which is what spoofed mail looks like'}")
        if each.lists:
            print(f"  mailing lists: {', '.join(name for name, _ in each.lists.most_common(5))}")
    rules = [each.rule for each in found if each.rule]
    if rules:
        print("\nRules that would spare what somebody authenticated. Keep those whose senders you know:\n")
        print("\n".join(dict.fromkeys(rules)), end="")


def _counted(wanted: "Counter[str]") -> str:
    return ", ".join(f"{count} {action}" for action, count in wanted.most_common())


def _print_lists(lists: list[SeenList], trusted: Sequence[ListPattern]) -> None:
    if not lists:
        return
    print("\nMailing lists whose mail fails DMARC:\n")
    for each in lists:
        mark = "trusted" if each.is_trusted(trusted) else "not trusted"
        print(f"{each.list_id}: {_counted(each.wanted)}; {mark}")
        print(f"  authenticated as: {each.authenticated_as or 'nobody, so it cannot be named'}")
        print(f"  in the name of: {', '.join(name for name, _ in each.authors.most_common(5)) or '(no usable From)'}")
    line = setting(lists, trusted)
    if line is not None:
        print(f"\n{_ADVICE}\n\n{line}")


_ADVICE = """\
Anybody can send mail that looks like a list's, and whoever is named below may write in any name. Keep only the lists
that your own users subscribe to, strike out all others, and put the line into [policy.indirect]:"""
