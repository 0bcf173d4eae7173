"""What DMARC asks, asked as soon as From is known: so the end of the message waits for nothing.

Nothing here decides anything: the evaluation asks in its own order, and finds the answers on their way or there. Only
the Author Domain's own tree is asked: of a stranger's domain nothing has to be known (RFC 9989 4.10.2).
"""

from collections.abc import Iterable

from dmarc_milter.dmarc.evaluation import discover
from dmarc_milter.dmarc.tree_walk import TreeWalks, may_share_organizational_domain, questions
from dmarc_milter.dns.answer import Question, RecordType, Resolver
from dmarc_milter.dns.name import is_at_or_below

MAX_IDENTIFIERS = 3
"""Of a message with more, whose walks are all needed, the rest wait."""


async def prefetch(resolver: Resolver, author_domain: str, identifiers: Iterable[str]) -> None:
    """Ask what the evaluation of a message will ask whose SPF and DKIM may yet authenticate `identifiers`."""
    walks = TreeWalks(resolver)
    discovery = await discover(resolver, author_domain, walks)
    record = discovery.record
    if record is None:
        return
    if discovery.is_inherited and record.nonexistent_policy is not None:
        resolver.prefetch([Question(author_domain, RecordType.A)])
    others = [each for each in dict.fromkeys(identifiers) if may_share_organizational_domain(each, author_domain)]
    if not others:
        return
    organizational_domain = (await walks.walk(author_domain)).organizational_domain
    below = [each for each in others if is_at_or_below(each, organizational_domain)]
    for each in below[:MAX_IDENTIFIERS]:
        resolver.prefetch(questions(each))
