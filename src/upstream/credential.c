/*
 * The store of credentials. An entry is found by a digest of everything that decides what is got,
 * so a changed setting is another entry. One thread at a time renews an entry, and with a state dir
 * one process at a time: it holds a lock on a file beside the one that it then writes, so whoever
 * is killed leaves no lock behind. While the old credential is good nobody waits for the renewal.
 *
 * The plain key, which most backends have, takes no lock and copies nothing.
 */
#include "upstream/credential.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "upstream/credential_share.h"

/* Renewed when a fifth of its life is left, five minutes at most. */
#define EARLY_SHARE 5
#define EARLY_MS (5 * 60 * 1000)
/* A credential that would expire on the way counts as expired. */
#define ON_THE_WAY_MS 5000
/* After a renewal that failed the old one serves for this long before the next is tried. */
#define AGAIN_MS 5000
/* Refusals that are answered with a renewal: one in this time. A backend that refuses every
 * credential would double its calls otherwise. */
#define REFUSAL_MS 60000
/* Between two looks whether another thread or process is done. */
#define LOOK_MS 20
/* Longest wait for another process; then it is got here. */
#define OTHERS_MS 40000

static const struct credential_provider credential_key = { false, NULL, NULL, NULL };

/* By enum credential_kind. */
static const struct {
	const char *name;
	const struct credential_provider *provider;
} kinds[] = {
	[CREDENTIAL_KEY] = { "key", &credential_key },
	[CREDENTIAL_FILE] = { "file", &credential_file },
	[CREDENTIAL_EXEC] = { "exec", &credential_exec },
	[CREDENTIAL_OAUTH] = { "oauth", &credential_oauth },
	[CREDENTIAL_DATABRICKS] = { "databricks-m2m", &credential_databricks },
	[CREDENTIAL_ENTRA] = { "entra", &credential_entra },
	[CREDENTIAL_AWS] = { "aws", &credential_aws },
	[CREDENTIAL_AWS_KEYS] = { "aws-keys", &credential_aws_keys },
	[CREDENTIAL_GOOGLE] = { "google", &credential_google },
};

struct entry {
	struct entry *next;
	unsigned char id[CREDENTIAL_ID_SIZE];
	struct credential now;          /* token NULL: nothing yet */
	bool busy;                      /* a thread is renewing it */
	uint64_t refused;               /* version that the backend does not take any more */
	int64_t refused_at;             /* clock_ms of the last refusal that was believed, 0: never */
	int64_t again;                  /* clock_ms before which no early renewal is tried */
	unsigned failures;
	struct fault fault;             /* the last of them */
};

