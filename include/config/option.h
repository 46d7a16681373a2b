/*
 * The table of options. A row is everything that is known of a setting: the loader, the
 * environment, the presets, --check, --print-config, the sample file, the manual and the docs are
 * all driven by it, so no setting can be missing in one of them.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include <libconfig.h>
#include "base/arena.h"
#include "config/report.h"
#include "config/watch.h"

enum option_type {
	TYPE_TEXT,      /* const char *; one of `words` where there are any */
	TYPE_HIDDEN,    /* const char *; a text that is never shown */
	TYPE_URL,       /* const char *; http or https, checked */
	TYPE_PROXY,     /* const char *; "" for none, or a proxy's URL */
	/* const char *; a file or folder, relative ones to the config's folder; kept out of
	 * DOCUMENT_ROOT */
	TYPE_PATH,
	TYPE_CA,        /* const char *; a file that is no secret */
	TYPE_LOG,       /* const char *; one of `words` or a path */
	TYPE_INT,       /* int */
	TYPE_COUNT,     /* int64_t */
	TYPE_SIZE,      /* int64_t, bytes; "32M" is understood too */
	TYPE_BOOL,      /* bool */
	TYPE_WORD,      /* an enum: the place in `words` */
	TYPE_LIST,      /* const char *const *, NULL-terminated */
	TYPE_SECRET,    /* const char *; "env:NAME", "file:PATH" or literal */
	TYPE_HEADERS,   /* const struct header_setting * */
	TYPE_BODY,      /* const struct body_member * */
	TYPE_TIME,      /* int64_t, wall ms; RFC 3339 */
	TYPE_HASHES,    /* const char *[2]: SHA-256 in hex, one or two */
	TYPE_SECRETS,   /* const char *const *, NULL-terminated; a list of what TYPE_SECRET is */
	/* What is below is read by the loader itself, which knows the structs. */
	TYPE_RULES,     /* the list models.map */
	TYPE_KEYS,      /* the list access.keys */
	TYPE_BACKENDS,  /* the group backends */
	TYPE_ROUTES,    /* the list routes */
	TYPE_TARGETS,   /* the group targets */
	TYPE_TO,        /* a text, a group, or a list of them: members of a chain */
	TYPE_WHEN,      /* a group of conditions */
	TYPE_OVERLAY,   /* a group of a backend's options */
};

struct option {
	const char *path;               /* within its table: "limits.max_body", "timeout" */
	enum option_type type;
	size_t offset;                  /* in the table's struct */
	/* default, as it would stand in the environment; NULL: not set */
	const char *value;
	int64_t least, most;            /* numbers: inclusive */
	/* variables that set it, separated by a space, the first that is set wins; NULL: none */
	const char *env;
	/* TYPE_WORD, TYPE_TEXT, TYPE_LOG: what may stand there; NULL ends */
	const char *const *words;
	const char *note;               /* the default in words when `value` can't say it */
	const char *help;               /* one line */
};

struct option_table {
	const char *name;               /* where its rows stand: "", "backends.NAME.", … */
	const char *about;              /* one sentence */
	const struct option *rows;
	size_t n;
};

extern const struct option_table options_global, options_backend, options_rule, options_key;
extern const struct option_table options_route, options_when, options_member;
/* All of them, NULL-terminated, in the order in which they are documented. */
extern const struct option_table *const options_all[];

const struct option *option_find(const struct option_table *t, const char *path);
const char *option_type_name(const struct option *o);

/* What a load works with. */
struct loader {
	struct arena *arena;            /* of the snapshot; all values live there */
	struct arena *notes;            /* for what the load and --check alone need: where each value is
					 * from, names on their way into a message */
	struct report *report;
	struct watch *watch;            /* files whose change makes the snapshot old */
	const char *dir;                /* folder of the config file; NULL: the current one */
	const char *docroot;            /* DOCUMENT_ROOT; NULL: none */
	const char *prefix;             /* for messages: "backends.lab." */
	const char *told;               /* file whose mode was complained of last */
};

/* A value on its way in: from the environment, a preset or a default as text, from the file as a
 * setting. */
struct value {
	const char *text;
	const config_setting_t *setting;
	struct origin from;
};

/* Checks and stores; false when it was refused (and reported). A secret's reference is left in
 * v->from. */
bool option_put(struct loader *l, const struct option *o, void *base, struct value *v);
/* The value as it would stand in a config file; secrets and keys are never shown. */
void option_show(struct buf *b, const struct option *o, const void *base,
		 const struct origin *from);

/* A struct with its table and where each of its values came from. */
struct option_set {
	const struct option_table *table;
	void *base;
	struct origin *from;            /* one for each row */
	const char *prefix;
};
bool option_set_init(struct loader *l, struct option_set *s, const struct option_table *t,
		     void *base, const char *prefix);
void option_set_put(struct loader *l, struct option_set *s, const struct option *o,
		    struct value *v);
void option_set_text(struct loader *l, struct option_set *s, const char *path, const char *text,
		     struct origin from);
void option_set_defaults(struct loader *l, struct option_set *s);
/* Every row's variables. */
void option_set_env(struct loader *l, struct option_set *s);
/* Every member of a group of the file; unknown ones are reported with the nearest known name. */
void option_set_group(struct loader *l, struct option_set *s, const config_setting_t *group);
struct origin *option_from(const struct option_set *s, const char *path);

struct origin origin_setting(struct loader *l, const config_setting_t *s);
/* Value of the first variable of `names` that is set and not empty; *name (in the arena) is that
 * one. */
const char *option_env(struct loader *l, const char *names, const char **name);

#endif
