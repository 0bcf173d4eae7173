"""The processing limits of RFC 7208 4.6.4: the evaluation counts by them, and nothing is prefetched beyond them.

With those of RFC 5321 4.5.3.1, in octets: what of an identity is longer is not expanded by macros.
"""

MAX_DNS_TERMS = 10
"""Terms that ask the DNS: include, a, mx, ptr, exists, redirect."""

MAX_VOID_LOOKUPS = 2
"""Terms whose look-up came back empty."""

MAX_EXCHANGES = 10
"""Mail exchanges of one mx term; more are a permerror."""

MAX_POINTERS = 10
"""Names of one PTR answer that are looked at; more are left out."""

MAX_LOCAL_PART = 64
"""RFC 5321 4.5.3.1.1; real ones are longer, and matter only to a record that asks for them."""

MAX_DOMAIN = 255
"""RFC 5321 4.5.3.1.2, of HELO too."""

MAX_PATH = 254
"""RFC 5321 4.5.3.1.3: 256 with the angle brackets."""
