/*
 * What the parts of the request parser share: one scanner over the body, the path of the member
 * that is being read (it names the field in errors), and tables of members.
 */
#ifndef INGRESS_PARSE_H
#define INGRESS_PARSE_H

#include "ingress/ingress.h"
#include "json/scan.h"

#define PATH_MAX_DEPTH 24
/* Blocks inside of blocks are looked into this deep; what is nested deeper stays a raw span. */
#define BLOCK_MAX_DEPTH 4

struct path_part {
	const char *name;       /* NULL: an index */
	size_t index;
};

/* A growing vector for what is being collected; its items are copied to the arena, exactly so many,
 * at their list's end. */
struct parse_vec {
	char *p;
	size_t n, cap, item;
};

struct parser {
	struct scan s;
	struct message_request *r;
	struct arena *arena;
	struct fault *f;
	enum parse_for what;
	struct path_part path[PATH_MAX_DEPTH];
	unsigned depth;                 /* parts of the path */
	unsigned block_depth;
	bool has_max_tokens, has_messages;
	struct span output_format;      /* the older name of output_config.format */
	struct parse_vec turns, blocks, tools, stops;
	struct parse_vec members;       /* of the body itself */
	struct parse_vec added;         /* tools that a tool_addition block defines */
};

enum want { WANT_ANY, WANT_STRING, WANT_NUMBER, WANT_BOOL, WANT_OBJECT, WANT_READ };

/* A member: what its value must be (null counts as absent), and where it goes: a struct span at
 * `at` bytes into the object, or, for WANT_READ, a function that reads it; it is not called for
 * null. */
struct parse_field {
	const char *name;
	enum want want;
	size_t at;
	int (*read)(struct parser *p, void *object);
};

/* All of these return 0, or -1 with the fault filled. */
int parse_object(struct parser *p, const struct parse_field *fields, void *object);
int parse_value(struct parser *p, enum want want, struct span *out);
/* Each element of a list; read gets its index through the path. */
int parse_list(struct parser *p, int (*read)(struct parser *p, void *object), void *object);
int parse_syntax_fault(struct parser *p);
#define parse_bad(p, problem) \
	parse_bad_at(ERROR_SITE("FAULT_BAD_REQUEST/" #problem, SITE_TEXT(problem)), p, problem)
#define parse_bad_member(p, name, problem) \
	parse_bad_member_at(ERROR_SITE(#problem "/" #name, SITE_TEXT(problem)), p, name, problem)
int parse_bad_at(const struct error_site *site, struct parser *p, const char *problem);
int parse_bad_member_at(const struct error_site *site, struct parser *p, const char *name,
			const char *problem);
int parse_no_memory(struct parser *p);

void parse_enter(struct parser *p, const char *name, size_t index);
void parse_leave(struct parser *p);

/* A new item at the vector's end, zeroed; NULL when memory ends, or what the arena may take: that
 * is full then. */
void *parse_vec_push(struct parser *p, struct parse_vec *v);
/* Moves the items from `from` on into the arena. *out is NULL when there are none. */
int parse_vec_take(struct parser *p, struct parse_vec *v, size_t from, void *out, size_t *n);

/* parse_content.c: a string or a list of blocks; one message of the list. */
int parse_content(struct parser *p, struct block **blocks, size_t *n);
int parse_turn(struct parser *p, void *unused);

/* parse_tools.c */
int parse_tool(struct parser *p, void *unused);
/* The definition inside of a tool_addition block; others are none. */
int parse_tool_addition(struct parser *p, struct span block);
/* Puts those behind the tools of the request. */
int parse_tools_join(struct parser *p);
int parse_tool_choice(struct parser *p, void *request);

#define PARSE_REQUIRED "Field required"
#define PARSE_NOT_STRING "Input should be a valid string"
#define PARSE_NOT_OBJECT "Input should be a valid dictionary"
#define PARSE_NOT_LIST "Input should be a valid list"
#define PARSE_TWICE "The member stands here twice"
#define PARSE_CASE "The member's name is written in another case"

#endif
