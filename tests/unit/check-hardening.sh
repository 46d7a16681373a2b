#!/bin/sh
# The program that was built is position independent, its relocations are read-only before main, its stack is not executable and
# guarded, and calls that know their target's size check it.
set -eu
program=${MESSAGES_FCGI:-./messages.fcgi}
[ -z "${MESSAGES_PLAIN_BUILD:-}" ] || { echo 'built without hardening'; exit 77; }
command -v readelf >/dev/null || { echo 'readelf is not installed'; exit 77; }
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
readelf -W -h -l -d -s --dyn-syms "$program" >"$tmp"
bad=0

# what it is called, pattern that must be there
wants() {
	grep -Eq "$2" "$tmp" || { echo "$program: no $1"; bad=1; }
}

wants 'position independence' 'Type: +DYN'
wants 'read-only relocations' 'GNU_RELRO'
wants 'immediate binding' 'BIND_NOW|Flags: .*NOW'
wants 'stack protector' '__stack_chk_fail|__stack_chk_guard'
if grep -E 'GNU_STACK' "$tmp" | grep -q 'RWE'; then
	echo "$program: its stack is executable"
	bad=1
fi
case ${HARDEN_CFLAGS:-} in
*_FORTIFY_SOURCE*) wants 'checked calls' '__(memcpy|snprintf|vsnprintf|fprintf|read|realpath|memset)_chk' ;;
esac
exit $bad
