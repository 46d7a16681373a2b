#!/bin/sh
# Runs every golden case. Recorded answers of providers are looked for beside the source tree, or in $RECORDED; each of them must be
# in some case.
top=${srcdir:-.}
RECORDED=${RECORDED:-$top/../shared/recorded}
export RECORDED
bad=0

unused() {
	(cd "$RECORDED" && find . -mindepth 2 -type f) | sed 's|^\./||' | LC_ALL=C sort >"$tmp/there"
	find "$top/tests/golden/cases" -name '*.case' -exec sed -n '/^--- upstream-file/{n;p;}' {} + |
		LC_ALL=C sort -u >"$tmp/used"
	LC_ALL=C comm -23 "$tmp/there" "$tmp/used"
}

if [ -d "$RECORDED" ]; then
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	for file in $(unused); do
		echo "FAIL: no case uses the recorded answer $file"
		bad=1
	done
	echo "$(wc -l <"$tmp/there") recorded answers"
else
	echo "SKIP: no recorded answers in $RECORDED"
fi

# Not all at once: a program's arguments stand on its stack, which may be a small one.
find "$top/tests/golden/cases" -name '*.case' | LC_ALL=C sort | xargs -n 200 ${EMULATOR:-} ./tests/golden/golden-run || bad=1
exit $bad
