/*
 * One load: defaults, file and environment into a new snapshot. It goes on after a problem, so that
 * all are reported at once; the snapshot counts only if there was none.
 */
#include "config/snapshot.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/machine.h"
#include "base/os.h"
#include "base/parts.h"
#include "base/spare.h"
#include "config/emit.h"
#include "config/secret.h"

/* Two workers that see the same change would read it twice at once for nothing. */
static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

#define MB (1024 * 1024LL)
#define DOCTOR_WORD_MIN 16

static int64_t clamp(int64_t n, int64_t least, int64_t most)
{
	return n < least ? least : n > most ? most : n;
}

static int64_t worker_cap(int64_t requests)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_max == RLIM_INFINITY)
		return requests + 8;
	return clamp(requests + 8, 4, clamp(((int64_t)files.rlim_max - 32) / 4, 4, requests + 8));
}

/* Says what a default was made of. */
static void computed(struct loader *l, struct snapshot *s, const char *path, const char *part,
		     struct machine_memory m)
{
	option_from(&s->globals, path)->where =
		arena_printf(l->notes, "%s the %lld MB of %s", part, (long long)(m.bytes / MB),
			     m.whose);
}

/* Bodies get a quarter, so that a small machine has room for the rest of the program, the web
 * server and itself; what the file says of one of the two decides on the other. */
static void load_memory(struct loader *l, struct snapshot *s, struct machine_memory m)
{
	struct config *c = &s->c;

	if (!c->memory) {
		c->memory = clamp(m.bytes / 4, 4 * MB, INT64_MAX);
		computed(l, s, "limits.memory", "a quarter of", m);
		if (c->memory < c->max_body) {
			c->memory = c->max_body;
			option_from(&s->globals, "limits.memory")->where = "limits.max_body";
		}
	}
	if (!c->max_body)
		c->max_body = clamp(32 * MB, 1024, c->memory);
	if (c->memory < c->max_body)
		report_error(l->report, option_from(&s->globals, "limits.memory"),
			     "limits.memory (%lld) is less than limits.max_body (%lld): no request "
			     "of that size could pass",
			     (long long)c->memory, (long long)c->max_body);
}

