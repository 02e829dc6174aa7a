"""``python -m tokendemo_formal`` is ``tokendemo``."""

import sys

from tokendemo_formal.cli import main

sys.exit(main())