static struct {
	pthread_mutex_t lock;
	struct entry *entries;
	char *dir;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct credential_provider *provider_of(const struct backend *b)
{
	return kinds[b->credential.kind].provider;
}

void credential_setup(const char *state_dir)
{
	free(store.dir);
	store.dir = state_dir ? strdup(state_dir) : NULL;
}

void credential_cleanup(void)
{
	struct entry *next;

	for (struct entry *e = store.entries; e; e = next) {
		next = e->next;
		credential_release(&e->now);
		free(e);
	}
	store.entries = NULL;
	free(store.dir);
	store.dir = NULL;
}

/* ---- one credential ---- */

void credential_release(struct credential *c)
{
	if (c->memory) {
		OPENSSL_cleanse(c->memory, strlen(c->memory));
		free(c->memory);
	}
	*c = CREDENTIAL_INIT;
}

/* RFC 9110, section 5.5: no controls in a header's value. */
static bool printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static uint64_t hash(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	return (h ^ 0xff) * UINT64_C(1099511628211);
}

static const char *put_text(char **at, struct str s)
{
	char *p = *at;

	if (!s.p)
		return NULL;
	memcpy(p, s.p, s.n);
	p[s.n] = 0;
	*at = p + s.n + 1;
	return p;
}

int credential_fill(struct credential *c, struct str token, struct str key_id, struct str session,
		    int64_t expires, struct fault *f)
{
	struct credential made = { .obtained = clock_wall_ms(), .expires = expires };
	char *at;

	made.memory = at = malloc(token.n + key_id.n + session.n + 3);
	if (!at)
		return fault_no_memory(f);
	made.token = put_text(&at, token);
	made.key_id = put_text(&at, key_id);
	made.session = put_text(&at, session);
	made.version = hash(hash(hash(UINT64_C(14695981039346656037), token), key_id), session);
	credential_release(c);
	*c = made;
	return 0;
}

static int copy(struct credential *to, const struct credential *from, struct fault *f)
{
	struct credential made = CREDENTIAL_INIT;

	if (credential_fill(&made, str_of(from->token),
			    from->key_id ? str_of(from->key_id) : STR_NONE,
			    from->session ? str_of(from->session) : STR_NONE, from->expires, f))
		return -1;
	made.obtained = from->obtained;
	made.stamp = from->stamp;
	*to = made;
	return 0;
}

int credential_fault_at(const struct error_site *site, const struct backend *b, struct fault *f,
			const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_set_at(site, f, FAULT_AUTH, 502, "api_error", "backend %s: its credential (%s) %s",
		     b->name, kinds[b->credential.kind].name, text);
	f->scope = FAULT_OF_KEY;
	f->should_retry = 0;
	return -1;
}

/* ---- entries ---- */

/* What decides which credential is got, every text of struct credential_setting. Each is ended, so
 * that no two lists run together. */
static bool identify(const struct backend *b, unsigned char id[CREDENTIAL_ID_SIZE])
{
	const struct credential_setting *s = &b->credential;
	const char *parts[] = { kinds[s->kind].name, b->name, b->base_url, s->source,
				s->client_id, s->client_secret, s->host, s->tenant, s->scope,
				s->token_url, s->session, s->profile, s->role, b->region };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

	for (size_t i = 0; ok && i < sizeof(parts) / sizeof(parts[0]); i++)
		ok = EVP_DigestUpdate(ctx, parts[i] ? parts[i] : "",
				      parts[i] ? strlen(parts[i]) + 1 : 1);
	ok = ok && EVP_DigestFinal_ex(ctx, id, NULL);
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* The lock is held. NULL without memory. */
static struct entry *entry_of(const struct backend *b)
{
	unsigned char id[CREDENTIAL_ID_SIZE];
	struct entry *e;

	if (!identify(b, id))
		return NULL;
	for (e = store.entries; e; e = e->next)
		if (memcmp(e->id, id, sizeof(id)) == 0)
			return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	memcpy(e->id, id, sizeof(id));
	e->next = store.entries;
	store.entries = e;
	return e;
}

static bool good(const struct credential *c, uint64_t refused)
{
	return c->token && c->version != refused &&
	       (!c->expires || c->expires - ON_THE_WAY_MS > clock_wall_ms());
}

/* Good, but not for long any more, or not what its source says now. */
static bool due(const struct backend *b, const struct credential *c)
{
	const struct credential_provider *p = provider_of(b);
	int64_t early = (c->expires - c->obtained) / EARLY_SHARE;

	if (c->expires && clock_wall_ms() >= c->expires - (early < EARLY_MS ? early : EARLY_MS))
		return true;
	return p->stale && p->stale(b, c);
}

/* ---- renewal ---- */

/* What another process has left, when it is better than what is here. */
static bool adopt(const struct backend *b, const struct entry *e, uint64_t refused,
		  struct credential *out)
{
	struct fault f = FAULT_INIT;

	if (credential_share_read(store.dir, e->id, out, &f) == 0 && good(out, refused) &&
	    !due(b, out))
		return true;
	credential_release(out);
	return false;
}

/* Holding the host's lock, or without one: gets it and tells the others. */
static int fetch(const struct backend *b, const struct entry *e, struct waiter *w, bool shared,
		 struct credential *out, struct fault *f)
{
	if (provider_of(b)->fetch(b, w, out, f))
		return -1;
	if (!printable(str_of(out->token)) || !printable(str_of(out->key_id)) ||
	    !printable(str_of(out->session))) {
		credential_release(out);
		return credential_fault(b, f, "holds a control character");
	}
	log_info("backend %s: credential (%s) renewed", b->name,
		 kinds[b->credential.kind].name);
	if (shared)
		credential_share_write(store.dir, e->id, out);
	return 0;
}

/* e->id alone is read here: the store is not locked. */
static int renew(const struct backend *b, const struct entry *e, uint64_t refused,
		 struct waiter *w, struct credential *out, struct fault *f)
{
	int64_t end = clock_ms() + OTHERS_MS;
	int lock = -1, r;

	if (!store.dir || !provider_of(b)->shared)
		return fetch(b, e, w, false, out, f);
	for (;;) {
		enum share_lock got = credential_share_lock(store.dir, e->id, &lock);

		if (adopt(b, e, refused, out)) {
			r = 0;
			break;
		}
		if (got != SHARE_BUSY || clock_ms() >= end) {
			r = fetch(b, e, w, true, out, f);
			break;
		}
		if (wait_until(w, clock_ms() + LOOK_MS) == WAIT_CANCEL)
			return fault_gone(f);
	}
	credential_share_unlock(lock);
	return r;
}

/* The lock is held, and given up while the renewal runs. */
static int renew_entry(const struct backend *b, struct entry *e, struct waiter *w, struct fault *f)
{
	struct credential made = CREDENTIAL_INIT;
	uint64_t refused = e->refused;
	int r;

	e->busy = true;
	pthread_mutex_unlock(&store.lock);
	r = renew(b, e, refused, w, &made, f);
	pthread_mutex_lock(&store.lock);
	e->busy = false;
	if (r == 0) {
		credential_release(&e->now);
		e->now = made;
		e->again = 0;
	} else if (f->class != FAULT_CANCELLED) {
		e->again = clock_ms() + AGAIN_MS;
		e->failures++;
		e->fault = *f;
	}
	return r;
}

/* A renewal that failed while the old one is good is no reason to fail the call. */
static int renew_or_keep(const struct backend *b, struct entry *e, struct waiter *w,
			 struct fault *f)
{
	if (renew_entry(b, e, w, f) == 0)
		return 0;
	if (f->class == FAULT_CANCELLED || !good(&e->now, e->refused))
		return -1;
	log_warn("%s; the one that is there is used while it is good", f->message);
	*f = FAULT_INIT;
	return 0;
}

/* The lock is held. 1: someone else is renewing what is needed. */
static int look(const struct backend *b, struct entry *e, struct waiter *w, struct credential *out,
		struct fault *f)
{
	bool usable = good(&e->now, e->refused);

	if (e->busy && !usable)
		return 1;
	if (!e->busy && (!usable || (clock_ms() >= e->again && due(b, &e->now))) &&
	    renew_or_keep(b, e, w, f))
		return -1;
	return copy(out, &e->now, f);
}

static int get(const struct backend *b, struct waiter *w, struct credential *out, struct fault *f)
{
	struct entry *e;
	unsigned failures;
	int r;

	pthread_mutex_lock(&store.lock);
	e = entry_of(b);
	if (!e) {
		pthread_mutex_unlock(&store.lock);
		return fault_no_memory(f);
	}
	failures = e->failures;
	while ((r = look(b, e, w, out, f)) > 0) {
		pthread_mutex_unlock(&store.lock);
		if (wait_until(w, clock_ms() + LOOK_MS) == WAIT_CANCEL)
			return fault_gone(f);
		pthread_mutex_lock(&store.lock);
		/* Whoever waited for a renewal that failed does not try the same right again. */
		if (e->failures != failures && !good(&e->now, e->refused)) {
			*f = e->fault;
			r = -1;
			break;
		}
	}
	pthread_mutex_unlock(&store.lock);
	return r;
}

int credential_get(const struct backend *b, struct waiter *w, struct credential *out,
		   struct fault *f)
{
	*out = CREDENTIAL_INIT;
	if (b->credential.kind != CREDENTIAL_KEY)
		return get(b, w, out, f);
	out->token = b->api_key && *b->api_key ? b->api_key : NULL;
	return 0;
}

/* ---- refusals ---- */

bool credential_renewable(const struct backend *b)
{
	return b->credential.kind != CREDENTIAL_KEY;
}

/* How backends say that a token has had its time. */
static const char *const usual_refusals[] = { "expired", "invalid access token", "invalid token",
					      "invalid_token", "token is not valid",
					      "invalid or missing token", NULL };

static bool says_any(struct str body, const char *const *words)
{
	for (size_t i = 0; words && words[i]; i++)
		if (str_find_nocase(body, words[i]))
			return true;
	return false;
}

static bool is_refusal(const struct backend *b, int status, struct str body)
{
	if (status == 401)
		return true;
	return (status == 400 || status == 403) &&
	       (says_any(body, usual_refusals) || says_any(body, provider_of(b)->refusals));
}

/* The lock is held. */
static bool worth_renewal(const struct backend *b, struct entry *e, const struct credential *used)
{
	const struct credential_provider *p = provider_of(b);
	int64_t now = clock_ms();

	if (e->now.token && e->now.version != used->version)
		return true;
	if (p->stale)
		return p->stale(b, used);
	if (e->refused_at && now - e->refused_at < REFUSAL_MS)
		return false;
	e->refused = used->version;
	e->refused_at = now;
	return true;
}

bool credential_refused(const struct backend *b, const struct credential *used, int status,
			struct str body)
{
	struct entry *e;
	bool worth;

	if (!credential_renewable(b) || !used->token || !is_refusal(b, status, body))
		return false;
	pthread_mutex_lock(&store.lock);
	e = entry_of(b);
	worth = e && worth_renewal(b, e, used);
	pthread_mutex_unlock(&store.lock);
	return worth;
}
