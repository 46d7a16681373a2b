#!/bin/sh
# What a release is made of: a bill of materials that is one, signatures that hold and break, and an
# installation that leaves nothing behind. (That two tarballs are the same takes longer: .ci/run.)
set -eu
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
build=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
make=${MAKE:-make}
bad=0
say() { echo "$*"; bad=1; }

# In a tree of its own, whatever make passes on.
sub_make() { MAKEFLAGS='' MFLAGS='' MAKELEVEL='' "$make" -s -C "$build" "$@"; }

# ---- the bill of materials ----

"$top/tools/sbom" 1.2.3 86400 libcurl libcrypto libssl not-there >"$tmp/one.json"
"$top/tools/sbom" 1.2.3 86400 libcurl libcrypto libssl not-there >"$tmp/two.json"
cmp "$tmp/one.json" "$tmp/two.json" || say 'two bills of the same build differ'
if [ -f "$build/Makefile" ] && command -v python3 >/dev/null; then
	sub_make sbom >/dev/null
	for bill in "$tmp/one.json" "$build"/messages-fcgi-*.spdx.json; do
		python3 - "$bill" <<'PY' || say "$bill is no SPDX 2.3"
import json, re, sys

bill = json.load(open(sys.argv[1]))
# What SPDX 2.3 demands of a document, its creation and its packages (7.1 to 7.10 and 6.1 to 6.9).
for member in ("SPDXID", "spdxVersion", "creationInfo", "name", "dataLicense", "documentNamespace"):
    assert bill[member], member
assert (bill["spdxVersion"], bill["dataLicense"], bill["SPDXID"]) == \
    ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
assert re.fullmatch(r"[a-z]+:[^#\s]+", bill["documentNamespace"])
created = bill["creationInfo"]
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created["created"]), created
assert all(re.match(r"(Tool|Person|Organization): \S", c) for c in created["creators"])
ids = [p["SPDXID"] for p in bill["packages"]] + [bill["SPDXID"]]
assert len(set(ids)) == len(ids), ids
for package in bill["packages"]:
    assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"])
    assert package["name"] and package["downloadLocation"] and package["filesAnalyzed"] is False
    for ref in package.get("externalRefs", []):
        assert ref["referenceCategory"] == "PACKAGE-MANAGER" and ref["referenceType"] == "purl"
        assert re.fullmatch(r"pkg:[a-z]+/[^@\s]+@\S+", ref["referenceLocator"]), ref
for r in bill["relationships"]:
    assert {r["spdxElementId"], r["relatedSpdxElement"]} <= set(ids), r
described = [r for r in bill["relationships"] if r["relationshipType"] == "DESCRIBES"]
assert [r["relatedSpdxElement"] for r in described] == ["SPDXRef-Package-messages-fcgi"]
assert len(bill["relationships"]) == len(bill["packages"])
names = [p["name"] for p in bill["packages"]]
assert "curl" in names and names.count("openssl") == 1, names
PY
	done
	# Each library that the program is linked with, as far as it is one of ours.
	if command -v ldd >/dev/null; then
		ldd "$build/messages.fcgi" 2>/dev/null | sed -n 's/^[[:space:]]*lib\([a-z]*\).*/\1/p' >"$tmp/linked"
		for pair in curl:curl cjson:cJSON config:libconfig crypto:openssl fcgi:fcgi2; do
			grep -qx "${pair%%:*}" "$tmp/linked" || continue
			grep -q "\"name\": \"${pair##*:}\"" "$build"/messages-fcgi-*.spdx.json ||
				say "the bill lacks ${pair##*:}"
		done
	fi
else
	echo 'bill of materials: not read, there is no python3 or no build here'
fi

# ---- signatures ----

# signed HOW KEY SIGNERS: accepted as it is; refused with a changed file, sums or one file more.
signed() {
	"$top/tools/release" sign "$tmp/out" "$2" >"$tmp/log" 2>&1 || { cat "$tmp/log"; say "$1: no signature"; return; }
	holds() { "$top/tools/release" verify "$tmp/out" "$signers" >"$tmp/log" 2>&1; }
	signers=$3
	holds || { cat "$tmp/log"; say "$1: a good release is refused"; }
	echo more >>"$tmp/out/messages-fcgi-1.2.3.tar.xz"
	! holds || say "$1: a changed tarball is accepted"
	(cd "$tmp/out" && cp SHA256SUMS ../kept && sha256sum messages-fcgi-* >SHA256SUMS)
	! holds || say "$1: changed checksums are accepted"
	echo tarball >"$tmp/out/messages-fcgi-1.2.3.tar.xz" && cp "$tmp/kept" "$tmp/out/SHA256SUMS"
	echo more >"$tmp/out/messages-fcgi-1.2.4.tar.xz"
	! holds || say "$1: a file that is not signed is accepted"
	rm "$tmp/out/messages-fcgi-1.2.4.tar.xz"
	: >"$tmp/nobody"
	signers=$tmp/nobody
	! holds || say "$1: anybody's signature is accepted"
}

mkdir "$tmp/out"
echo tarball >"$tmp/out/messages-fcgi-1.2.3.tar.xz"
(cd "$tmp/out" && sha256sum messages-fcgi-* >SHA256SUMS)
if command -v ssh-keygen >/dev/null; then
	ssh-keygen -q -t ed25519 -N '' -C maintainer -f "$tmp/key"
	echo "maintainer@example.org $(cat "$tmp/key.pub")" >"$tmp/signers"
	signed ssh "$tmp/key" "$tmp/signers"
else
	echo 'signature with an SSH key: not tried, there is no ssh-keygen'
fi
if command -v gpg >/dev/null && command -v gpgv >/dev/null; then
	export GNUPGHOME="$tmp/gnupg"
	mkdir -m 700 "$GNUPGHOME"
	if gpg --batch --quiet --passphrase '' --quick-gen-key maintainer@example.org ed25519 sign never 2>"$tmp/log"; then
		gpg --batch --quiet --export >"$tmp/ring.gpg"
		signed gpg maintainer@example.org "$tmp/ring.gpg"
	else
		echo "signature with GPG: not tried: $(cat "$tmp/log")"
	fi
	gpgconf --kill all
else
	echo 'signature with GPG: not tried, there is no gpg'
fi

# ---- installed and removed ----

if [ -f "$build/Makefile" ]; then
	sub_make install DESTDIR="$tmp/root" >"$tmp/log" 2>&1 || { cat "$tmp/log"; say 'make install fails'; }
	[ -n "$(find "$tmp/root" -name messages.fcgi -type f)" ] || say 'make install installs no program'
	[ -n "$(find "$tmp/root" -name messages.fcgi.1 -type f)" ] || say 'make install installs no manual'
	sub_make uninstall DESTDIR="$tmp/root" >"$tmp/log" 2>&1 || { cat "$tmp/log"; say 'make uninstall fails'; }
	find "$tmp/root" ! -type d >"$tmp/left"
	find "$tmp/root" -type d -empty -name 'messages*' >>"$tmp/left"
	[ ! -s "$tmp/left" ] || { cat "$tmp/left"; say 'is left behind by make uninstall'; }
fi
exit "$bad"
