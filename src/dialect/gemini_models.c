/*
 * Model lists of AI Studio ("models") and of Vertex ("publisherModels": all that Google, or another
 * maker, has in Model Garden), and token counts: small answers, read whole.
 */
#include <string.h>

#include "dialect/gemini.h"
#include "json/scan.h"

#define NAME_PREFIX "models/"

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

/* "publishers/google/models/gemini-3.8-flash"; Claude's older models are called by their date too:
 * "claude-sonnet-4-5@20250929". */
static const char *published_id(struct arena *a, struct span model)
{
	const char *name = model_text(a, json_get(model, "name"));
	const char *version = model_text(a, json_get(model, "versionId"));
	const char *id = name ? strrchr(name, '/') : NULL;

	id = id ? id + 1 : name;
	if (!id || !version || strlen(version) != 8 || strspn(version, "0123456789") != 8 ||
	    strchr(id, '@'))
		return id;
	return arena_printf(a, "%s@%s", id, version);
}

/* Of all that stands in Model Garden: what the two dialects of Vertex can call. */
static bool answers(const char *id)
{
	struct str name = str_of(id);

	return str_starts(name, "claude-") ||
	       (str_starts(name, "gemini-") && !str_find(name, "embedding"));
}

static void add_published(struct arena *a, struct span list,
			  void (*add)(void *ctx, const struct model_info *m), void *ctx)
{
	struct scan it;

	if (!json_each(list, &it))
		return;
	while (scan_element(&it)) {
		struct model_info m = { .id = published_id(a, scan_any(&it)) };

		if (!m.id || !answers(m.id))
			continue;
		m.display_name = m.id;
		add(ctx, &m);
	}
}

int gemini_decode_models(struct arena *a, struct str body,
			 void (*add)(void *ctx, const struct model_info *m), void *ctx)
{
	struct scan it;

	body = str_trim(body);
	if (json_check(body, NULL, NULL))
		return -1;
	if (span_is_array(json_get(span_json(body), "publisherModels"))) {
		add_published(a, json_get(span_json(body), "publisherModels"), add, ctx);
		return 0;
	}
	if (!json_each(json_get(span_json(body), "models"), &it))
		return -1;
	while (scan_element(&it)) {
		struct span model = scan_value(&it);
		struct model_info m = { .id = model_text(a, json_get(model, "name")) };

		if (!m.id || !generates(model))
			continue;
		if (str_starts(str_of(m.id), NAME_PREFIX))
			m.id += strlen(NAME_PREFIX);
		m.display_name = model_text(a, json_get(model, "displayName"));
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
