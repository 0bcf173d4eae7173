"""A page for people over the journal: it reads, and changes nothing. The filter does not know of it."""
