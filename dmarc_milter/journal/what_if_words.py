"""What the journal says about enforcing, in words, for the command and the page (pure)."""

from collections import Counter

from dmarc_milter.journal.what_if import Group, Method, Refused
from dmarc_milter.wording.actions import DONE

SHOWN = 5
"""Networks, lists and the like that are shown of a group."""
LISTS = (
    "Anybody can send mail that looks like a list's, and whoever is named below may write in any name. Keep only the "
    "lists that your own users subscribe to, strike out all others, and put the line into [policy.indirect]:"
)
SEALERS = (
    "These sealed messages (ARC) that are refused, and one seal of each says that dmarc was pass. Whoever is named can "
    "vouch for any message. Keep only those that forward mail to your own users, and put the line into "
    "[policy.indirect]:"
)
RULES = "Rules that would spare what was sent on. Keep those whose forwarders you know:"


def headline(found: Refused, judged: "Counter[str]", days: int) -> str:
    """What there is, in a sentence or two; `judged` are messages by mode."""
    said = [f"In {days} days, {sum(judged.values())} messages were judged."]
    for mode, verb in (("monitor", "Mode monitor let all in; enforce would have"), ("enforce", "Mode enforce")):
        if not judged[mode]:
            continue
        done = {action: found.totals[mode, action] for action in ("reject", "quarantine", "tempfail")}
        figures = ", ".join(f"{DONE[action]} {count}" for action, count in done.items() if count)
        said.append(f"{verb} {figures} of {judged[mode]}." if figures else f"{verb} touched none of {judged[mode]}.")
    if not judged:
        said.append("Nothing to conclude from: does the filter run, with [journal] enabled?")
    return " ".join(said)


def meaning(group: Group) -> str:
    """What to think of it."""
    if not group.author_domain:
        return "From names no domain, or several, so that nobody can answer for it: nothing of yours is lost"
    if set(group.wanted) == {"tempfail"}:
        return "it could not be judged: its sender tries again, and it is judged anew. Does your DNS answer?"
    if group.method is Method.NOBODY:
        return "this is what spoofed mail looks like, and a forwarder that breaks signatures"
    if group.is_known_forwarder:
        return f"{group.identifier} sends on what {group.author_domain} signed; a rule is below"
    if group.particulars.lists:
        return f"it proves to be {group.identifier}, which sends as a mailing list: see trusted_lists below"
    return (
        f"it proves to be {group.identifier}, and nothing says that {group.author_domain or 'anybody'} knows of it: a "
        "phisher with a domain of his own looks the same. Write a rule only if you know it"
    )


def most(found: "Counter[str]") -> str:
    """The most frequent, with how often."""
    shown = [f"{name} ({count})" for name, count in found.most_common(SHOWN)]
    more = len(found) - SHOWN
    return ", ".join([*shown, *([f"{more} more"] if more > 0 else [])])


def counted(wanted: "Counter[str]") -> str:
    """What enforce does with how many."""
    return ", ".join(f"{count} {action}" for action, count in wanted.most_common())
