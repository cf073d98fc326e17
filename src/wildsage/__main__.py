"""``python -m wildsage``."""

import sys

from wildsage.cli.main import main

sys.exit(main())
