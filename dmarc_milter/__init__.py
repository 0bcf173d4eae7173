"""A mail filter that checks SPF, DKIM, ARC and DMARC (RFC 9989) in one pass.

The rooms, and what each may import, are in ARCHITECTURE.md.
"""

from dmarc_milter.version import VERSION

__version__ = VERSION

__all__ = ["__version__"]
