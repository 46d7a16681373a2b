/* Gemini's model list and token counts: small answers, read whole. */
#include <string.h>

#include "dialect/gemini.h"
#include "json/scan.h"

#define NAME_PREFIX "models/"

/* As a C string in the arena; NULL for what is no text, is empty or holds a NUL. */
static const char *text_of(struct arena *a, struct span s)
{
	const char *text = NULL;
	struct buf b;

	if (!span_is_string(s) || !s.n)
		return NULL;
	buf_init(&b, 1024);
	if (span_put_text(&b, s) == 0 && !memchr(b.p, '\0', b.n))
		text = arena_dup(a, b.p, b.n);
	buf_release(&b);
	return text;
}

/* Models that only embed, speak or draw are no models for messages. */
static bool generates(struct span model)
{
	struct span methods = json_get(model, "supportedGenerationMethods");
	struct scan it;

	if (!json_each(methods, &it))
		return true;
	while (scan_element(&it))
		if (span_is(scan_any(&it), "generateContent"))
			return true;
	return false;
}

static int64_t limit_of(struct span model, const char *key)
{
	int64_t n;

	return span_int(json_get(model, key), &n) && n > 0 ? n : 0;
}

int gemini_decode_models(struct arena *a, struct str body,
			 void (*add)(void *ctx, const struct model_info *m), void *ctx)
{
	struct scan it;

	body = str_trim(body);
	if (json_check(body, NULL, NULL) || !json_each(json_get(span_json(body), "models"), &it))
		return -1;
	while (scan_element(&it)) {
		struct span model = scan_value(&it);
		struct model_info m = { .id = text_of(a, json_get(model, "name")) };

		if (!m.id || !generates(model))
			continue;
		if (str_starts(str_of(m.id), NAME_PREFIX))
			m.id += strlen(NAME_PREFIX);
		m.display_name = text_of(a, json_get(model, "displayName"));
		if (!m.display_name)
			m.display_name = m.id;
		m.context_tokens = limit_of(model, "inputTokenLimit");
		m.max_output_tokens = limit_of(model, "outputTokenLimit");
		add(ctx, &m);
	}
	return 0;
}

int gemini_decode_count(struct str body, int64_t *tokens)
{
	body = str_trim(body);
	if (json_check(body, NULL, NULL))
		return -1;
	return span_int(json_get(span_json(body), "totalTokens"), tokens) && *tokens >= 0 ? 0 : -1;
}
