# SPDX-License-Identifier: GPL-2.0
"""What builds and boots. targets.py has the targets of the Makefile."""

import sys

# Before any other import: an older Python does not even read those files.
if sys.version_info < (3, 11):
    sys.exit("FAILED host: Python %d.%d is too old; use Debian 12 or 13, "
             "or PYTHON= a Python 3.11 or newer" % sys.version_info[:2])
