"""Point 2: DMARC's own questions have their own time and room."""

from functools import partial

from tests.protocol.hostile.alignment import signed
from tests.protocol.hostile.message import Group, Message, bank, crook, junk_sets, junk_signature, spoof, table

CHAINS = ("include", "redirect", "silentend", "both", "ptrs", "ptr", "exists", "mxs", "black", "first")
BRIEF = ("brief0", "brief1", "brief2")


def slow_chain(number: int, kind: str) -> Message:
    return spoof(number, victim=bank(number, "brief2"), mail_from=f"a@{crook(number, kind)}")


def slow_helo(number: int, kind: str) -> Message:
    return spoof(number, victim=bank(number, "brief1"), mail_from="", helo=crook(number, kind))


def inherited(number: int, kind: str) -> Message:
    return spoof(number, victim=f"a.b.{bank(number, kind)}", mail_from=f"a@{crook(number, 'include')}")


def of_the_victim(number: int, kind: str) -> Message:
    """A signature with d= the victim: then only its own record used to be asked for early."""
    victim = bank(number, kind)
    name = crook(number, "include")
    return spoof(
        number,
        victim=victim,
        mail_from=f"a@{name}",
        before=[junk_signature(victim), signed(number, name, victim=victim)],
    )


def late_keys(number: int, kind: str) -> Message:
    """Keys that come late, one after the other would take all the time there is."""
    fields = [junk_signature(crook(number, kind), selector=f"s{n}") for n in range(10)]
    return spoof(number, victim=bank(number, "brief1"), mail_from=f"a@{crook(number, 'exists')}", before=fields)


def late_seals(number: int, kind: str) -> Message:
    return spoof(number, victim=bank(number, "brief1"), before=junk_sets(5, crook(number, kind)))


def pause(number: int, where: str) -> Message:
    """A sender who takes longer than every deadline and TTL."""
    return spoof(number, victim=bank(number, "brief1"), pauses={where: 17.0})


def pause_and_chain(number: int, where: str) -> Message:
    return spoof(number, victim=bank(number, "brief1"), mail_from=f"a@{crook(number, 'include')}", pauses={where: 17.0})


GROUPS = [
    Group("slow SPF, brief TTL of the victim", 2, table(slow_chain, CHAINS)),
    Group("slow SPF of HELO", 2, table(slow_helo, CHAINS)),
    Group("slow SPF, inherited policy", 2, table(inherited, (*BRIEF, "bank"))),
    Group("bogus signature of the victim", 2, table(of_the_victim, (*BRIEF, "bank"))),
    Group(
        "late keys and seals",
        2,
        {
            **table(late_keys, ("latekey", "holekey")),
            "sealed late": lambda n: late_seals(n, "latekey"),
            "never sealed": lambda n: late_seals(n, "holekey"),
        },
    ),
    Group(
        "a sender who takes its time",
        2,
        {
            **{f"before the {where}": partial(pause, where=where) for where in ("header", "body", "end")},
            **{
                f"slow SPF, before the {where}": partial(pause_and_chain, where=where)
                for where in ("header", "body", "end")
            },
        },
    ),
]
