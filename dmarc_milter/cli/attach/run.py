"""What dmarc-milter attach and detach run: what will be changed is shown first, and is what is changed then."""

import argparse
import os
import pwd
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dmarc_milter.attaching import plan, probe, record, sendmail
from dmarc_milter.attaching.address import in_postfix
from dmarc_milter.attaching.findings import findings
from dmarc_milter.attaching.milters import entries, expanded
from dmarc_milter.attaching.plan import Change
from dmarc_milter.attaching.postfix import AttachError, Configuration, Postfix, group_of
from dmarc_milter.attaching.record import AttachRecord
from dmarc_milter.attaching.trial import TrialError, send_through
from dmarc_milter.attaching.who_answers import other_milter
from dmarc_milter.migrating.chain import read_chain
from dmarc_milter.migrating.order import order_notes
from dmarc_milter.migrating.tree import Tree
from dmarc_milter.settings import config
from dmarc_milter.settings.addresses import ListenAddress, UnixAddress
from dmarc_milter.settings.config import Settings

DONE, NOTHING, ERROR = 0, 1, 2
UNCHANGED, WOULD_CHANGE = 0, 1
"""Of --dry-run."""
USER = "dmarc-milter"
"""Of the service, as the Debian package makes it."""


@dataclass(frozen=True)
class _Folder:
    """The folder of a socket inside Postfix's own, which is not there yet."""

    path: Path
    user: str
    group: str

    def __str__(self) -> str:
        return f"{self.path}: a folder for the socket, of {self.user}, group {self.group}, mode 2750"

    def make(self) -> None:
        """Sockets in it get its group: the filter's user need not be in that."""
        self.path.mkdir()
        shutil.chown(self.path, self.user, self.group)
        self.path.chmod(0o2750)


def attach(options: argparse.Namespace) -> int:
    """dmarc-milter attach"""
    try:
        settings = config.load_default(options.config)
        if options.mta == "sendmail":
            return _sendmail(settings.milter.listen[0], options)
        return _attach(Postfix(options.postfix_config), settings, options)
    except (AttachError, OSError) as error:
        return _fail(error)


def detach(options: argparse.Namespace) -> int:
    """dmarc-milter detach"""
    try:
        return _detach(Postfix(options.postfix_config), options)
    except (AttachError, OSError) as error:
        return _fail(error)


def _fail(error: Exception) -> int:
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    print(f"dmarc-milter: {text}", file=sys.stderr)
    return ERROR


def _warn(text: str) -> None:
    print(f"dmarc-milter: warning: {text}", file=sys.stderr)


def _attach(postfix: Postfix, settings: Settings, options: argparse.Namespace) -> int:
    now = postfix.read()
    listen = settings.milter.listen[0]
    address = in_postfix(listen, now)
    known = record.read(postfix.folder)
    _refuse_if_another_listens(listen)
    changes = plan.to_attach(now, address, options.default_action, known)
    folder = _missing_folder(now, listen)
    for finding in (*findings(now, address, settings.policy.trusted_networks), *_order(now, address)):
        _warn(finding)
    _show(now.main_cf, changes, folder)
    silent = None if options.no_probe else _why_silent(listen, now)
    if not changes and folder is None:
        print(f"{now.main_cf}: already attached ({address})")
    if options.dry_run:
        if silent:
            _warn(silent)
        return WOULD_CHANGE if changes or folder is not None else UNCHANGED
    if folder is not None:
        return _make_folder(folder, now, options)
    if silent:
        raise AttachError(f"{silent} {'Nothing was changed.' if changes else ''}".rstrip())
    if changes:
        if not _confirmed(options):
            return NOTHING
        _change(postfix, changes, address, known)
        _finish(postfix, options)
    _try_it(options)
    return DONE


def _refuse_if_another_listens(listen: ListenAddress) -> None:
    """Raises AttachError: Postfix would ask that one."""
    other = other_milter(listen)
    if other is not None:
        raise AttachError(
            f"at {listen}, where [milter] listen has this filter, {other} answers. Nothing was changed. Give this "
            f"filter an address of its own, and restart it."
        )


def _order(postfix: Configuration, address: str) -> Sequence[str]:
    """What other filters of this host do to our field. Their settings are read where Postfix's are the host's own."""
    if postfix.folder.parts[-2:] != ("etc", "postfix"):
        return ()
    tree = Tree(postfix.folder.parents[1])
    filters = [each.address for each in entries(expanded(postfix.values["smtpd_milters"], postfix.parameters))]
    content_filters = [postfix.values["content_filter"], postfix.values["smtpd_proxy_filter"]]
    return order_notes(
        read_chain(tree),
        filters,
        address,
        has_amavis=tree.exists("/etc/amavis") or tree.exists("/etc/amavisd"),
        has_content_filter=any(content_filters),
    )


def _make_folder(folder: _Folder, postfix: Configuration, options: argparse.Namespace) -> int:
    """Its socket can only be opened, and asked, when the folder is there."""
    if not _confirmed(options):
        return NOTHING
    folder.make()
    print(
        f"{folder.path} is made; {postfix.main_cf} is not changed yet. The filter opens its socket there when it is "
        "restarted: systemctl restart dmarc-milter. Then attach again."
    )
    return NOTHING


