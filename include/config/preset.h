/*
 * Backends that are known by name. A row is settings in the words of the options table over those
 * of its dialect, so a further compatible provider is a row and nothing else.
 */
#ifndef CONFIG_PRESET_H
#define CONFIG_PRESET_H

#include "config/config.h"

struct preset_setting { const char *option, *value; };  /* option NULL ends */
/* Variables that set an option of this preset; `before` is put before the value ("X-Title: ").
 * option NULL ends. */
struct preset_env { const char *option, *vars, *before; };

struct preset {
	const char *name;
	const char *title;              /* for people: "OpenRouter" */
	const char *dialect;
	bool needs_key;
	bool claude_names;              /* its own names are Claude's: no default rules for them */
	const struct preset_setting *settings;
	const struct preset_env *env;
};

/* What all backends of a dialect share. */
struct dialect_preset {
	const char *name;
	const char *bare;               /* appended to a base URL that has no path; NULL: nothing */
	const char *const *tails;       /* taken off the end of a base URL; NULL ends */
	const struct preset_setting *settings;
	const char *part;               /* base/parts.h; NULL: in every build */
};

/* Another way into the same provider: what its preset sets when the file names this dialect for
 * it. */
struct preset_variant {
	const char *preset, *dialect;
	const struct preset_setting *settings;  /* instead of the preset's own */
};
extern const struct preset_variant preset_variants[];   /* preset NULL ends */

/* name NULL ends; the first that has what it needs is used when none is named */
extern const struct preset presets[];
extern const struct dialect_preset dialects[];  /* name NULL ends */
const struct preset *preset_find(const char *name);
const struct dialect_preset *dialect_preset_find(const char *name);
/* The settings of a preset when it is spoken to in this dialect. */
const struct preset_setting *preset_settings(const struct preset *p, const char *dialect);

/* Rules that make Claude's names work with any other backend; match NULL ends. */
extern const struct model_rule preset_claude_rules[];

#endif
