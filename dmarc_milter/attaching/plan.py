"""What attach and detach change in main.cf. Pure: from what Postfix says now to a list of changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from dmarc_milter.attaching.milters import MilterEntry, entries, value_of
from dmarc_milter.attaching.postfix import Configuration
from dmarc_milter.attaching.record import AttachRecord

MILTERS = "smtpd_milters"
DEFAULT_ACTION = "milter_default_action"
USUAL_ACTION = "accept"
"""Mail is late or lost sooner by a filter that is down than unjudged mail does harm."""


@dataclass(frozen=True)
class Change:
    """One parameter of main.cf: its value before and after; None where main.cf does not set it."""

    name: str
    before: str | None
    after: str | None

    @property
    def lines(self) -> tuple[str, ...]:
        """As a person is shown it."""
        removed = () if self.before is None else (f"- {self.name} = {self.before}",)
        added = () if self.after is None else (f"+ {self.name} = {self.after}",)
        return removed + added


def to_attach(
    postfix: Configuration, address: str, default_action: str | None, record: AttachRecord | None
) -> tuple[Change, ...]:
    """What has to change so that Postfix asks the filter at `address`, and no other of ours.

    `default_action` is what the operator wants to happen while the filter is down, or None; `record` is what an earlier
    attach did.
    """
    present = entries(postfix.values[MILTERS])
    ours = [each for each in present if _is_ours(each, address, record)]
    if not ours and postfix.asks(postfix.values[MILTERS], address):
        return ()
    is_global_ours = record is not None and DEFAULT_ACTION in record.unset_before
    action = default_action or _action_now(postfix, ours, is_global_ours=is_global_ours)
    entry = MilterEntry(address)
    if ours and ours[0].is_at(address):
        entry = ours[0]
    changes = []
    if postfix.has_options_per_milter:
        if action is not None:
            entry = entry.with_default_action(action) if entry.default_action != action else entry
        if is_global_ours and DEFAULT_ACTION in postfix.is_set:
            changes.append(Change(DEFAULT_ACTION, postfix.written(DEFAULT_ACTION), None))
    elif action is not None and postfix.values[DEFAULT_ACTION] != action:
        changes.append(Change(DEFAULT_ACTION, postfix.written(DEFAULT_ACTION), action))
    wanted = _with(present, ours, entry)
    if wanted != present:
        changes.insert(0, Change(MILTERS, postfix.written(MILTERS), value_of(wanted)))
    return tuple(changes)


def _is_ours(entry: MilterEntry, address: str, record: AttachRecord | None) -> bool:
    return entry.is_at(address) or (record is not None and entry.is_at(record.address))


def _action_now(postfix: Configuration, ours: Sequence[MilterEntry], *, is_global_ours: bool) -> str | None:
    """What is in force for our filter; None where the operator's own setting for all filters stays."""
    if ours and ours[0].default_action is not None:
        return ours[0].default_action
    if is_global_ours:
        return postfix.values[DEFAULT_ACTION]
    return None if DEFAULT_ACTION in postfix.is_set else USUAL_ACTION


def _with(present: tuple[MilterEntry, ...], ours: Sequence[MilterEntry], entry: MilterEntry) -> tuple[MilterEntry, ...]:
    """`entry` where the first of ours was, else at the end."""
    if not ours:
        return (*present, entry)
    kept = [entry if each is ours[0] else each for each in present if each is ours[0] or each not in ours]
    return tuple(kept)


def to_detach(postfix: Configuration, address: str, record: AttachRecord | None) -> tuple[Change, ...]:
    """What has to change so that Postfix does not ask the filter any more; nothing, if it does not."""
    present = entries(postfix.values[MILTERS])
    left = tuple(each for each in present if not _is_ours(each, address, record))
    if left == present:
        return ()
    changes = [Change(MILTERS, postfix.written(MILTERS), value_of(left) or None)]
    is_global_ours = record is not None and DEFAULT_ACTION in record.unset_before
    if is_global_ours and not left and DEFAULT_ACTION in postfix.is_set:
        changes.append(Change(DEFAULT_ACTION, postfix.written(DEFAULT_ACTION), None))
    return tuple(changes)
