#!/bin/sh
# What not every system has is called in src/base/os.c alone (include/base/os.h), and by the files
# that are about one system's feature. Tests keep to it too; measuring tools and the bundle, which is
# a loader and libraries of Linux, are for Linux.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
cd "$top"

calls='pipe2 accept4 dup3 mkostemp posix_fallocate memmem memrchr explicit_bzero mallopt malloc_trim
	getrandom getentropy prctl procctl memfd_create eventfd signalfd timerfd_create epoll_wait
	inotify_init1 ppoll statfs strchrnul secure_getenv qsort_r fopencookie reallocarray close_range
	execvpe gettid strerror_r canonicalize_file_name posix_spawn_file_actions_addclosefrom_np
	pthread_setname_np pthread_mutexattr_setrobust syscall mremap sched_getaffinity getauxval'
names='SOCK_CLOEXEC SOCK_NONBLOCK MSG_NOSIGNAL F_OFD_[A-Z]* O_PATH O_TMPFILE SO_PEERCRED
	st_[acm]tim st_[acm]timespec __linux__ program_invocation_[a-z_]* error_t CLOCK_BOOTTIME
	MAP_POPULATE PR_[A-Z_]* __[a-z_]*_t'
headers='error.h execinfo.h malloc.h sys/eventfd.h sys/signalfd.h sys/random.h sys/prctl.h sys/vfs.h
	sys/epoll.h linux/.* sys/syscall.h'

pattern="\b($(echo $calls | tr ' ' '|'))\\(|\\b($(echo $names | tr ' ' '|'))\\b"
pattern="$pattern|#include <($(echo $headers | tr ' ' '|'))>"
found=$(grep -rnE "$pattern" src include tests --include='*.[ch]' |
	grep -vE '^(src/base/(os|seccomp|landlock)\.c|src/bundle/.*|include/base/os\.h|tests/(unit/test-sandbox|bench/.*|bundle/.*)\.c):' || :)
[ -z "$found" ] || {
	echo 'not every system has these (see include/base/os.h):'
	echo "$found"
	exit 1
}
