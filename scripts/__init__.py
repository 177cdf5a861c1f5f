# SPDX-License-Identifier: GPL-2.0
"""What builds and boots. targets.py has the targets of the Makefile."""
