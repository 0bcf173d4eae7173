"""How many examples tests of properties try."""

import os

IS_SECOND_RUN = bool(os.environ.get("DMARC_MILTER_SECOND_RUN"))
"""script/test sets it where the same tests have just run with other versions of the libraries."""


def examples(count: int) -> int:
    """`count`; a quarter of it in a second run: what depends on the libraries shows at the first examples."""
    return count // 4 if IS_SECOND_RUN else count
