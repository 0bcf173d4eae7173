"""The processing limits of RFC 7208 4.6.4: the evaluation counts by them, and nothing is asked ahead beyond them."""

MAX_DNS_TERMS = 10
"""Terms that ask the DNS: include, a, mx, ptr, exists, redirect."""

MAX_VOID_LOOKUPS = 2
"""Terms whose look-up came back empty."""

MAX_EXCHANGES = 10
"""Mail exchanges of one mx term; more are a permerror."""

MAX_POINTERS = 10
"""Names of one PTR answer that are looked at; more are left out."""
