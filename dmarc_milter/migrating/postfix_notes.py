"""What the operator of a Postfix should know of its files, and no step changes. Pure."""

import re
from collections.abc import Iterator

from dmarc_milter.migrating.postfix import PostfixSetup, policy_services, without_service

_ASKS = re.compile(r"check_policy_service\s+(?:\{\s*)?(?P<where>[^\s,{}]+)")


def postfix_notes(setup: PostfixSetup) -> Iterator[str]:
    """Other instances, and policy services that stay."""
    instances = setup.values.get("multi_instance_directories", "").replace(",", " ").split()
    if instances:
        yield (
            f"main.cf: there are more instances of Postfix, at {', '.join(instances)}. They are not read, and no step "
            f"changes them. Those that take mail from strangers need the same lines: postconf -c FOLDER."
        )
    for where in _remaining(setup):
        yield (
            f"Postfix goes on to ask the policy service {where}. If that one refuses for SPF alone, switch that off "
            f"there: it would decide before this filter has seen the message."
        )


def _remaining(setup: PostfixSetup) -> Iterator[str]:
    """Each once, in the order of the files."""
    names = policy_services(setup)
    values = [*setup.values.values(), *(value for each in setup.services for value in each.overrides.values())]
    found = (match["where"] for value in values for match in _ASKS.finditer(without_service(value, names)))
    yield from dict.fromkeys(found)
