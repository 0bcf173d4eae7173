"""A pymilter filter that does nothing: what libmilter and pymilter cost by themselves.

.venv/bin/python -m benchmarks.floor SOCKET
It takes every stage that ours takes, field by field, and has each stage answered as ours has.
"""

from __future__ import annotations  # pymilter names its context type for type checkers only

import sys

import milter

STEPS = milter.P_NR_CONN | milter.P_NR_HDR | milter.P_NR_EOH | milter.P_SKIP | milter.P_HDR_LEADSPC | milter.P_NOUNKNOWN
STEPS |= milter.P_NODATA | milter.P_NR_HELO | milter.P_NR_RCPT | milter.P_NORCPT


def _steps(context: milter.milterContext, options: list[int]) -> int:
    options[0] &= milter.ADDHDRS
    options[1] &= STEPS
    options[2] = options[3] = 0
    return int(milter.CONTINUE)


def main() -> None:
    def silent(context: milter.milterContext, *told: object) -> int:
        return int(milter.NOREPLY)

    def answered(context: milter.milterContext, *told: object) -> int:
        return int(milter.CONTINUE)

    def skipped(context: milter.milterContext, chunk: bytes) -> int:
        return int(milter.SKIP if len(chunk) >= 65_535 else milter.CONTINUE)

    milter.set_flags(milter.ADDHDRS)
    for name in ("connect", "helo", "envrcpt", "header", "eoh"):
        getattr(milter, f"set_{name}_callback")(silent)
    for name in ("envfrom", "eom", "abort", "close"):
        getattr(milter, f"set_{name}_callback")(answered)
    milter.set_body_callback(skipped)
    milter.register("floor", negotiate=_steps)
    milter.setconn(f"unix:{sys.argv[1]}")
    milter.main()


if __name__ == "__main__":
    main()
