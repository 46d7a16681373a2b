/*
 * What the files of the Converse encoder share. converse_encode.c puts the conversation in order,
 * converse_content.c writes texts, images and documents, converse_options.c tools and parameters;
 * converse_citations.c turns the answer's citations into the API's.
 */
#ifndef DIALECT_CONVERSE_H
#define DIALECT_CONVERSE_H

#include "dialect/bedrock.h"
#include "dialect/openai_turns.h"

/* e.context and so on as for openai-chat. */
struct converse {
	struct openai_encoder e;
	struct backend backend; /* with what Converse knows no other way */
	unsigned documents;     /* so far: their names must differ */
	bool claude;
	enum bedrock_cache caches;
	bool tools;             /* the request's own went out */
};

static inline void converse_put(struct converse *v, const char *text)
{
	segs_puts(v->e.body, text);
}

static inline void converse_comma(struct converse *v, bool *first)
{
	converse_put(v, *first ? "" : ",");
	*first = false;
}

/* What stands in messages: texts and media, each with the comma that it needs. */
void converse_put_parts(struct converse *v, const struct parts *ps, bool *first);
void converse_put_cache_point(struct converse *v, struct span cache_control);
/* A document needs a text beside it. */
void converse_add_caption(struct parts *ps);

/* To be called once, before anything is written. Options may name a member as Converse does or as
 * the Messages API does. */
int converse_settle_body(struct converse *v) MUST_CHECK;
void converse_put_tools(struct converse *v);
void converse_put_inference(struct converse *v);
void converse_put_fields(struct converse *v);
void converse_put_format(struct converse *v);
/* Guardrail, tier and latency of the backend's options. */
void converse_put_service(struct converse *v);

/* One of the API's citations for one of Converse's; 0 with nothing written where it says
 * nothing. */
int converse_put_citation(struct buf *b, struct span citation) MUST_CHECK;

#endif
