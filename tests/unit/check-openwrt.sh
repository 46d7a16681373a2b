#!/bin/sh
# openwrt/: the init script says to procd what it should, asked with stand-ins for the functions of
# rc.common, and the recipe parses and installs, asked with stand-ins for OpenWrt's build system.
set -eu
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# same NAME EXPECTED: what the command before it has left in "got".
same() {
	printf '%s\n' "$2" >"$tmp/expected"
	diff -u "$tmp/expected" "$tmp/got" || { echo "openwrt: $1 is not as expected"; bad=1; }
}

# start OPTION=VALUE…: start_service of one section "main" with these options, as lines.
start() (
	options=$*
	config_load() { echo "load $1"; }
	config_foreach() { "$1" main; }
	config_get() {
		found=${4:-}
		for option in $options; do
			[ "${option%%=*}" != "$3" ] || found=${option#*=}
		done
		eval "$1=\"$found\""
	}
	config_get_bool() { config_get "$1" "$2" "$3" "$4"; }
	procd_open_instance() { echo "instance $1"; }
	procd_set_param() { echo "$@"; }
	procd_close_instance() { echo end; }
	procd_add_reload_trigger() { echo "trigger $1"; }
	logger() { echo "logged: $3"; }
	mkdir() { echo "mkdir $2"; }
	. "$top/openwrt/files/messages-fcgi.init"
	[ "$USE_PROCD" = 1 ] && [ "$START" -gt 50 ]
	# shellcheck disable=SC2034 # the script uses them
	PROG=true SPAWN=$tmp/spawn-fcgi
	start_service || :
	service_triggers
) >"$tmp/got"

printf '#!/bin/sh\n' >"$tmp/spawn-fcgi"
chmod +x "$tmp/spawn-fcgi"
start
same 'the service as it comes' 'load messages-fcgi
trigger messages-fcgi'
start enabled=1
same 'an enabled service' "load messages-fcgi
mkdir /var/run/messages-fcgi
instance main
command $tmp/spawn-fcgi -n -s /var/run/messages-fcgi/main.sock -M 0660 -u messages -U messages \
-G www-data -- true --config /etc/messages/messages.conf
term_timeout 10
respawn
stdout 1
stderr 1
end
trigger messages-fcgi"
start enabled=1 user=http socket=/tmp/m.sock config=/tmp/m.conf memory=8388608 address_space=192
same 'a service with settings of its own' "load messages-fcgi
mkdir /tmp
instance main
command $tmp/spawn-fcgi -n -s /tmp/m.sock -M 0660 -u http -U http -G www-data -- true --config /tmp/m.conf
env MESSAGES_MEMORY=8388608
limits as=201326592 201326592
term_timeout 10
respawn
stdout 1
stderr 1
end
trigger messages-fcgi"
rm "$tmp/spawn-fcgi"
start enabled=1
same 'a service without spawn-fcgi' "load messages-fcgi
logged: $tmp/spawn-fcgi is missing: opkg install spawn-fcgi
trigger messages-fcgi"

# The recipe. BuildPackage shows what it was given and installs into a folder.
mkdir "$tmp/include" "$tmp/staging"
: >"$tmp/rules.mk"
cat >"$tmp/include/package.mk" <<'MK'
INSTALL_DIR = install -d -m0755
INSTALL_BIN = install -m0755
INSTALL_CONF = install -m0600
INSTALL_DATA = install -m0644
define BuildPackage
$(eval $(call Package/$(1)))
show: ; @echo '$(PKG_SOURCE) $(PKG_LICENSE) $(SECTION) $(USERID)'; \
	for d in $(DEPENDS); do echo "$$$$d"; done
install-it: ; $(call Package/$(1)/install,$(INSTALL_TO))
endef
MK
make=${MAKE:-make}
recipe() {
	(cd "$top/openwrt" && MAKEFLAGS='' MFLAGS='' "$make" -s TOPDIR="$tmp" INCLUDE_DIR="$tmp/include" \
		PKG_BUILD_DIR="$top" PKG_INSTALL_DIR="$tmp/staging" INSTALL_TO="$tmp/root" "$@")
}
version=$(sed -n 's/^AC_INIT(\[messages-fcgi\], \[\([^]]*\)\].*/\1/p' "$top/configure.ac")
recipe show >"$tmp/got"
same 'the recipe' "messages-fcgi-$version.tar.xz MIT net messages:messages
+libcurl
+libopenssl
+libconfig
+cJSON
+fcgi
+zlib
+libatomic
+ca-bundle"
mkdir -p "$tmp/staging/usr/bin"
: >"$tmp/staging/usr/bin/messages.fcgi"
recipe install-it
(cd "$tmp/root" && find . -type f | LC_ALL=C sort) >"$tmp/got"
same 'what it installs' './etc/config/messages-fcgi
./etc/init.d/messages-fcgi
./etc/messages/messages.conf
./usr/bin/messages.fcgi
./usr/share/messages-fcgi/lan.conf
./usr/share/messages-fcgi/messages.conf
./usr/share/messages-fcgi/spawn-fcgi.conf'
[ -x "$tmp/root/etc/init.d/messages-fcgi" ] || { echo 'the init script is no program'; bad=1; }
exit "$bad"
