/*
 * A backend's wire format: a const table of pure functions, one file each. Adding one is a file and a row in dialect.c.
 * Decoders hold no I/O and belong to one upstream call; encoders may be called again for a retry or another backend.
 */
#ifndef DIALECT_DIALECT_H
#define DIALECT_DIALECT_H

#include "json/segs.h"
#include "message/event.h"
#include "message/request.h"
#include "message/target.h"

enum op { OP_MESSAGE, OP_COUNT, OP_MODELS };

/* One HTTP request to be sent upstream. Strings and segments live in the arena given to encode. */
struct outgoing {
	const char *method;             /* "POST", "GET" */
	const char *url;
	const char **headers;           /* "Name: value", nheaders of them, without authentication */
	size_t nheaders;
	struct segs body;
	bool stream;                    /* the backend was asked for a stream */
	size_t ndropped;                /* what the backend can't have and was left out: tool names or types */
	const char **dropped;
	bool enforce_stop;              /* the caller must enforce the stop sequences */
};

struct encode_context {
	struct arena *arena;
	const struct message_request *request;
	const struct target *target;
	bool strip_thinking;            /* a retry after a refused thinking signature */
	bool want_stream;               /* what the client asked for; dialects that always stream ignore it */
};

struct decode_context {
	struct arena *arena;            /* per upstream call */
	const struct message_request *request;
	const struct target *target;
	bool streaming;                 /* the client gets a stream */
	const char *error_type;         /* a header's word for an error (AWS); NULL or "": none */
};

struct model_info {
	const char *id, *display_name;
	int64_t created;                /* unix seconds, 0 unknown */
	int64_t context_tokens, max_output_tokens;      /* 0 unknown */
};

struct dialect {
	const char *name;
	/* Fills out (zeroed by the caller but for body, which segs_init has set up). -1 with the fault filled. */
	int (*encode)(const struct encode_context *c, enum op op, struct outgoing *out, struct fault *f);
	size_t decoder_size;            /* bytes; zeroed memory of this size is given to the three below */
	void (*decode_start)(void *d, const struct decode_context *c);
	/* One SSE event. name may be empty. The end marker ("[DONE]") is an event too. */
	enum flow (*decode_event)(void *d, struct str name, struct str data, struct sink *s);
	/* A whole JSON answer with status 200, whether it was asked for or not. */
	enum flow (*decode_body)(void *d, struct str body, struct sink *s);
	/* The upstream ended the body. Sends what is still held back. -1 with the fault filled when the answer is not complete
	 * (cut in the middle, empty, no sign of an end). *flow gets the sink's word. */
	int (*decode_end)(void *d, struct sink *s, enum flow *flow, struct fault *f);
	/* An answer with an error status (or an error body with 200: status 200): fills f with what the client shall see.
	 * headers: see upstream.h's struct upstream_head. */
	void (*decode_error)(const struct decode_context *c, int status, struct str body, struct fault *f);
	/* A token count's answer; -1 when there is none in it. */
	int (*decode_count)(struct str body, int64_t *tokens);
	/* A model list's answer: calls add for each. -1 when it is none. */
	int (*decode_models)(struct arena *a, struct str body, void (*add)(void *ctx, const struct model_info *m), void *ctx);
};

/* The backend's base URL and one of its paths (dialect/url.c). "{model}" in the path is the model's name, percent-encoded as a
 * segment; "{a|b}" is a where a stream is asked for, else b. NULL when memory ends. */
const char *dialect_url(struct arena *a, const struct target *t, const char *path, bool stream);

/* dialect/models.c. A JSON text as a C string in the arena; NULL for what is none, is empty or holds a NUL. */
const char *model_text(struct arena *a, struct span s);
/* OP_MODELS where nothing but the address and the backend's own headers is to be sent. */
int models_encode(const struct encode_context *c, struct outgoing *out, struct fault *f) MUST_CHECK;

const struct dialect *dialect_find(const char *name);   /* NULL when unknown */
const struct dialect *const *dialect_all(void);         /* NULL-terminated */

/* Deterministic, stateless codec for names (dialect/names.c): a name longer than max or with characters outside
 * [A-Za-z0-9_-] becomes a readable prefix and a hash. Appends to b / finds the request's tool whose short form it is: the
 * encoded name itself where there is none, absent where there was no memory to look. */
int name_encode(struct buf *b, struct span name, int max);
bool name_fits(struct span name, int max);
struct span name_restore(const struct message_request *r, struct str encoded, int max);
/* Call ids: ^[A-Za-z0-9_-]+$ stays; anything else travels as "toolu_mf1_" + base64url and is restored on the way back. */
int id_to_client(struct buf *b, struct span upstream_id);       /* absent or empty: a new random "toolu_…" */
int id_to_upstream(struct buf *b, struct span client_id);

/* Opaque state as "mf1.<origin>.<base64url>" in a thinking signature. */
int opaque_put(struct buf *b, const char *origin, struct str state);
/* State that belongs to origin, appended to b: 1; none of ours: 0; ours but of another origin or broken: -1. */
int opaque_get(struct buf *b, const char *origin, struct span signature);
bool opaque_ours(struct span signature);        /* begins with "mf1." */

/* Shared by decode_error implementations (dialect/error.c): status and type by the table of errors, overflow wording rewritten to
 * "prompt is too long: …", quota told from rate limits, message found in any of the known shapes. */
void error_from_body(const struct decode_context *c, int status, struct str body, struct fault *f);

#endif
