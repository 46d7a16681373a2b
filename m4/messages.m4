# Threads, the short way: every system this builds on has -pthread.
AC_DEFUN([AX_PTHREAD_MF], [
	AC_SEARCH_LIBS([pthread_create], [pthread], [], [AC_MSG_ERROR([no POSIX threads])])
	PTHREAD_CFLAGS=-pthread
	AC_SUBST([PTHREAD_CFLAGS])
])

# libfcgi releases with known memory-safety bugs get a notice, never an error: the web server in front is a trusted peer.
# CVE-2012-6687: more than 1024 descriptors overrun an fd_set in os_unix.c, fixed in 2.4.1 (Debian: 2.4.0-8.3).
# CVE-2025-23016: integer overflow in ReadParams on 32-bit systems, fixed in 2.4.5 (Debian bookworm: 2.4.2-2+deb12u1).
AC_DEFUN([MF_FCGI_NOTICE], [
	AC_MSG_CHECKING([libfcgi for known memory-safety bugs])
	mf_fcgi_version=""
	mf_fcgi_fixed=unknown
	AS_IF([command -v dpkg-query >/dev/null 2>&1],
		[mf_fcgi_version=`dpkg-query -W -f='${Version}' libfcgi-dev 2>/dev/null`])
	AS_IF([test -n "$mf_fcgi_version"],
		[AS_IF([dpkg --compare-versions "$mf_fcgi_version" ge 2.4.5 || \
			{ dpkg --compare-versions "$mf_fcgi_version" ge '2.4.2-2+deb12u1' && \
			  dpkg --compare-versions "$mf_fcgi_version" lt '2.4.2-2.1'; }],
			[mf_fcgi_fixed=yes], [mf_fcgi_fixed=no])],
		[mf_fcgi_version=`$PKG_CONFIG --modversion fcgi 2>/dev/null || $PKG_CONFIG --modversion fcgi2 2>/dev/null`
		AS_IF([test -n "$mf_fcgi_version"],
			[AS_VERSION_COMPARE([$mf_fcgi_version], [2.4.5], [mf_fcgi_fixed=no], [mf_fcgi_fixed=yes], [mf_fcgi_fixed=yes])])])
	AS_CASE([$mf_fcgi_fixed],
		[yes], [AC_MSG_RESULT([$mf_fcgi_version has none])],
		[no], [AC_MSG_RESULT([$mf_fcgi_version has some])],
		[AC_MSG_RESULT([version unknown])])
	AS_CASE([$mf_fcgi_fixed],
		[no], [AC_MSG_NOTICE([this libfcgi ($mf_fcgi_version) has known memory-safety bugs (CVE-2012-6687 before 2.4.1, CVE-2025-23016 before 2.4.5) unless your distribution has patched them: update it; until then let only the web server reach the socket])],
		[unknown], [AC_MSG_NOTICE([the version of libfcgi is not known here: releases before 2.4.5 have memory-safety bugs (CVE-2012-6687, CVE-2025-23016) unless your distribution has patched them])])
])

# MF_IF_FLAG(VARIABLE, FLAG, [EXTRA-FLAGS]): adds the flag to the variable where a program builds with it and nothing is warned of.
AC_DEFUN([MF_IF_FLAG], [
	AC_MSG_CHECKING([whether programs build with $2])
	mf_cflags=$CFLAGS
	CFLAGS="$CFLAGS -Werror $2 $3"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [[char to[8]; strcpy(to, "a"); return to[1];]])],
		[$1="$$1 $2"; AC_MSG_RESULT([yes])], [AC_MSG_RESULT([no])])
	CFLAGS=$mf_cflags
])

# What makes a bug harder to use, as far as compiler and linker have it: HARDEN_CFLAGS and HARDEN_LDFLAGS. Sanitizers check the same
# calls that _FORTIFY_SOURCE does, and only one of them can; it also needs an optimising compiler.
AC_DEFUN([MF_HARDEN], [
	AC_ARG_ENABLE([hardening], [AS_HELP_STRING([--disable-hardening], [leave out the stack protector, position independence, read-only relocations and the like])],
		[], [enable_hardening=yes])
	HARDEN_CFLAGS="" HARDEN_LDFLAGS="-Wl,--as-needed" mf_pie=""
	AS_IF([test "x$enable_hardening" = xyes], [
		m4_foreach_w([mf_flag], [-fstack-protector-strong -fstack-clash-protection],
			[MF_IF_FLAG([HARDEN_CFLAGS], mf_flag)])
		dnl What costs much room and guards little on the processors of appliances.
		AS_IF([test "x$enable_minimal" != xyes], [m4_foreach_w([mf_flag], [-fcf-protection=full -mbranch-protection=standard -fno-plt],
			[MF_IF_FLAG([HARDEN_CFLAGS], mf_flag)])],
			[MF_IF_FLAG([HARDEN_CFLAGS], [-fcf-protection=none])])
		MF_IF_FLAG([HARDEN_LDFLAGS], [-Wl,-z,relro])
		MF_IF_FLAG([HARDEN_LDFLAGS], [-Wl,-z,now])
		MF_IF_FLAG([HARDEN_LDFLAGS], [-Wl,-z,noexecstack])
		MF_IF_FLAG([mf_pie], [-pie], [-fPIE])
		AS_IF([test -n "$mf_pie"], [HARDEN_CFLAGS="$HARDEN_CFLAGS -fPIE" HARDEN_LDFLAGS="$HARDEN_LDFLAGS -pie"])
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#ifndef __OPTIMIZE__
#error
#endif]])], [mf_fortify=yes], [mf_fortify=no])
		AS_IF([test "x$1" = xno && test $mf_fortify = yes], [
			mf_level=""
			MF_IF_FLAG([mf_level], [-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3])
			AS_IF([test -n "$mf_level"], [mf_level=3], [mf_level=2])
			HARDEN_CFLAGS="$HARDEN_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$mf_level"
		])
	])
	AC_SUBST([HARDEN_CFLAGS])
	AC_SUBST([HARDEN_LDFLAGS])
	AM_CONDITIONAL([HARDENED], [test "x$enable_hardening" = xyes && test "x$1" = xno])
])

