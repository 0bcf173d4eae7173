"""What attach did, kept beside main.cf: detach needs nothing else."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dmarc_milter.attaching.milters import MilterEntry

NAME = "dmarc-milter.attached"


@dataclass(frozen=True)
class AttachRecord:
    """Whom Postfix asks since, and main.cf before the first attach and after the last one."""

    address: str
    """The filter, in Postfix's notation."""
    before: str | None
    """main.cf as it was; None where somebody else has changed it since: then only what is ours is taken out."""
    after: str
    unset_before: tuple[str, ...] = ()
    """Parameters that attach has set and that main.cf did not set before."""

    def again(self, address: str, found: str, after: str) -> "AttachRecord":
        """What a second attach changes is undone together with what the first one did.

        `found` is main.cf as the second attach found it.
        """
        return replace(self, address=address, after=after, before=self.before if found == self.after else None)


def read(folder: Path) -> AttachRecord | None:
    """The record in Postfix's folder; None where there is none that can be read. Raises OSError."""
    try:
        found = json.loads((folder / NAME).read_text("utf-8"))
        # Version 0.1 kept the whole entry of the filter, and the parameters under another name.
        address = found["address"] if "address" in found else MilterEntry(found["milter"]).address
        unset = found.get("unset_before", found.get("unset", ()))
        before = found["before"]
        return AttachRecord(
            str(address), None if before is None else str(before), str(found["after"]), tuple(map(str, unset))
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(folder: Path, record: AttachRecord) -> None:
    """For root alone: main.cf may hold passwords. Raises OSError."""
    path = folder / NAME
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(asdict(record)), "utf-8")


def forget(folder: Path) -> None:
    """Raises OSError."""
    (folder / NAME).unlink(missing_ok=True)
