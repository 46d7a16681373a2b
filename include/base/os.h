/*
 * What systems have in different ways. A call that not every one of Linux (glibc and musl), macOS
 * and the BSDs has stands in src/base/os.c and nowhere else, with the way that works everywhere
 * beside it; configure finds out which is taken. tests/unit/check-portable.sh holds it so.
 *
 * The exceptions are files that are about one system's feature as a whole: base/seccomp.c and
 * base/landlock.c.
 */
#ifndef BASE_OS_H
#define BASE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* ---- descriptors: none of them outlives an exec ---- */

int os_pipe(int fd[2]);
int os_socket(int domain, int type);
int os_accept(int fd, struct sockaddr *peer, socklen_t *size);
/* dup2() onto a descriptor, which keeps its number. */
int os_dup_onto(int fd, int onto);
/* mkstemp(). */
int os_temp_file(char *template);
/* Blocks for n bytes of a new file, so that a mapped page always has room: 0 or an error number. */
int os_reserve(int fd, off_t n);
/* send() to a client that may be gone, which is EPIPE and no signal. The flags are MSG_…. */
ssize_t os_send(int fd, const void *p, size_t n, int flags);

/* ---- memory ---- */

/* memmem(): NULL where there is none; an empty needle is found at once. */
void *os_find(const void *hay, size_t n, const void *needle, size_t needle_n);
/* Overwrites what no compiler may leave there. */
void os_wipe(void *p, size_t n);
/* Few arenas and early trimming; at the start of the program. */
void os_memory_tune(void);
/* Gives freed memory back to the system. */
void os_memory_trim(void);

/* ---- files ---- */

/* Files that other machines may have too: mapped memory is not shared with those, and the locks of
 * some are none. False where it can't be told. */
bool os_network_folder(const char *path);
struct timespec os_modified(const struct stat *st);
/* When its content or its rights were changed. */
struct timespec os_changed(const struct stat *st);

/* ---- this process and others ---- */

/* Random bytes of the kernel's; how many there were, 0 when it gives none. */
size_t os_random(void *p, size_t n);
/* The path of the running program's file, "" where the system doesn't tell. */
void os_program(char *path, size_t size);
/* No descriptor but 0, 1 and 2 is to reach the program: 0 or an error number. */
int os_spawn_close_others(posix_spawn_file_actions_t *fa);
/* The short name of a process's program; false where that can't be had. */
bool os_process_name(pid_t pid, char *name, size_t size);
/* What lists of processes show, 15 bytes of it, where that can be set. */
void os_name_process(const char *name);
/* The signal shall come when the parent dies: -1 where no system call does that. */
int os_follow_parent(int signo);
/* No core dump through a pipe, and no look into this process by others of its user. */
void os_hide(void);
/* No new privileges by exec: whether the system has that, and giving them up (0 or -1). */
bool os_no_new_privs_known(void);
int os_no_new_privs(void);

#endif
