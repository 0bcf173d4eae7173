"""Whose Authentication-Results field survives: what other programs do to ours, and ours to theirs. Pure."""

from collections.abc import Iterator, Sequence

from dmarc_milter.attaching.milter_address import same
from dmarc_milter.migrating import opendkim, opendmarc, rspamd
from dmarc_milter.migrating.chain import Chain
from dmarc_milter.migrating.values import Program


def order_notes(
    chain: Chain, filters: Sequence[str], address: str, *, has_amavis: bool, has_content_filter: bool
) -> tuple[str, ...]:
    """Sentences for the operator; `filters` are the addresses that Postfix asks, in order, `address` ours among them.

    Where ours is not among them yet, it will be the last.
    """
    seats = [index for index, each in enumerate(filters) if same(each, address)]
    ours = seats[0] if seats else len(filters)
    behind = [each for each in chain.programs if _seat(each, filters) > ours]
    before = [each for each in chain.programs if 0 <= _seat(each, filters) < ours]
    notes = [*(note for each in behind for note in _removes_ours(each, chain)), *_removed_by_ours(before)]
    if has_amavis and has_content_filter:
        notes.append(
            "order: Amavis gets the mail after this filter. If it verifies DKIM, it removes our field. Set "
            "$enable_dkim_verification = 0 in its settings, or give it another $myauthservid."
        )
    return tuple(notes)


def _seat(program: Program, filters: Sequence[str]) -> int:
    """The place of a program among the filters; -1 where Postfix does not ask it."""
    found = (index for index, each in enumerate(filters) if any(same(each, socket) for socket in program.sockets))
    return next(found, -1)


def _removes_ours(program: Program, chain: Chain) -> Iterator[str]:
    if program.name == opendkim.NAME and (program.becomes or not program.stays):
        yield (
            f"order: OpenDKIM stands behind this filter and verifies, so it removes our field. Set 'Mode s' in "
            f"{program.file}, if it only has to sign, or 'KeepAuthResults yes'."
        )
    is_writing = any(left.option == "use" for reading in chain.readings for left in reading.left)
    if program.name == rspamd.NAME and is_writing:
        yield (
            "order: rspamd stands behind this filter, and its routine authentication-results removes our field. Take "
            "the routine out of 'use' in milter_headers.conf, or set remove = false there and give this filter a "
            "name of its own."
        )


def _removed_by_ours(before: Sequence[Program]) -> Iterator[str]:
    names = [each.name for each in before if each.name in (opendkim.NAME, opendmarc.NAME) and not _signs_alone(each)]
    if names:
        yield (
            f"order: {' and '.join(names)} in front of this filter may write Authentication-Results under the same "
            f"name, and this filter removes what stands under its name. If both are to stay, give this one another: "
            f"[milter] authserv_id."
        )


def _signs_alone(program: Program) -> bool:
    return program.stays and not program.becomes
