"""An ``Order`` as JSON on stdin, verdicts as JSON lines on stdout; the last one counts."""

import sys

from edged.modelcheck.child import main

sys.exit(main())
