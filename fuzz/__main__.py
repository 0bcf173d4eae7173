"""Run one fuzz target under atheris (``pip install atheris``) until it finds something or is told to stop.

python -m fuzz TARGET [options of libFuzzer, like -max_total_time=60]
"""

import sys


def main() -> int:
    """Exit status 2 for an unknown target or where atheris is missing."""
    try:
        import atheris
    except ImportError:
        print("fuzz: needs the package atheris", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["dmarc_milter"]):
        from fuzz.targets import TARGETS
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        print(f"fuzz: name one of {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[name])
    atheris.Fuzz()
    return 0


sys.exit(main())
