/*
 * What Bedrock says that there is: foundation models that can be called by their own id, and
 * inference profiles, which is the only way to newer ones (ListFoundationModels and
 * ListInferenceProfiles of the control plane). Each is an answer of its own.
 */
#include "dialect/bedrock.h"
#include "json/scan.h"

/* Is the word in the list? An absent list says nothing against it. */
static bool has_word(struct span list, const char *word)
{
	struct scan it;

	if (!json_each(list, &it))
		return true;
	while (scan_element(&it))
		if (span_is(scan_any(&it), word))
			return true;
	return false;
}

static bool is_callable(struct span model)
{
	return has_word(json_get(model, "outputModalities"), "TEXT") &&
	       has_word(json_get(model, "inferenceTypesSupported"), "ON_DEMAND");
}

static struct model_info foundation_model(struct arena *a, struct span one)
{
	struct model_info m = { 0 };

	if (!is_callable(one))
		return m;
	m.id = model_text(a, json_get(one, "modelId"));
	m.display_name = model_text(a, json_get(one, "modelName"));
	return m;
}

/* A profile that the account has made itself is called by its ARN. */
static struct model_info inference_profile(struct arena *a, struct span one)
{
	bool own = span_is(json_get(one, "type"), "APPLICATION");
	struct span status = json_get(one, "status");
	struct model_info m = { 0 };

	if (span_is_string(status) && !span_is(status, "ACTIVE"))
		return m;
	m.id = model_text(a, json_get(one, own ? "inferenceProfileArn" : "inferenceProfileId"));
	m.display_name = model_text(a, json_get(one, "inferenceProfileName"));
	return m;
}

static const struct {
	const char *list;
	struct model_info (*read)(struct arena *a, struct span one);
} lists[] = {
	{ "modelSummaries", foundation_model },
	{ "inferenceProfileSummaries", inference_profile },
};

int bedrock_decode_models(struct arena *a, struct str body,
			  void (*add)(void *ctx, const struct model_info *m), void *ctx)
{
	struct span doc = span_json(str_trim(body));
	struct scan it;
	int rc = -1;

	if (json_check(str_trim(body), NULL, NULL))
		return -1;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (!json_each(json_get(doc, lists[i].list), &it))
			continue;
		rc = 0;
		while (scan_element(&it)) {
			struct model_info m = lists[i].read(a, scan_any(&it));

			if (!m.id)
				continue;
			if (!m.display_name)
				m.display_name = m.id;
			add(ctx, &m);
		}
	}
	return rc;
}
