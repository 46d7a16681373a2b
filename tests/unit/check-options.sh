#!/bin/sh
# No option may be missing in the sample file, the docs or the man page: what messages.fcgi --options prints is compared with what
# stands there. `check-options.sh update`, run where messages.fcgi was built, writes it into the source tree.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
program=${MESSAGES_FCGI:-./messages.fcgi}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# file, format, how the line before and the line after the generated part begin
generated() {
	${EMULATOR:-} "$program" --options "$2" >"$tmp/part"
	# By the environment, because -v takes the backslash of a man page's comment off.
	part=$tmp/part begin=$3 end=$4 awk '
		index($0, ENVIRON["begin"]) == 1 {
			print
			while ((getline line < ENVIRON["part"]) > 0) print line
			inside = seen = 1
			next
		}
		index($0, ENVIRON["end"]) == 1 { inside = 0 }
		!inside { print }
		END { exit !seen }' "$1" >"$tmp/whole" || {
		echo "$1 has no line that begins with $3"
		bad=1
		return
	}
	cmp -s "$1" "$tmp/whole" && return
	if [ "$mode" = update ]; then
		cp "$tmp/whole" "$1"
	else
		diff -u "$1" "$tmp/whole" || :
		bad=1
	fi
}

mode=${1:-check}
generated "$top/docs/configuration.md" markdown '<!-- options:' '<!-- end of options'
generated "$top/docs/messages.conf.5" man '.\" options:' '.\" end of options'
${EMULATOR:-} "$program" --options conf >"$tmp/conf"
[ "$mode" = update ] && cp "$tmp/conf" "$top/conf/messages.conf"
cmp "$top/conf/messages.conf" "$tmp/conf" || bad=1

# The sample is a configuration as it stands: all its settings are comments.
env -i PATH="$PATH" OPENROUTER_API_KEY=none ${EMULATOR:-} "$program" --config "$top/conf/messages.conf" --check >"$tmp/check" || {
	cat "$tmp/check"
	bad=1
}
[ $bad = 0 ] || echo "run tests/unit/check-options.sh update"
exit $bad
