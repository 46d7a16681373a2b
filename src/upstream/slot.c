/*
 * The stock of connections. All idle slots of all origins stand in one list, newest first: the
 * first that fits is the one used last (its memory is warm, and its connection least likely to
 * have been closed by the other side), and those idle for too long stand at the end. The list is
 * short: it is capped per origin, by the number of descriptors, and swept by time at every change.
 *
 * Only the DNS cache is shared between slots. TLS sessions and connections are not: sharing them
 * across threads is a data race in libcurl releases that distributions still ship
 * (curl/curl#14751).
 */
#include "upstream/slot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"

/* Connections kept per origin; what is above is closed when its call ends. Each costs up to 90
 * KB with TLS. */
#define IDLE_MAX 32
/* Below the keep-alive time of most servers and load balancers, so that we close first. */
#define IDLE_MS 55000

static struct {
	pthread_mutex_t lock;
	struct slot *idle;
	int slots;                      /* idle and in use */
	CURLSH *share;
	pthread_mutex_t share_lock[CURL_LOCK_DATA_LAST];
} stock = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void share_lock(CURL *easy, curl_lock_data what, curl_lock_access access, void *ctx)
{
	pthread_mutex_lock(&stock.share_lock[what]);
}

static void share_unlock(CURL *easy, curl_lock_data what, void *ctx)
{
	pthread_mutex_unlock(&stock.share_lock[what]);
}

int slots_setup(void)
{
	if (stock.share)
		return 0;
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&stock.share_lock[i], NULL);
	stock.share = curl_share_init();
	if (!stock.share)
		return -1;
	curl_share_setopt(stock.share, CURLSHOPT_LOCKFUNC, share_lock);
	curl_share_setopt(stock.share, CURLSHOPT_UNLOCKFUNC, share_unlock);
	return curl_share_setopt(stock.share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK
		       ? 0
		       : -1;
}

static void count(int more)
{
	pthread_mutex_lock(&stock.lock);
	stock.slots += more;
	pthread_mutex_unlock(&stock.lock);
}

void slot_drop(struct slot *s)
{
	if (!s)
		return;
	count(-1);
	if (s->easy)
		curl_easy_cleanup(s->easy);
	if (s->multi)
		curl_multi_cleanup(s->multi);
	free(s->origin);
	free(s);
}

static void drop_list(struct slot *s)
{
	struct slot *next;

	for (; s; s = next) {
		next = s->next;
		slot_drop(s);
	}
}

void slots_cleanup(void)
{
	drop_list(stock.idle);
	stock.idle = NULL;
	if (!stock.share)
		return;
	curl_share_cleanup(stock.share);
	stock.share = NULL;
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&stock.share_lock[i]);
}

static struct slot *slot_new(const char *origin)
{
	struct slot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	count(1);
	s->origin = strdup(origin);
	s->multi = curl_multi_init();
	s->easy = curl_easy_init();
	if (!s->origin || !s->multi || !s->easy) {
		slot_drop(s);
		return NULL;
	}
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, 1L);
	curl_easy_setopt(s->easy, CURLOPT_SHARE, stock.share);
	return s;
}

/* Takes what has been idle for too long off the list; the caller ends it outside of the lock. */
static struct slot *cut_old(int64_t now)
{
	struct slot **at = &stock.idle, *old;

	while (*at && (*at)->since + IDLE_MS > now)
		at = &(*at)->next;
	old = *at;
	*at = NULL;
	return old;
}

/* The oldest slot of the origin when there are more than IDLE_MAX, taken off the list. */
static struct slot *cut_surplus(const char *origin)
{
	struct slot **last = NULL, *s;
	size_t n = 0;

	for (struct slot **at = &stock.idle; *at; at = &(*at)->next) {
		if (strcmp((*at)->origin, origin) == 0) {
			last = at;
			n++;
		}
	}
	if (n <= IDLE_MAX)
		return NULL;
	s = *last;
	*last = s->next;
	s->next = NULL;
	return s;
}

/*
 * What has to go to make room for a new slot: the oldest idle one, whoever's it is, when there are
 * as many slots as there may be streams. Else idle slots would hold the descriptors that streams to
 * another origin need.
 */
static struct slot *cut_for_room(void)
{
	struct slot **last = &stock.idle, *s;

	if (!*last || stock.slots < files_streams())
		return NULL;
	while ((*last)->next)
		last = &(*last)->next;
	s = *last;
	*last = NULL;
	return s;
}

struct slot *slot_take(const char *origin)
{
	struct slot *s = NULL, *old, *room;

	pthread_mutex_lock(&stock.lock);
	old = cut_old(clock_ms());
	for (struct slot **at = &stock.idle; *at; at = &(*at)->next) {
		if (strcmp((*at)->origin, origin) == 0) {
			s = *at;
			*at = s->next;
			s->next = NULL;
			break;
		}
	}
	room = s ? NULL : cut_for_room();
	pthread_mutex_unlock(&stock.lock);
	drop_list(old);
	drop_list(room);
	return s ? s : slot_new(origin);
}

void slot_give(struct slot *s)
{
	struct slot *old, *surplus;

	curl_easy_reset(s->easy);
	s->since = clock_ms();
	pthread_mutex_lock(&stock.lock);
	s->next = stock.idle;
	stock.idle = s;
	surplus = cut_surplus(s->origin);
	old = cut_old(s->since);
	pthread_mutex_unlock(&stock.lock);
	drop_list(surplus);
	drop_list(old);
}

void slots_sweep(void)
{
	struct slot *old;

	pthread_mutex_lock(&stock.lock);
	old = cut_old(clock_ms());
	pthread_mutex_unlock(&stock.lock);
	drop_list(old);
}

size_t slots_idle(void)
{
	size_t n = 0;

	pthread_mutex_lock(&stock.lock);
	for (struct slot *s = stock.idle; s; s = s->next)
		n++;
	pthread_mutex_unlock(&stock.lock);
	return n;
}
