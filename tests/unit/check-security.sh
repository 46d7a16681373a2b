#!/bin/sh
# Each line of docs/security.md names tests that exist; and a few rules of it that are visible in the sources alone.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
cd "$top"
bad=0

complain() {
	echo "$*"
	bad=1
}

# file:test, or a file alone
exists() {
	file=${1%%:*} test=${1#*:}
	case $file in
	test-*) path=tests/unit/$file.c ;;
	test_*) path=tests/e2e/$file.py ;;
	check-*) path=tests/unit/$file ;;
	fuzz-*) path=tests/fuzz/$file ;;
	*) return 1 ;;
	esac
	[ -f "$path" ] || return 1
	[ "$file" = "$1" ] || grep -Eq "(def|static void) $test\(" "$path"
}

lines=$(sed -n '/^## Threats/,/^## Files/p' docs/security.md | grep '^|' | grep -v '^| threat\|^|---')
[ "$(echo "$lines" | wc -l)" -ge 40 ] || complain 'docs/security.md: the threats are gone'
tests=$(echo "$lines" | sed 's/ *|$//; s/.*| //')
echo "$tests" | grep -n -v '`' && complain 'docs/security.md: a line without a test'
for name in $(echo "$tests" | tr -d '`,' | tr ' ' '\n' | sort -u); do
	exists "$name" || complain "docs/security.md: there is no test $name"
done

# Keys are compared in constant time, and every one of them.
grep -q 'CRYPTO_memcmp' src/access/hash.c || complain 'src/access/hash.c: not in constant time'
grep -q 'match |= access_equal' src/access/access.c || complain 'src/access/access.c: stops at the first match'

# libcurl tells nobody what it sends, follows nothing, and speaks HTTP.
grep -rn 'CURLOPT_VERBOSE\|CURLOPT_DEBUGFUNCTION' src && complain 'libcurl must not be verbose'
grep -rn 'CURLOPT_FOLLOWLOCATION' src | grep -v ', 0L' && complain 'a redirect would be followed'
grep -q 'CURLOPT_PROTOCOLS_STR, "http,https"' src/upstream/call.c || complain 'protocols are not limited'

# No descriptor of ours for a command; no file of ours through somebody else's link.
grep -rnE '[^a-z_]open\(' src --include=*.c | grep -v 'O_CLOEXEC\|static \|flags\|void open\|^src/demo' &&
	complain 'open() without O_CLOEXEC'
exit $bad
