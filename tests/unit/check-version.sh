#!/bin/sh
# The version stands in configure.ac; whatever else states one states that one.
set -eu
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
program=${MESSAGES_FCGI:-./messages.fcgi}
found=$(mktemp)
trap 'rm -f "$found"' EXIT
bad=0
version=$(sed -n 's/^AC_INIT(\[messages-fcgi\], \[\([^]]*\)\].*/\1/p' "$top/configure.ac")

# is WHERE FOUND
is() {
	[ "$2" = "$version" ] || { echo "$1 says \"$2\", configure.ac says \"$version\""; bad=1; }
}

printf '%s\n' "$version" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || { echo 'configure.ac has no version'; bad=1; }
is 'messages.fcgi --version' "$("$program" --version | sed -n '1s/^messages\.fcgi \([^ ]*\).*/\1/p')"
is 'messages.fcgi --help' "$("$program" --help | sed -n '1s/^messages\.fcgi \([^:]*\):.*/\1/p')"
is CHANGELOG.md "$(sed -n 's/^## \([0-9][^ ]*\).*/\1/p' "$top/CHANGELOG.md" | head -n 1)"
is openwrt/Makefile "$(sed -n 's/^PKG_VERSION:=//p' "$top/openwrt/Makefile")"
if [ -f "$top/debian/changelog" ]; then
	is debian/changelog "$(sed -n '1s/^[^(]*(\([^)]*\)).*/\1/p' "$top/debian/changelog" | sed 's/-[^-]*$//')"
fi
# Anywhere else a name with another version behind it: "messages-fcgi-0.0.9", "messages.fcgi 0.0.9".
(cd "$top" && grep -rEoI 'messages[-.]fcgi[-_ v]{1,2}[0-9]+\.[0-9]+\.[0-9]+' README.md docs conf lighttpd apache openwrt \
	tools src include start 2>/dev/null || :) >"$found"
while IFS= read -r line; do
	is "${line%%:*}" "$(printf '%s\n' "${line#*:}" | sed 's/.*[-_ v]//')"
done <"$found"
exit "$bad"
