/*
 * Dialect "gemini": Google's generateContent, in AI Studio and in Vertex. The encoder takes the
 * conversation in the order that the openai-chat encoder has for it (openai_turns.h) and writes
 * contents and parts; the decoder reads them.
 */
#ifndef DIALECT_GEMINI_H
#define DIALECT_GEMINI_H

#include "dialect/dialect.h"

extern const struct dialect dialect_gemini;

int gemini_encode(const struct encode_context *c, enum op op, struct outgoing *out,
		  struct fault *f);

/* One upstream answer being read; decoder_size is sizeof(struct gemini_decoder) of
 * gemini_decode.h. */
void gemini_decode_start(void *d, const struct decode_context *c);
enum flow gemini_decode_event(void *d, struct str name, struct str data, struct sink *s);
enum flow gemini_decode_body(void *d, struct str body, struct sink *s);
int gemini_decode_end(void *d, struct sink *s, enum flow *flow, struct fault *f);
void gemini_decode_error(const struct decode_context *c, int status, struct str body,
			 struct fault *f);
int gemini_decode_count(struct str body, int64_t *tokens);
int gemini_decode_models(struct arena *a, struct str body,
			 void (*add)(void *ctx, const struct model_info *m), void *ctx);

/*
 * A JSON Schema as the subset that a function declaration takes, appended to b: the API refuses
 * the whole request for one keyword that it does not know. Always a schema, however odd the input
 * (a text that json_check has passed): what can't be said is left open. False when it says nothing,
 * an object without properties; b is then as it was.
 */
bool gemini_schema(struct buf *b, struct arena *a, struct span schema);
/* The same behind `key` (with its comma and colon), unless it says nothing. Schemas that were
 * converted before are not converted again (base/memo.h). */
void gemini_put_schema(struct segs *s, struct arena *a, const char *key, struct span schema);

/* Marks a call id that Gemini itself made; others are not sent to it (gemini_encode.h). */
#define GEMINI_ID_MARK "gemini:"

/*
 * A backend's state in the signature of a thinking block (dialect/opaque.c): one letter that says
 * which part of the answer Gemini's signature stood on, and the signature. Empty: there was none.
 */
enum gemini_signed {
	GEMINI_SIGNED_CALL = 'c', GEMINI_SIGNED_THOUGHT = 'p', GEMINI_SIGNED_TEXT = 't',
};

#endif
