/*
 * Places: where a shared table can be had, and who holds what in it.
 *
 * A holder is a byte's number (12 bits) and above it how many processes have had that byte, so that
 * what a dead one left behind is never taken for its successor's.
 */
#include "state/place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"

/* Lock bytes stand far behind the table: first one for the whole table, then the holders'. */
#define LOCK_TABLE (1 << 30)
#define LOCK_HOLDERS (LOCK_TABLE + 1)
#define PATH_SIZE 4000

static size_t size_of(const struct place *p)
{
	return p->table->head.size;
}

static int lock_byte(int fd, int command, short type, long at, struct flock *l)
{
	*l = (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	return fcntl(fd, command, l);
}

/* ---- where ---- */

static struct place_head *map(int fd, size_t size)
{
	void *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	return m == MAP_FAILED ? NULL : m;
}

static bool can_lock(int fd)
{
	struct flock l;

	return lock_byte(fd, F_GETLK, F_WRLCK, LOCK_TABLE, &l) == 0;
}

static bool take_file(struct place *p, const char *path, const struct shared_head *head,
		      bool may_map)
{
	int fd = shared_open(path, head);

	if (fd < 0)
		return false;
	p->fd = fd;
	p->table = may_map ? map(fd, head->size) : NULL;
	p->kind = PLACE_MAPPED;
	if (p->table)
		return true;
	p->kind = PLACE_LOCKED;
	p->table = can_lock(fd) ? calloc(1, head->size) : NULL;
	if (p->table) {
		p->table->head = *head;
		return true;
	}
	close(fd);
	p->fd = -1;
	return false;
}

/* A folder that nobody else can look into or has put there. */
static bool own_folder(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return false;
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & 077))
		return true;
	errno = EPERM;
	return false;
}

static bool take_folder(struct place *p, const char *top, const char *name, uint64_t mark,
			const struct shared_head *head, bool may_map)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/messages-fcgi-%u", top, (unsigned)geteuid());
	if (!own_folder(path))
		return false;
	snprintf(path, sizeof(path), "%s/messages-fcgi-%u/%s-%016" PRIx64, top,
		 (unsigned)geteuid(), name, mark);
	return take_file(p, path, head, may_map);
}

static bool take_dir(struct place *p, const char *dir, const char *name,
		     const struct shared_head *head, bool may_map)
{
	char path[PATH_SIZE];

	errno = ENAMETOOLONG;
	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       take_file(p, path, head, may_map);
}

static void make_secret(struct place *p)
{
	struct place_head *t = place_enter(p);
	uint64_t none = 0;

	if (t && !atomic_load(&t->secret))
		atomic_compare_exchange_strong(&t->secret, &none, id_random() | 1);
	place_leave(p);
}

int place_open(struct place *p, const char *dir, const char *name, uint64_t mark,
	       const struct shared_head *head, bool may_map)
{
	static const char *const tops[] = { "/dev/shm", "/tmp" };
	bool found = dir && take_dir(p, dir, name, head, may_map);
	int saved;

	for (size_t i = 0; !found && i < sizeof(tops) / sizeof(tops[0]); i++)
		found = take_folder(p, tops[i], name, mark, head, may_map);
	saved = errno;
	if (!found) {
		p->table = map(-1, head->size);
		p->kind = p->table ? PLACE_PRIVATE : PLACE_NONE;
		if (p->table)
			p->table->head = *head;
	}
	make_secret(p);
	errno = saved;
	return found ? 0 : -1;
}

void place_close(struct place *p)
{
	if (p->kind == PLACE_MAPPED || p->kind == PLACE_PRIVATE)
		munmap(p->table, size_of(p));
	else
		free(p->table);
	if (p->fd >= 0)
		close(p->fd);
	p->kind = PLACE_NONE;
	p->table = NULL;
	p->fd = -1;
	p->self = 0;
}

/* ---- use ---- */

/* Reads or writes all of it; the head, which never changes, is left as it is. */
static bool transfer(struct place *p, bool out)
{
	size_t at = sizeof(p->table->head), size = size_of(p);
	char *bytes = (char *)p->table;

	while (at < size) {
		ssize_t n = out ? pwrite(p->fd, bytes + at, size - at, (off_t)at)
				: pread(p->fd, bytes + at, size - at, (off_t)at);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

void *place_enter(struct place *p)
{
	struct flock l;
	int rc;

	if (p->kind != PLACE_LOCKED)
		return p->table;
	pthread_mutex_lock(&p->lock);
	do {
		rc = lock_byte(p->fd, F_SETLKW, F_WRLCK, LOCK_TABLE, &l);
	} while (rc < 0 && errno == EINTR);
	/* Without the lock, or what is in the file, this process's last view has to do, for itself. */
	p->current = rc == 0 && transfer(p, false);
	return p->table;
}

void place_leave(struct place *p)
{
	struct flock l;

	if (p->kind != PLACE_LOCKED)
		return;
	if (p->current)
		transfer(p, true);
	lock_byte(p->fd, F_SETLK, F_UNLCK, LOCK_TABLE, &l);
	pthread_mutex_unlock(&p->lock);
}

/* ---- holders ---- */

/* The byte's generation is changed by who has its lock alone. */
static uint32_t take_byte(struct place *p, uint32_t i)
{
	struct flock l;
	uint32_t generation;

	if (p->fd >= 0 && lock_byte(p->fd, F_SETLK, F_WRLCK, LOCK_HOLDERS + (long)i, &l) < 0)
		return 0;
	generation = (atomic_load(&p->table->generation[i]) + 1) & 0xfffff;
	if (!generation)
		generation = 1;
	atomic_store(&p->table->generation[i], generation);
	return generation << 12 | i;
}

static uint32_t become_holder(struct place *p, int pid)
{
	uint32_t self = 0;

	for (uint32_t i = 0; !self && i < PLACE_HOLDERS; i++)
		self = take_byte(p, ((uint32_t)pid + i) % PLACE_HOLDERS);
	atomic_store(&p->self, self);
	atomic_store(&p->owner, pid);
	return self;
}

uint32_t place_self(struct place *p)
{
	int pid = getpid();
	uint32_t self = atomic_load(&p->owner) == pid ? atomic_load(&p->self) : 0;

	if (self || p->kind == PLACE_NONE)
		return self;
	if (p->kind == PLACE_LOCKED)
		return become_holder(p, pid);
	pthread_mutex_lock(&p->lock);
	self = atomic_load(&p->owner) == pid ? atomic_load(&p->self) : 0;
	if (!self)
		self = become_holder(p, pid);
	pthread_mutex_unlock(&p->lock);
	return self;
}

bool place_alive(struct place *p, uint32_t holder)
{
	uint32_t i = holder & (PLACE_HOLDERS - 1);
	struct flock l;

	if (!holder || atomic_load(&p->table->generation[i]) != holder >> 12)
		return false;
	if (p->fd < 0 || (holder == atomic_load(&p->self) && atomic_load(&p->owner) == getpid()))
		return true;
	/* Where the kernel can't say, it lives: what it holds stays taken. */
	return lock_byte(p->fd, F_GETLK, F_WRLCK, LOCK_HOLDERS + (long)i, &l) < 0 ||
	       l.l_type != F_UNLCK;
}
