#!/bin/sh
# Every link of the documents leads to a file, and to a heading of it, that exist.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
cd "$top"
bad=0

# The names that headings of FILE are linked by.
anchors() {
	sed -n '/^```/,/^```/!s/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' |
		sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for page in README.md docs/*.md docs/backends/*.md; do
	for link in $(grep -o ']([^)]*)' "$page" | sed 's/^](//; s/)$//'); do
		case $link in http*) continue ;; esac
		file=${link%%#*}
		target=$page
		[ -z "$file" ] || target=$(dirname "$page")/$file
		if [ ! -e "$target" ]; then
			echo "$page: $link: there is no such file"
			bad=1
		elif [ "$file" != "$link" ] && ! anchors "$target" | grep -qxF -e "${link#*#}"; then
			echo "$page: $link: there is no such heading"
			bad=1
		fi
	done
done
exit $bad
