/* One call to a backend whose connection is looked at. */
#include "run/probe.h"

#include "base/redact.h"
#include "dialect/dialect.h"

#define BODY_MAX (8u << 20)

struct answer_read {
	struct run_probe *probe;
	struct buf body, secrets;
	bool head_only;
};

static int on_head(void *ctx, const struct upstream_head *h)
{
	struct answer_read *r = ctx;

	r->probe->status = h->status;
	return r->head_only;
}

static int on_data(void *ctx, const char *p, size_t n)
{
	struct answer_read *r = ctx;

	return buf_put(&r->body, p, n);
}

static int perform(struct upstream_call *call, struct answer_read *r, struct fault *f)
{
	enum upstream_result result;

	buf_init(&r->body, BODY_MAX);
	buf_init(&r->secrets, 0);
	call->secrets = &r->secrets;
	call->on_head = on_head;
	call->on_data = on_data;
	call->ctx = r;
	call->compress = true;
	call->report = &r->probe->report;
	call->look = &r->probe->look;
	result = upstream_perform(call, f);
	/* A head is all that was wanted, or the list is longer than what is looked at. */
	return result == UPSTREAM_DONE || result == UPSTREAM_STOPPED ? 0 : -1;
}

static void release(struct answer_read *r)
{
	buf_release(&r->body);
	redact_release(&r->secrets);
}

static void count(void *ctx, const struct model_info *m)
{
	++*(size_t *)ctx;
}

static int list(const struct backend *b, const struct dialect *d, struct arena *a, int64_t deadline,
		struct run_probe *p, struct fault *f)
{
	struct target target = { .backend = b };
	struct encode_context ec = { .arena = a, .target = &target };
	struct decode_context dc = { .arena = a, .target = &target };
	struct answer_read r = { .probe = p };
	struct outgoing out = { 0 };
	struct upstream_call call;
	int rc;

	segs_init(&out.body, a);
	if (d->encode(&ec, OP_MODELS, &out, f))
		return -1;
	call = (struct upstream_call){
		.method = out.method,
		.url = out.url,
		.headers = out.headers,
		.nheaders = out.nheaders,
		.backend = b,
		.deadline = deadline,
	};
	p->listed = true;
	rc = perform(&call, &r, f);
	if (rc == 0 && p->status > 299) {
		d->decode_error(&dc, p->status, buf_str(&r.body), f);
		fault_hide(f, &r.secrets);
		f->upstream_status = p->status;
		rc = -1;
	} else if (rc == 0 && d->decode_models(a, buf_str(&r.body), count, &p->models)) {
		rc = fault_set(f, FAULT_TRANSIENT, 502, "api_error",
			       "backend %s answered without a model list", b->name);
		f->upstream_status = p->status;
	}
	release(&r);
	return rc;
}

/* Any answer will do: it is the way that counts. */
static int touch(const struct backend *b, int64_t deadline, struct run_probe *p, struct fault *f)
{
	struct backend bare = *b;
	struct answer_read r = { .probe = p, .head_only = true };
	struct upstream_call call = {
		.method = "GET", .url = b->base_url, .backend = &bare, .deadline = deadline
	};
	int rc;

	bare.auth = AUTH_NONE;
	rc = perform(&call, &r, f);
	release(&r);
	return rc;
}

int run_probe(const struct backend *b, struct arena *a, int64_t deadline, struct run_probe *p,
	      struct fault *f)
{
	const struct dialect *d = dialect_find(b->dialect);
	struct backend *at = arena_alloc(a, sizeof(*at));
	struct str paths = str_of(b->path_models), path;

	*f = FAULT_INIT;
	*p = (struct run_probe){
		.look = { .resolved_ms = -1, .connected_ms = -1, .secured_ms = -1 }
	};
	if (!at)
		return fault_no_memory(f);
	*at = *b;
	if (b->passthrough || !d || !d->decode_models || !b->path_models ||
	    !str_split(&paths, ' ', &path))
		return touch(b, deadline, p, f);
	if (b->models_url)
		at->base_url = b->models_url;
	at->path_models = arena_str(a, path).p;
	if (!at->path_models)
		return fault_no_memory(f);
	return list(at, d, a, deadline, p, f);
}
