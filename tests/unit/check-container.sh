#!/bin/sh
# conf/Containerfile as far as it can be read without an engine: what it copies is there, what runs is
# no root and finds its configuration, and that one is lighttpd's. (Built and run by hand with buildah;
# tests/e2e runs container.conf.)
set -eu
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
file=$top/conf/Containerfile
bad=0
say() { echo "conf/Containerfile: $*"; bad=1; }

# One instruction a line, without comments.
lines=$(grep -v '^#' "$file" | awk '{ if (sub(/\\$/, "")) printf "%s", $0; else print }' | tr '\t' ' ')
instruction() { printf '%s\n' "$lines" | sed -n "s/^$1 //p" | tail -n 1; }
has() { printf "%s\n" "$lines" | grep -qF -- "$1"; }

for source in $(printf '%s\n' "$lines" | grep -o '/src/[A-Za-z0-9._/-]*' | sed 's,^/src/,,'); do
	[ "$source" = configure ] || [ -e "$top/$source" ] || say "$source is not there"
done
printf '%s\n' "$lines" | sed -n '/^FROM scratch/,$p' | grep -q '^COPY --from=build /root-fs/ /$' ||
	say 'the image is not only what was collected'
id=$(instruction USER)
case $id in
[1-9]*:[1-9]*) ;;
*) say 'it runs as root' ;;
esac
has "messages:x:${id%%:*}:${id##*:}:" || say "no user $id in its passwd"
port=$(instruction EXPOSE)
grep -q "^server.port *= $port\$" "$top/conf/container.conf" || say "container.conf has another port than $port"
has 'cp /src/conf/container.conf /root-fs/etc/lighttpd/lighttpd.conf' ||
	say 'container.conf is not where lighttpd looks'
[ "$(instruction ENTRYPOINT)" = '["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"]' ] ||
	say 'lighttpd is started with another file'
# What the build installs is what the README lists for Debian.
for package in build-essential autoconf automake pkg-config libfcgi-dev libcurl4-openssl-dev \
	libcjson-dev libconfig-dev libssl-dev lighttpd; do
	has " $package " || say "$package is not installed"
	grep -q "^| Debian.*$package" "$top/README.md" || say "README.md does not list $package"
done
lighttpd=$(PATH="$PATH:/usr/sbin:/sbin" command -v lighttpd || :)
[ -z "$lighttpd" ] || "$lighttpd" -t -f "$top/conf/container.conf" >/dev/null || say 'lighttpd refuses container.conf'
exit "$bad"
