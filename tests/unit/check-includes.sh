#!/bin/sh
# Holds the direction of includes: a stage may use only what stands before it on the way of a request.
# Also: libfcgi is known to front/ alone, libcurl's calls to upstream/ alone.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
cd "$top"

allowed() {
	case $1 in
	base) echo base ;;
	json) echo base json ;;
	message) echo base json message ;;
	config) echo base json message config ;;
	front) echo base front ;;
	state) echo base state ;;
	trace) echo base json message trace ;;
	upstream) echo base json message upstream ;;
	dialect) echo base json message dialect ;;
	http) echo base json message front http ;;
	ingress) echo base json message front http ingress ;;
	access) echo base json message front http config state access ;;
	route) echo base json message config route ;;
	run) echo base json message dialect upstream state trace run ;;
	doctor) echo base json message config upstream run doctor ;;
	api) echo base json message config front http access ingress route dialect upstream state trace run doctor api ;;
	bundle) ;;
	demo) echo base demo ;;
	*) echo "unknown stage: $1" >&2; exit 1 ;;
	esac
}

bad=0
for dir in src/* include/*; do
	[ -d "$dir" ] || continue
	stage=${dir##*/}
	ok=" $(allowed "$stage") "
	for file in "$dir"/*.[ch]; do
		[ -f "$file" ] || continue
		for used in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file" | sort -u); do
			case $ok in
			*" $used "*) ;;
			*) echo "$file: $stage must not include $used/"; bad=1 ;;
			esac
		done
	done
done
if grep -rln 'FCGX_\|fcgiapp' src include | grep -v '^src/front/' | grep -v '^include/front/'; then
	echo "libfcgi belongs into src/front/ alone"
	bad=1
fi
if grep -rln 'curl_easy\|curl_multi\|curl/curl.h' src include | grep -v '^src/upstream/' | grep -v '^include/upstream/'; then
	echo "libcurl belongs into src/upstream/ alone"
	bad=1
fi
exit $bad
