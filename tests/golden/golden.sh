#!/bin/sh
# Runs every golden case. Recorded answers of providers are looked for beside the source tree, or in $RECORDED.
top=${srcdir:-.}
RECORDED=${RECORDED:-$top/../shared/recorded}
export RECORDED
find "$top/tests/golden/cases" -name '*.case' | LC_ALL=C sort | xargs ./tests/golden/golden-run
