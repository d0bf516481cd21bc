"""Run the command line with ``python -m quaybook``."""

import sys

from quaybook.cli import main

sys.exit(main())
