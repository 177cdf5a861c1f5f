# SPDX-License-Identifier: GPL-2.0
"""The tests, and the programs that run them."""
