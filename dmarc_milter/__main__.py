"""``python -m dmarc_milter`` is the command ``dmarc-milter``."""

import sys

from dmarc_milter.cli.main import main

sys.exit(main())
