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