/* Settings that do nothing in this build: whoever sets them counts on them. */
static void load_parts(struct loader *l, struct snapshot *s)
{
	static const struct {
		const char *option, *part;
	} of[] = {
		{ "log.dir", "error-files" }, { "capture.dir", "capture" }, { "doctor.word", "doctor" },
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
		if (part_missing(of[i].part) &&
		    option_given(option_find(&options_global, of[i].option), &s->c))
			report_error(l->report, option_from(&s->globals, of[i].option),
				     "%s: %s was left out of this build (configure --enable-%s)",
				     of[i].option, of[i].part, of[i].part);
}

void load_limits(struct loader *l, struct snapshot *s)
{
	struct machine_memory machine = machine_memory();
	struct config *c = &s->c;

	load_memory(l, s, machine);
	if (!c->requests) {
		c->requests = (int)clamp(machine.bytes / (MB / 2), 16, 4096);
		computed(l, s, "limits.requests", "two for each of", machine);
	}
	if (!c->workers)
		c->workers = (int)worker_cap(c->requests);
}

/* What lets one in has to be more than a guess. ctime is when the file came to be here as it is, which
 * nobody who uploads it can set back. */
static void load_doctor(struct loader *l, struct snapshot *s)
{
	const char *word = s->c.doctor_word;
	struct stat st;

	if (s->c.source && stat(s->c.source, &st) == 0)
		s->c.changed = os_changed(&st).tv_sec;
	if (word && strlen(word) < DOCTOR_WORD_MIN)
		report_error(l->report, option_from(&s->globals, "doctor.word"),
			     "doctor.word is too short: it needs %d characters or more",
			     DOCTOR_WORD_MIN);
}

static bool load_rule(struct loader *l, const config_setting_t *row, int i, struct model_rule *out)
{
	struct option_set set;
	struct origin at = origin_setting(l, row);
	const char *prefix = arena_printf(l->arena, "models.map[%d].", i);

	if (!config_setting_is_group(row)) {
		report_error(l->report, &at,
			     "models.map[%d] must be a group, { match = \"…\"; to = \"…\"; }", i);
		return false;
	}
	if (!prefix || !option_set_init(l, &set, &options_rule, out, prefix))
		return false;
	option_set_group(l, &set, row);
	if (out->match && out->to && *out->to)
		return true;
	report_error(l->report, &at, "models.map[%d] needs both match and to", i);
	return false;
}

static void load_rule_list(struct loader *l, struct snapshot *s, const config_setting_t *list)
{
	int i, n = config_setting_length(list);
	struct model_rule *rules = arena_alloc(l->arena, ((size_t)n + 1) * sizeof(*rules));

	for (i = 0; rules && i < n; i++)
		if (load_rule(l, config_setting_get_elem(list, (unsigned)i), i,
			      &rules[s->c.nrules]))
			s->c.nrules++;
	s->c.rules = rules;
}

/* Without rules of its own a backend whose names aren't Claude's gets two, as far as there are
 * models for them. */
static void default_rules(struct snapshot *s)
{
	const struct backend *b = s->c.backend;
	const struct preset *p = b ? preset_find(b->preset) : NULL;

	if (!b || (p && p->claude_names) || !s->c.model_small)
		return;
	s->c.rules = preset_claude_rules;
	s->c.nrules = s->c.model_big ? 2 : 1;
	*option_from(&s->globals, "models.map") =
		(struct origin){ .kind = ORIGIN_PRESET, .where = b->name };
}

void load_rules(struct loader *l, struct snapshot *s, const config_setting_t *root)
{
	const config_setting_t *models = root ? config_setting_get_member(root, "models") : NULL;
	const config_setting_t *map = models ? config_setting_get_member(models, "map") : NULL;
	struct origin at;

	if (!map) {
		default_rules(s);
		return;
	}
	at = origin_setting(l, map);
	if (!config_setting_is_list(map)) {
		report_error(l->report, &at,
			     "models.map must be a list, ( { match = \"…\"; to = \"…\"; } )");
		return;
	}
	*option_from(&s->globals, "models.map") = at;
	load_rule_list(l, s, map);
}

static void decide_access(struct loader *l, struct snapshot *s)
{
	struct origin *at = option_from(&s->globals, "access.mode");
	struct config *c = &s->c;

	c->access_mode_given = c->access_mode != ACCESS_UNSET;
	if (!c->access_mode_given)
		c->access_mode = c->nkeys ? ACCESS_KEYS : ACCESS_LOCAL;
	if (c->access_mode == ACCESS_OPEN)
		report_warn(l->report, at,
			    "access.mode is \"open\": whoever reaches the web server spends your "
			    "money");
	if (c->access_mode == ACCESS_KEYS && !c->nkeys)
		report_warn(l->report, at,
			    "access.mode is \"keys\", but there are none: every request is refused "
			    "(messages.fcgi --new-key NAME makes one)");
	if (c->access_mode != ACCESS_KEYS && c->nkeys)
		report_warn(l->report, at,
			    "access.keys are configured but not asked for: access.mode is not "
			    "\"keys\"");
	if (c->access_mode != ACCESS_KEYS &&
	    (c->default_requests || c->default_tokens || c->default_streams))
		report_warn(l->report, at,
			    "access.default_… are limits of keys, and access.mode is not \"keys\": "
			    "nobody is held to them");
}

static void load_all(struct loader *l, struct snapshot *s, const config_setting_t *root)
{
	if (!option_set_init(l, &s->globals, &options_global, &s->c, ""))
		return;
	option_set_defaults(l, &s->globals);
	if (root)
		option_set_group(l, &s->globals, root);
	option_set_env(l, &s->globals);
	load_backends(l, s, root);
	load_rules(l, s, root);
	load_routes(l, s, root);
	load_keys(l, s, root);
	load_proxies(l, s);
	decide_access(l, s);
	load_limits(l, s);
	load_parts(l, s);
	load_doctor(l, s);
}

static void load_file(struct loader *l, struct snapshot *s, const struct config_load *how)
{
	config_t cfg;
	bool named;
	const char *path = find_file(l, how, &named);

	if (!path) {
		load_all(l, s, NULL);
		return;
	}
	s->c.source = path;
	config_init(&cfg);
	pthread_mutex_lock(&load_lock);
	if (find_read(l, path, &cfg))
		load_all(l, s, config_root_setting(&cfg));
	config_destroy(&cfg);
	pthread_mutex_unlock(&load_lock);
}

struct snapshot *snapshot_try(const struct config_load *how, struct report *r, struct watch *w)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	struct loader l = {
		.report = r, .watch = w, .docroot = getenv("DOCUMENT_ROOT"), .prefix = ""
	};

	if (!s)
		return NULL;
	arena_init(&s->arena, 0);
	arena_init(&s->notes, 0);
	atomic_init(&s->refs, 1);
	l.arena = &s->arena;
	l.notes = &s->notes;
	load_file(&l, s, how);
	if (s->arena.failed || s->notes.failed)
		report_error(r, NULL, "no memory for the configuration");
	return s;
}

struct snapshot *snapshot_load(const struct config_load *how, struct report *r, struct watch *w,
			       bool unset)
{
	struct snapshot *s = snapshot_try(how, r, w);

	if (!s)
		report_error(r, NULL, "no memory for the configuration");
	if (s && r->nerrors > (unset ? r->nunset : 0)) {
		snapshot_free(s);
		return NULL;
	}
	return s;
}

void snapshot_forget(struct snapshot *s)
{
	s->globals = (struct option_set){ .table = NULL };
	s->sets = NULL;
	arena_release(&s->notes);
	spare_trim();
	os_memory_trim();
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	arena_release(&s->arena);
	arena_release(&s->notes);
	free(s);
}
