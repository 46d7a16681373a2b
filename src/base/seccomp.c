/*
 * A system call filter that names what is refused, not what is allowed: which calls a C library, a
 * resolver or a TLS library makes changes with their releases, and a program that is built on one
 * machine runs on another. What is refused are the calls that turn a bug of this program into more:
 * running programs, looking into other processes, the kernel's own doors, other identities, mounts.
 *
 * Refused calls fail with EPERM, which each caller knows how to meet, and are noted in the kernel's
 * log (SECCOMP_FILTER_FLAG_LOG); but for clone3, with which each thread begins: a filter of its own
 * refuses that one. A filter is a list of comparisons; the kernel remembers which calls it always
 * lets through.
 */
#include "config.h"
#include "sandbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#if WITH_SANDBOX && HAVE_SYS_PRCTL_H && HAVE_SYS_SYSCALL_H && HAVE_LINUX_SECCOMP_H && HAVE_LINUX_FILTER_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define NATIVE AUDIT_ARCH_I386
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARMEL__)
#define NATIVE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64 && defined(AUDIT_ARCH_RISCV64)
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#elif defined(__mips__) && defined(__MIPSEL__) && defined(__mips64)
#define NATIVE AUDIT_ARCH_MIPSEL64
#else
#define NATIVE 0
#endif

#define CALL(name) SYS_##name

/* Without a command nobody runs a program or listens anew. */
static const int programs[] = {
	CALL(execve), CALL(execveat), CALL(listen),
};

static const int never[] = {
	/* other processes */
	CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(kcmp),
#ifdef SYS_pidfd_getfd
	CALL(pidfd_getfd),
#endif
#ifdef SYS_process_madvise
	CALL(process_madvise),
#endif
	/* the kernel */
	CALL(init_module), CALL(delete_module), CALL(finit_module), CALL(kexec_load), CALL(reboot),
	CALL(bpf), CALL(perf_event_open), CALL(syslog), CALL(userfaultfd), CALL(add_key),
	CALL(request_key), CALL(keyctl), CALL(quotactl), CALL(acct), CALL(swapon), CALL(swapoff),
	CALL(settimeofday), CALL(clock_settime), CALL(clock_adjtime), CALL(adjtimex),
	CALL(sethostname), CALL(setdomainname), CALL(vhangup), CALL(personality),
	CALL(fanotify_init), CALL(open_by_handle_at), CALL(name_to_handle_at),
#ifdef SYS_kexec_file_load
	CALL(kexec_file_load),
#endif
#ifdef SYS_io_uring_setup
	CALL(io_uring_setup), CALL(io_uring_enter), CALL(io_uring_register),
#endif
#ifdef SYS_iopl
	CALL(iopl), CALL(ioperm),
#endif
#ifdef SYS_modify_ldt
	CALL(modify_ldt),
#endif
#ifdef SYS_uselib
	CALL(uselib),
#endif
#ifdef SYS_clock_settime64
	CALL(clock_settime64), CALL(clock_adjtime64),
#endif
	/* mounts and namespaces */
	CALL(mount), CALL(umount2), CALL(pivot_root), CALL(chroot), CALL(unshare), CALL(setns),
	CALL(mknodat),
#ifdef SYS_mknod
	CALL(mknod),
#endif
#ifdef SYS_open_tree
	CALL(open_tree), CALL(move_mount), CALL(fsopen), CALL(fsconfig), CALL(fsmount),
	CALL(fspick),
#endif
#ifdef SYS_mount_setattr
	CALL(mount_setattr),
#endif
	/* other identities */
	CALL(setuid), CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid),
	CALL(setresgid), CALL(setfsuid), CALL(setfsgid), CALL(setgroups), CALL(capset),
#ifdef SYS_setuid32
	CALL(setuid32), CALL(setgid32), CALL(setreuid32), CALL(setregid32), CALL(setresuid32),
	CALL(setresgid32), CALL(setfsuid32), CALL(setfsgid32), CALL(setgroups32),
#endif
};

