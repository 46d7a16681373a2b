/*
 * The store of credentials. An entry is found by a digest of everything that decides what is got,
 * so a changed setting is another entry. One thread at a time renews an entry; while the old
 * credential is good nobody else waits for that.
 *
 * The plain key, which most backends have, takes no lock and copies nothing.
 */
#include "upstream/credential.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/log.h"
#include "upstream/credential_renew.h"
#include "upstream/limited.h"

/* How long a call waits for an early renewal, with a credential at hand that is still good. */
#define PATIENCE_MS 10000
/* Another process is at it: when its work is looked for. */
#define ELSEWHERE_MS 500
/* Refusals that are answered with a renewal: one in this time. A backend that refuses every
 * credential would double its calls otherwise. */
#define REFUSAL_MS 60000

struct entry {
	struct entry *next;
	unsigned char id[CREDENTIAL_ID_SIZE];
	struct credential now;          /* token NULL: nothing yet */
	bool busy;                      /* a thread is renewing it */
	uint64_t refused;               /* version that the backend does not take any more */
	int64_t refused_at;             /* clock_ms of the last one that was believed, 0: never */
	int64_t again;                  /* clock_ms before which no renewal is tried */
	unsigned failures;
	struct fault fault;             /* of the last one, if that failed */
};

static struct {
	pthread_mutex_t lock;
	struct entry *entries;
	char *dir;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

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

/* ---- entries ---- */

static bool digest_text(EVP_MD_CTX *ctx, const char *s)
{
	return EVP_DigestUpdate(ctx, s ? s : "", s ? strlen(s) + 1 : 1);
}

/* What decides which credential is got: struct credential_setting, and what of the environment the
 * provider reads. Each text is ended, so that no two lists run together. */
static bool identify(const struct backend *b, unsigned char id[CREDENTIAL_ID_SIZE])
{
	const struct credential_setting *s = &b->credential;
	const char *const parts[] = { credential_kind_name(b), b->name, b->base_url, s->source,
				      s->client_id, s->client_secret, s->host, s->tenant, s->scope,
				      s->token_url, s->session, s->profile, s->role, s->external_id,
				      s->session_name, b->region };
	const int numbers[] = { s->lifetime, s->role_seconds };
	const char *const *env = credential_provider(b)->env;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		  EVP_DigestUpdate(ctx, numbers, sizeof(numbers));

	for (size_t i = 0; ok && i < sizeof(parts) / sizeof(parts[0]); i++)
		ok = digest_text(ctx, parts[i]);
	for (; ok && env && *env; env++)
		ok = digest_text(ctx, env_get(*env));
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

/* ---- renewal ---- */

static int gone(struct fault *f)
{
	return fault_gone(f);
}

static int out_of_time(const struct backend *b, struct fault *f)
{
	return credential_fault_now(b, f, "could not be got in the time that was left for this "
				    "request");
}

/* The lock is held, and given up while the renewal runs. */
static int renew_entry(const struct backend *b, struct entry *e, struct waiter *w,
		       int64_t deadline, struct fault *f)
{
	struct credential made = CREDENTIAL_INIT;
	struct renewal n = { .b = b, .dir = store.dir, .id = e->id, .refused = e->refused,
			     .early = credential_good(&e->now, e->refused) };
	int64_t patience = clock_ms() + PATIENCE_MS;
	struct limited limited;
	enum renewed r;

	n.w = limited_init(&limited, w, n.early && patience < deadline ? patience : deadline);
	e->busy = true;
	pthread_mutex_unlock(&store.lock);
	r = credential_renew(&n, &made, f);
	pthread_mutex_lock(&store.lock);
	e->busy = false;
	if (r == RENEWED) {
		credential_release(&e->now);
		e->now = made;
	}
	if (r != RENEWAL_FAILED) {
		e->again = r == RENEWED ? 0 : clock_ms() + ELSEWHERE_MS;
		e->fault = FAULT_INIT;
		return 0;
	}
	if (limited.late)
		out_of_time(b, f);
	/* One call's short time is no failure of the next; its patience is. */
	if (f->class != FAULT_CANCELLED && (n.early || !limited.late)) {
		e->again = clock_ms() + CREDENTIAL_AGAIN_MS;
		e->failures++;
		e->fault = *f;
	}
	return -1;
}

/* A renewal that failed while the old one is good is no reason to fail the call. */
static int renew_or_keep(const struct backend *b, struct entry *e, struct waiter *w,
			 int64_t deadline, struct fault *f)
{
	if (renew_entry(b, e, w, deadline, f) == 0)
		return 0;
	if (f->class == FAULT_CANCELLED || !credential_good(&e->now, e->refused))
		return -1;
	log_warn("%s [%s]; the one that is there is used while it is good", f->message, f->note);
	*f = FAULT_INIT;
	return 0;
}

/* The lock is held. 1: someone else is renewing what is needed. */
static int look(const struct backend *b, struct entry *e, struct waiter *w, int64_t deadline,
		struct credential *out, struct fault *f)
{
	bool usable = credential_good(&e->now, e->refused), resting = clock_ms() < e->again;

	if (e->busy && !usable)
		return 1;
	/* What failed a moment ago would fail again, and keep this call waiting for it. */
	if (!usable && resting && e->fault.class && credential_provider(b)->shared) {
		*f = e->fault;
		return -1;
	}
	if (!e->busy && (!usable || (!resting && credential_due(b, &e->now))) &&
	    renew_or_keep(b, e, w, deadline, f))
		return -1;
	return credential_copy(out, &e->now, f);
}

/* The lock is held, and given up meanwhile. -1: this call has ended. */
static int wait_for_other(const struct backend *b, struct waiter *w, int64_t deadline,
			  struct fault *f)
{
	struct limited limited;
	int r;

	limited_init(&limited, w, deadline);
	pthread_mutex_unlock(&store.lock);
	r = wait_until(&limited.w, clock_ms() + CREDENTIAL_LOOK_MS);
	pthread_mutex_lock(&store.lock);
	if (limited.late)
		return out_of_time(b, f);
	return r == WAIT_CANCEL ? gone(f) : 0;
}

/* The lock is held. */
static int get_from(const struct backend *b, struct entry *e, struct waiter *w, int64_t deadline,
		    struct credential *out, struct fault *f)
{
	unsigned failures = e->failures;
	int r;

	while ((r = look(b, e, w, deadline, out, f)) > 0) {
		if (wait_for_other(b, w, deadline, f))
			return -1;
		/* Whoever waited for a renewal that failed does not try the same right again. */
		if (e->failures != failures && !credential_good(&e->now, e->refused)) {
			*f = e->fault;
			return -1;
		}
	}
	return r;
}

int credential_get(const struct backend *b, struct waiter *w, int64_t deadline,
		   struct credential *out, struct fault *f)
{
	struct entry *e;
	int r;

	*out = CREDENTIAL_INIT;
	if (b->credential.kind == CREDENTIAL_KEY) {
		out->token = b->api_key && *b->api_key ? b->api_key : NULL;
		return 0;
	}
	pthread_mutex_lock(&store.lock);
	e = entry_of(b);
	r = e ? get_from(b, e, w, deadline ? deadline : CLOCK_NEVER, out, f) : fault_no_memory(f);
	pthread_mutex_unlock(&store.lock);
	return r;
}

/* ---- refusals ---- */

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
	       (says_any(body, usual_refusals) || says_any(body, credential_provider(b)->refusals));
}

/* The lock is held. */
static bool worth_renewal(const struct backend *b, struct entry *e, const struct credential *used)
{
	const struct credential_provider *p = credential_provider(b);
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