def _why_silent(listen: ListenAddress, postfix: Configuration) -> str | None:
    """What keeps Postfix from asking the filter now."""
    trouble = probe.why_silent(listen)
    if trouble:
        return f"the filter at {listen} does not answer: {trouble}. Start it first: systemctl start dmarc-milter."
    if isinstance(listen, UnixAddress):
        trouble = probe.why_unreachable(Path(listen.path), postfix.mail_owner)
    if trouble:
        return (
            f"Postfix cannot ask the filter: {trouble}. "
            f'Set in [milter]: socket_group = "{group_of(postfix.mail_owner)}", and restart the filter.'
        )
    return None


def _show(main_cf: Path, changes: Sequence[Change], folder: _Folder | None = None) -> None:
    if folder is not None:
        print(f"+ {folder}")
    if changes:
        print(f"{main_cf}:")
    for change in changes:
        for line in change.lines:
            print(f"  {line}")


def _change(postfix: Postfix, changes: Sequence[Change], address: str, known: AttachRecord | None) -> None:
    with postfix.whole_or_not_at_all() as before:
        _apply(postfix, changes)
        after = postfix.text()
        if known is not None:
            record.write(postfix.folder, known.again(address, before, after))
            return
        unset_before = tuple(each.name for each in changes if each.before is None)
        record.write(postfix.folder, AttachRecord(address, before, after, unset_before))


def _apply(postfix: Postfix, changes: Sequence[Change]) -> None:
    for change in changes:
        if change.after is None:
            postfix.unset(change.name)
        else:
            postfix.set(change.name, change.after)


def _missing_folder(postfix: Configuration, address: ListenAddress) -> _Folder | None:
    if not isinstance(address, UnixAddress):
        return None
    folder = Path(address.path).parent
    is_inside = folder.is_relative_to(postfix.queue_directory) and folder != Path(postfix.queue_directory)
    return _Folder(folder, _user(), group_of(postfix.mail_owner)) if is_inside and not folder.exists() else None


def _user() -> str:
    """The service's user; its absence means that the filter runs as whoever calls this."""
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        return pwd.getpwuid(os.getuid()).pw_name


def _confirmed(options: argparse.Namespace) -> bool:
    if options.yes:
        return True
    if not sys.stdin.isatty():
        print("dmarc-milter: nothing changed; say --yes to change it", file=sys.stderr)
        return False
    try:
        return input("Change it? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def _detach(postfix: Postfix, options: argparse.Namespace) -> int:
    now = postfix.read()
    known = record.read(postfix.folder)
    # The record is enough: the settings may be broken, or say something else by now.
    if known is None:
        _refuse_if_another_listens(_listen(options))
    address = known.address if known is not None else in_postfix(_listen(options), now)
    changes = plan.to_detach(now, address, known)
    _warn_of_others(now, address)
    if not changes:
        print(f"{now.main_cf}: not attached")
        return UNCHANGED if options.dry_run else NOTHING
    _show(now.main_cf, changes)
    if options.dry_run:
        return WOULD_CHANGE
    if not _confirmed(options):
        return NOTHING
    if known is not None and known.before is not None and known.after == postfix.text():
        postfix.replace(known.before)
    else:
        with postfix.whole_or_not_at_all():
            _apply(postfix, changes)
    record.forget(postfix.folder)
    _finish(postfix, options)
    return DONE


def _listen(options: argparse.Namespace) -> ListenAddress:
    return config.load_default(options.config).milter.listen[0]


def _warn_of_others(postfix: Configuration, address: str) -> None:
    """Places that attach does not write to, and that name the filter."""
    places = {"non_smtpd_milters in main.cf": postfix.values["non_smtpd_milters"]}
    for service in postfix.services:
        for name in ("smtpd_milters", "non_smtpd_milters"):
            places[f"the option {name} of {service.path} in master.cf"] = service.overrides.get(name, "")
    for place, value in places.items():
        if any(entry.is_at(address) for entry in entries(value)):
            _warn(f"{place} names the filter, too; that is left to you")


def _finish(postfix: Postfix, options: argparse.Namespace) -> None:
    if options.no_reload:
        print("changed; not yet in force: postfix reload")
    elif postfix.reload():
        print("changed and reloaded")
    else:
        print("changed; Postfix does not run, and will read it when it starts")


def _try_it(options: argparse.Namespace) -> None:
    """One message through the MTA, or how to send one."""
    if options.send_to is None:
        print(
            "to see it work, send a message from another host, then: dmarc-milter trace --since 5m "
            "(or have attach send one through Postfix: --send-to ADDRESS)"
        )
        return
    try:
        queue_id = send_through(options.send_to)
    except TrialError as error:
        raise AttachError(f"the message to {options.send_to} was not taken: {error}") from None
    print(f"a message to {options.send_to} was taken as {queue_id}: dmarc-milter trace {queue_id}")


def _sendmail(address: ListenAddress, options: argparse.Namespace) -> int:
    print("In /etc/mail/sendmail.mc, before the MAILER lines:\n")
    print(f"    {sendmail.line(address, fail_temporarily=options.default_action == 'tempfail')}\n")
    if options.default_action is None:
        print("(mail comes in unjudged while the filter is down; --default-action tempfail has senders try again)\n")
    print("Then rebuild and restart:\n\n    make -C /etc/mail && systemctl restart sendmail")
    return DONE
