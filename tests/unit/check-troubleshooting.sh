#!/bin/sh
# What docs/troubleshooting.md says that the program says, it says: `messages.fcgi --error-sites`.
# Runs where the program is built.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
bad=0

sites=$(./messages.fcgi --error-sites)
rows=$(sed -n '/^## What the gateway says/,/^## On the machine/p' "$top/docs/troubleshooting.md" |
	grep '^| `')
[ "$(echo "$rows" | wc -l)" -ge 25 ] || { echo 'docs/troubleshooting.md: the rows are gone' && bad=1; }
while IFS='`' read -r _ said _; do
	case $sites in
	*"$said"*) ;;
	*) echo "docs/troubleshooting.md: nothing says \"$said\"" && bad=1 ;;
	esac
done <<END
$rows
END
exit $bad
