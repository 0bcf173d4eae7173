"""What rspamd goes on to do, and its options that have no counterpart."""

import re
from collections.abc import Mapping

from dmarc_milter.migrating.tree import Tree, TreeError, numbered
from dmarc_milter.migrating.ucl import Block
from dmarc_milter.migrating.values import Left, Notebook, Place, Setting


def place(name: str, block: Block, key: str) -> Place:
    """Where a key stands."""
    return Place(name, block.line(key))


_STAY = (
    "rspamd goes on to check SPF, DKIM, DMARC and ARC for its scores (R_SPF_ALLOW, R_DKIM_ALLOW, DMARC_POLICY_*), "
    "and refuses nothing for DMARC once its actions are taken out of dmarc.conf. To have it ask less, set enabled = "
    "false there; then rules and whitelists that need these symbols no longer match."
)


_NO_COUNTERPART = {
    ("dmarc.conf", "no_sampling_domains"): "RFC 9989 has no sampling (pct=): no domain needs to be spared it.",
    ("dmarc.conf", "no_reporting_domains"): "[report] exclude_domains has them; rspamd's list is not carried over.",
    ("dkim.conf", "time_jitter"): "A signature may be 300 s in the future.",
    ("dkim.conf", "trusted_only"): "Every signature is verified; which one counts is decided by alignment with From.",
    ("dkim.conf", "trusted_domains"): "Every signature is verified; rules ([[override]]) can name dkim_domain.",
    ("dkim.conf", "domains"): "A signature weighs the same, whatever its domain; rules can name dkim_domain.",
    ("dkim.conf", "strict_multiplier"): "There are no scores; rules can name dkim_domain.",
    ("dkim.conf", "skip_multi"): "All signatures are verified, up to [dkim] max_signatures.",
    ("arc.conf", "adjust_dmarc"): "A sealer is believed where [policy.indirect] trusted_sealers names it.",
}


def without_counterpart(blocks: Mapping[str, Block], notes: Notebook) -> None:
    """Options that are not carried over, each with what is nearest."""
    for (name, key), meaning in _NO_COUNTERPART.items():
        if key in blocks[name].values:
            value = ", ".join(blocks[name].texts(key) or ())
            notes.left.append(Left(place(name, blocks[name], key), key, value, meaning))
    most = blocks["dkim.conf"].text("max_sigs")
    if most is not None and most.isdecimal():
        where = place("dkim.conf", blocks["dkim.conf"], "max_sigs")
        notes.settings.append(Setting("dkim", "max_signatures", int(most), str(where)))


def stays(blocks: Mapping[str, Block], notes: Notebook) -> None:
    """What rspamd goes on to do."""
    notes.notes.append(_STAY)
    dmarc = blocks["dmarc.conf"]
    if "reporting" in dmarc.values:
        meaning = (
            "rspamd's aggregate reports tell what rspamd saw. Ours are switched on by [report] enabled = true "
            "(docs/reporting.md); then switch these off, so that nobody gets two. Whom rspamd leaves out goes into "
            "[report] exclude_domains."
        )
        notes.left.append(Left(place("dmarc.conf", dmarc, "reporting"), "reporting", "", meaning))
    if blocks["dkim_signing.conf"].values:
        notes.notes.append("dkim_signing stays as it is: this filter never signs your mail.")
    if "munging" in dmarc.values:
        meaning = "From is not rewritten here; that is left to rspamd, or to the list's own software."
        notes.left.append(Left(place("dmarc.conf", dmarc, "munging"), "munging", "", meaning))


_ACTING = ("force_actions.conf", "settings.conf", "composites.conf")
_SYMBOL = re.compile(r"\b(?:DMARC_\w+|R_SPF_\w+|R_DKIM_\w+|ARC_\w+)")


def acts(tree: Tree, folder: str, notes: Notebook) -> None:
    """Of rules of the operator's own that act on what these modules find."""
    for name in _ACTING:
        for kind in ("local.d", "override.d"):
            for line, symbol in _symbols(tree, f"{folder}/{kind}/{name}"):
                meaning = (
                    "rspamd goes on to act on this, as long as its own modules check. To have this filter decide, take "
                    "it out and write a rule ([[override]]) with dmarc, spf or dkim."
                )
                notes.left.append(Left(Place(name, line), symbol, "", meaning))


def _symbols(tree: Tree, path: str) -> list[tuple[int, str]]:
    try:
        text = tree.text(path) or ""
    except TreeError:
        return []
    lines = numbered(text)
    return [(number, match[0]) for number, line in lines if (match := _SYMBOL.search(line.partition("#")[0]))]
