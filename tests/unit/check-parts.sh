#!/bin/sh
# The parts that a build may leave out are the same in configure, in the program and in the docs.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

sed -n 's/^\tMF_PART(\[\([a-z-]*\)\].*/\1/p' "$top/m4/messages.m4" >"$tmp/configure"
sed -n 's/^\t{ "\([a-z-]*\)", WITH_[A-Z_]* },$/\1/p' "$top/src/base/parts.c" >"$tmp/program"
sed -n 's/^| `--disable-\([a-z-]*\)` |.*/\1/p' "$top/docs/install.md" >"$tmp/docs"
[ -s "$tmp/configure" ] && diff "$tmp/configure" "$tmp/program" && diff "$tmp/configure" "$tmp/docs"

# What a setting or a dialect asks for is one of them.
sed -n 's/.*\(CREDENTIAL_[A-Z_]*\].*}, \|_tails, [a-z_]*, \)"\([a-z-]*\)" }.*/\2/p' \
	"$top/src/config/credential.c" "$top/src/config/presets.c" | sort -u >"$tmp/named"
sort "$tmp/configure" | comm -23 "$tmp/named" - >"$tmp/unknown"
[ -s "$tmp/named" ] && [ ! -s "$tmp/unknown" ] || { echo 'no such part:'; cat "$tmp/unknown"; exit 1; }
