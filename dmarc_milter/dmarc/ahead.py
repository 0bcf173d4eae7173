"""What DMARC is likely to ask, asked at the end of the header: so the end of the message waits for nothing.

Nothing here decides anything: the evaluation asks in its own order, and finds the answers on their way or there.
"""

from collections.abc import Iterable
from typing import Any

from dmarc_milter.dmarc.tree_walk import published, query_name, targets
from dmarc_milter.dns.answer import Answer, Question, RecordType, Resolver

MAX_IDENTIFIERS = 3
"""Of a message with more, whose walks are all needed, the rest wait."""


def look_ahead(resolver: Resolver, author_domain: str, identifiers: Iterable[str]) -> None:
    """Start the questions about a message whose SPF and DKIM may yet authenticate `identifiers`.

    Where one of them is the Author Domain, its own record is enough (RFC 9989 4.10.1); else both sides have to be
    walked (4.10.2). Where the Author Domain has no record, so has it.
    """
    known = list(dict.fromkeys(identifiers))

    def walk_where_missing(_question: Question, answer: Answer[Any]) -> None:
        if not answer.failed and published(answer) is None:
            resolver.prefetch(_walk(author_domain), ask_whether_it_exists)

    def ask_whether_it_exists(_question: Question, answer: Answer[Any]) -> None:
        record = published(answer)
        if record is not None and record.nonexistent_policy is not None:
            resolver.prefetch([Question(author_domain, RecordType.A)])

    resolver.prefetch([Question(query_name(author_domain), RecordType.TXT)], walk_where_missing)
    if author_domain not in known:
        names = [author_domain, *known[:MAX_IDENTIFIERS]]
        resolver.prefetch(list(dict.fromkeys(each for name in names for each in _walk(name))))


def _walk(domain: str) -> list[Question]:
    return [Question(query_name(name), RecordType.TXT) for name in targets(domain)]