/* Name resolution asks the kernel for its addresses (netlink). */
static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NAMESPACES 0x7e020080u          /* CLONE_NEW* */
/* On s390 the flags are the second argument. */
#ifdef __s390x__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif
#define MOST 256

struct program {
	struct sock_filter v[MOST];
	unsigned short n;
};

static void put(struct program *p, struct sock_filter f)
{
	if (p->n < MOST)
		p->v[p->n] = f;
	p->n++;
}

static void load(struct program *p, size_t offset)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* The lower half of an argument. */
static void load_argument(struct program *p, int i)
{
	size_t low = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;

	load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)i + low);
}

static void end(struct program *p, uint32_t action)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* The next `n` instructions are for what equals k. */
static void if_equal(struct program *p, uint32_t k, uint8_t n)
{
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, n));
}

static uint32_t refuse(int error)
{
	return SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA);
}

static void refuse_calls(struct program *p, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if_equal(p, (uint32_t)calls[i], 1);
		end(p, refuse(EPERM));
	}
}

static void check_socket(struct program *p)
{
	if_equal(p, CALL(socket), 2 + 2 * COUNT(families));
	load_argument(p, 0);
	for (size_t i = 0; i < COUNT(families); i++) {
		if_equal(p, (uint32_t)families[i], 1);
		end(p, SECCOMP_RET_ALLOW);
	}
	end(p, refuse(EAFNOSUPPORT));
}

/* No namespaces. */
static void check_clone(struct program *p)
{
	if_equal(p, CALL(clone), 4);
	load_argument(p, CLONE_FLAGS);
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1));
	end(p, refuse(EPERM));
	end(p, SECCOMP_RET_ALLOW);
}

/* Nothing is typed into the terminal that has started us. */
static void check_ioctl(struct program *p)
{
	if_equal(p, CALL(ioctl), 4);
	load_argument(p, 1);
	if_equal(p, TIOCSTI, 1);
	end(p, refuse(EPERM));
	end(p, SECCOMP_RET_ALLOW);
}

/* clone3 keeps its flags in memory, where a filter can't look: a C library takes ENOSYS for an old
 * kernel and calls clone. */
static void build_quiet(struct program *p)
{
#ifdef SYS_clone3
	load(p, offsetof(struct seccomp_data, nr));
	if_equal(p, CALL(clone3), 1);
	end(p, refuse(ENOSYS));
#endif
	end(p, SECCOMP_RET_ALLOW);
}

static void build(struct program *p, bool commands)
{
	load(p, offsetof(struct seccomp_data, arch));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0));
	end(p, commands ? SECCOMP_RET_ALLOW : refuse(ENOSYS));
	load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	/* The x32 calls, by which those below could be had under other numbers. */
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));
	end(p, refuse(ENOSYS));
#endif
	if (!commands)
		refuse_calls(p, programs, COUNT(programs));
	refuse_calls(p, never, COUNT(never));
	check_socket(p);
	check_clone(p);
	check_ioctl(p);
	end(p, SECCOMP_RET_ALLOW);
}

const char *seccomp_lacks(void)
{
	if (!NATIVE)
		return "not known for this processor";
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		return "the kernel has none";
	return NULL;
}

/* Newest way first: the log's flag came with Linux 4.14, the system call itself with 3.17. */
static int install(struct program *p, bool noted)
{
	const struct sock_fprog f = { .len = p->n, .filter = p->v };

	if (p->n > MOST) {
		errno = E2BIG;
		return -1;
	}
#if defined(SYS_seccomp) && defined(SECCOMP_FILTER_FLAG_LOG)
	if (noted && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &f) == 0)
		return 0;
#endif
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f, 0, 0);
}

int seccomp_start(bool commands)
{
	struct program quiet = { .n = 0 }, noted = { .n = 0 };

	build_quiet(&quiet);
	build(&noted, commands);
	return install(&quiet, false) || install(&noted, true) ? -1 : 0;
}

#else

const char *seccomp_lacks(void)
{
	return WITH_SANDBOX ? "this system has none" : "left out of this build";
}

int seccomp_start(bool commands)
{
	errno = ENOSYS;
	return -1;
}

#endif
