#!/bin/sh
# Each row of docs/conversion.md names a golden case that exists.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
cd "$top"
bad=0

complain() {
	echo "docs/conversion.md: $*"
	bad=1
}

# The rows of the two tables that have a case in their last column.
rows=$(sed -n '/^## Requests/,/^## What differs/p' docs/conversion.md | grep '^|' |
	grep -v '^|---\|| case |$')
[ "$(echo "$rows" | wc -l)" -ge 50 ] || complain 'the rows are gone'
echo "$rows" | grep -v '| `[a-z0-9/-]*` |$' && complain 'a row without a case'
names=$(grep -o '`[a-z-]*/[a-z0-9-]*`' docs/conversion.md | tr -d '`' | sort -u)
for name in $names; do
	[ -f "tests/golden/cases/$name.case" ] || complain "there is no case $name"
done
exit $bad
