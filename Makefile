# SPDX-License-Identifier: GPL-2.0
#
# The front door. The targets are the functions in scripts/targets.py that say
# so; Kbuild reads the file Kbuild, not this one.

ifneq ($(KERNELRELEASE),)
$(error Kbuild reads Kbuild; this Makefile is for people)
endif

PYTHON ?= python3

# What the targets read; on the command line or in the environment.
export SERIES KERNEL LLVM KDIR ONLY SEED V

TARGETS := $(shell sed -n 's/^@target("\(.*\)")$$/\1/p' scripts/targets.py)

.PHONY: $(TARGETS)
.DEFAULT_GOAL := all
# One target after the other: each uses all processors by itself.
.NOTPARALLEL:

$(TARGETS):
	@command -v $(PYTHON) >/dev/null || { \
		echo "FAILED host: lacks python3; run as root:" \
		     "apt-get update && apt-get install -y python3" >&2; exit 1; }
	+@$(PYTHON) -B -m scripts.targets $@
