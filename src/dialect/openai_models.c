/*
 * A model list in OpenAI's shape: {"data":[{"id":…}]}, a bare array, or "models". Only the id is
 * common; limits come under each server's own name.
 */
#include <string.h>

#include "dialect/openai.h"
#include "json/scan.h"

/* Where each server puts a number; the first one given counts. Up to three names deep. */
static const char *const context_paths[][3] = {
	{ "context_length" },                           /* OpenRouter, Together */
	{ "top_provider", "context_length" },           /* OpenRouter */
	{ "max_model_len" },                            /* vLLM, SGLang */
	{ "context_window" },                           /* Groq */
	{ "max_context_length" },                       /* Mistral, LM Studio */
	{ "meta", "n_ctx" },                            /* llama.cpp: what it runs with */
	{ "meta", "n_ctx_train" },                      /* llama.cpp: what the model can */
	{ "capabilities", "limits", "max_context_window_tokens" },
	{ "max_input_tokens" },                         /* LiteLLM */
	{ NULL },
};
static const char *const output_paths[][3] = {
	{ "top_provider", "max_completion_tokens" },
	{ "max_completion_tokens" },
	{ "max_output_tokens" },
	{ "capabilities", "limits", "max_output_tokens" },
	{ NULL },
};

static int64_t number_at(struct span model, const char *const paths[][3])
{
	int64_t n = 0;

	for (; n <= 0 && paths[0][0]; paths++) {
		struct span v = json_path(model, paths[0][0], paths[0][1], paths[0][1] ? paths[0][2] : NULL,
					  NULL);

		if (!span_int(v, &n) || n < 0)
			n = 0;
	}
	return n;
}

static void add_model(struct arena *a, struct span model, void (*add)(void *ctx, const struct model_info *m),
		      void *ctx)
{
	struct model_info m = { .id = model_text(a, json_get(model, "id")) };

	if (!m.id)
		m.id = model_text(a, json_get(model, "name"));
	if (!m.id)
		return;
	m.display_name = model_text(a, json_get(model, "display_name"));
	if (!m.display_name)
		m.display_name = model_text(a, json_get(model, "name"));
	if (!m.display_name)
		m.display_name = m.id;
	if (!span_int(json_get(model, "created"), &m.created) || m.created < 0)
		m.created = 0;
	m.context_tokens = number_at(model, context_paths);
	m.max_output_tokens = number_at(model, output_paths);
	add(ctx, &m);
}

int openai_decode_models(struct arena *a, struct str body,
			 void (*add)(void *ctx, const struct model_info *m), void *ctx)
{
	struct span list, doc;
	struct scan it;

	body = str_trim(body);
	doc = (struct span){ body.p, body.n, SPAN_JSON };
	if (json_check(body, NULL, NULL))
		return -1;
	list = doc;
	if (span_is_object(doc)) {
		list = json_get(doc, "data");
		if (!span_is_array(list))
			list = json_get(doc, "models");
		if (!span_is_array(list))
			list = json_get(doc, "endpoints");      /* Databricks */
	}
	if (!json_each(list, &it))
		return -1;
	while (scan_element(&it))
		add_model(a, scan_any(&it), add, ctx);
	return 0;
}
