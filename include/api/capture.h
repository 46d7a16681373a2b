/*
 * Captures: all of one request, its attempts and its answer in a folder, for `messages.fcgi
 * replay`.
 *
 *   request       method and path, headers, an empty line, the body
 *   N-sent        the N-th call: method and URL, headers, an empty line, the body
 *   N-answer      status and what counts of the head, an empty line, the body's bytes
 *   N-times       "MS BYTES" for each piece of that body, "MS flush" where something went to the
 *                 client before the next one, and how the call ended
 *   answer        what the client got, head and body
 *   answer-times  "MS BYTES" for each write
 *   about         "name: value": version, time, key, how it ended
 *
 * Keys are masked by as many asterisks: places and lengths stay what they were. All is kept in
 * memory until the request is over and written at once, so a folder is whole or not there. That
 * memory counts against limits.memory, of which requests keep half; a part that gets none is left
 * out, and the capture is marked as cut.
 */
#ifndef API_CAPTURE_H
#define API_CAPTURE_H

#include <stdio.h>

#include "base/buf.h"
#include "upstream/upstream.h"

#define CAPTURE_VERSION 1
#define CAPTURE_CALLS 16        /* that are kept of one request */

struct api_call;

/* One call to a backend, as its files have it. */
struct capture_call {
	struct buf sent, head, body, times;
};

/* Begins one where the caller may and asks for it (x-debug-capture), or its key is captured always;
 * c->capture stays NULL else. Says in x-messages-capture what became of it. */
void capture_begin(struct api_call *c);
/* The client's body as it came. */
void capture_request(struct api_call *c, struct str body);
/* Writes the folder and removes the oldest ones that are too many. */
void capture_end(struct api_call *c);

/* run_options.perform, with the capture as ctx. */
enum upstream_result capture_perform(void *ctx, const struct upstream_call *c, struct fault *f);

/* ---- shared with the replay ---- */

void capture_call_init(struct capture_call *k, size_t max);
void capture_call_release(struct capture_call *k);
/* The text of N-sent. base64_max: longer runs of base64 are cut to that; 0: none is. */
void capture_put_sent(struct buf *b, const struct upstream_call *c, int64_t base64_max);
/* Appends text whose long runs of base64 are cut. */
void capture_put_short(struct buf *b, struct str text, int64_t base64_max);
/* Puts asterisks in the place of the backends' keys. */
struct config;
void capture_mask(const struct config *c, struct buf *b);

/* `messages.fcgi replay FOLDER`: 0 when all comes out as it was captured, 1 when something differs,
 * 2 when the folder can't be played. */
struct config_load;
int api_replay(const struct config_load *load, const char *folder, FILE *out);

#endif