# The same tarball whoever makes it, where, when and with what umask: `make dist` of one source tree gives the same bytes, as far as tar
# is GNU's. All files have the time SOURCE_DATE_EPOCH; call it when that is set.
AC_DEFUN([MF_REPRODUCIBLE_DIST], [
	mf_tar_flags="--sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=@$SOURCE_DATE_EPOCH"
	AC_MSG_CHECKING([whether tar makes reproducible archives])
	AS_IF([${TAR-tar} --format=ustar $mf_tar_flags -cf - "$srcdir/configure" >/dev/null 2>&1],
		[am__tar="LC_ALL=C $am__tar"
		am__tar=`AS_ECHO(["$am__tar"]) | sed "s/ -chf / $mf_tar_flags -chf /"`
		AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])])
])

# MF_PART(NAME, WHAT): --disable-NAME leaves a part out, WITH_NAME is 0 then (include/base/parts.h).
AC_DEFUN([MF_PART], [
	AC_ARG_ENABLE([$1], [AS_HELP_STRING([--disable-$1], [leave out $2])], [], [AS_VAR_SET([enable_]m4_translit([$1], [-], [_]), [$mf_parts])])
	AS_VAR_IF([enable_]m4_translit([$1], [-], [_]), [no], [mf_with=0], [mf_with=1])
	AC_DEFINE_UNQUOTED([WITH_]m4_translit([$1], [-a-z], [_A-Z]), [$mf_with], [$2])
])

# The parts, the same list as in src/base/parts.c and docs/install.md; and flags that let the linker drop what nothing refers to.
AC_DEFUN([MF_PARTS], [
	MF_PART([anthropic], [the dialect of Anthropic and other servers that speak it])
	MF_PART([aws], [Bedrock and credentials of AWS])
	MF_PART([azure], [credentials of Entra and managed identities])
	MF_PART([capture], [captures of requests and their replay])
	MF_PART([cohere], [the dialect of Cohere])
	MF_PART([databricks], [credentials of a Databricks service principal])
	MF_PART([doctor], [the doctor, as command and as GET /doctor])
	MF_PART([earlier-paths], [paths of the earlier gateway: /v1/universal, /v1/databricks, /health/claude-code])
	MF_PART([error-files], [files of errors, the command that reads them, /debug/errors])
	MF_PART([error-sites], [the list of error sites; errors keep their ids])
	MF_PART([exec], [programs that print a credential])
	MF_PART([google], [Gemini, Vertex and credentials of Google])
	MF_PART([oauth], [credentials by OAuth client credentials])
	MF_PART([responses], [the dialect of OpenAI Responses])
	MF_PART([sandbox], [the system call filter and Landlock])
	MF_PART([tools], [the commands import-env, env, --route and --options])
	SIZE_CFLAGS="" SIZE_LDFLAGS=""
	dnl Sanitizers put tables of their own beside the code.
	AS_IF([test "x$enable_sanitize" = xno], [
		MF_IF_FLAG([SIZE_CFLAGS], [-ffunction-sections])
		MF_IF_FLAG([SIZE_CFLAGS], [-fdata-sections])
		MF_IF_FLAG([SIZE_LDFLAGS], [-Wl,--gc-sections])
	])
	AS_IF([test "x$enable_minimal" = xyes], [
		MF_IF_FLAG([SIZE_CFLAGS], [-fno-asynchronous-unwind-tables])
		MF_IF_FLAG([SIZE_CFLAGS], [-fno-unwind-tables])
		MF_IF_FLAG([SIZE_LDFLAGS], [-Wl,-z,pack-relative-relocs])
		MF_IF_FLAG([SIZE_LDFLAGS], [-Wl,-z,noseparate-code])
		mf_lto=""
		MF_IF_FLAG([mf_lto], [-flto=auto -ffat-lto-objects])
		SIZE_CFLAGS="$SIZE_CFLAGS $mf_lto"
	])
	AC_SUBST([SIZE_CFLAGS])
	AC_SUBST([SIZE_LDFLAGS])
])
