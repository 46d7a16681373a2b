/*
 * The configuration: one libconfig file, the environment over it, presets below it. Loaded into an
 * immutable, reference-counted snapshot that a request holds while it runs; a changed file gives a
 * new snapshot, a broken one is logged and the old one stays. Every key stands in one table
 * (config/options.c): path, type, default, least, most, environment variables, help.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdio.h>
#include "base/address.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/sandbox.h"
#include "message/target.h"

enum environment { ENVIRONMENT_PRODUCTION, ENVIRONMENT_DEVELOPMENT };
enum access_mode { ACCESS_UNSET, ACCESS_KEYS, ACCESS_LOCAL, ACCESS_PASSTHROUGH, ACCESS_OPEN };

/* What a key may do; their names are config_rights. The first ones are the API's own, and what a
 * key may do that says nothing. */
enum access_right {
	RIGHT_MESSAGES, RIGHT_COUNT_TOKENS, RIGHT_MODELS, RIGHT_HEALTH,
	RIGHT_DEBUG, RIGHT_DOCTOR, RIGHT_CAPTURE,
	RIGHTS
};
#define RIGHTS_DEFAULT ((1u << RIGHT_DEBUG) - 1)
extern const char *const config_rights[];       /* NULL ends */

struct access_key {
	const char *name, *owner, *group;
	const char *sha256[2];          /* lower-case hex; second for rotation, NULL if none */
	int64_t expires;                /* wall ms, 0 never */
	bool disabled;
	bool capture;                   /* all its requests are captured */
	/* What it may use; NULL: everything. Globs, NULL-terminated. */
	const char *const *models;      /* as asked for, at the backend, or "BACKEND/model" there */
	const char *const *backends;
	const char *const *endpoints;   /* of config_rights; NULL: RIGHTS_DEFAULT */
	unsigned rights;                /* bits of enum access_right */
	/* 0: no limit (before the load is done, < 0: not said). */
	int requests;                   /* a minute */
	int64_t tokens;                 /* a minute, input and output */
	int streams;                    /* answers at once */
	uint64_t mark;                  /* of its name, in tables of all processes; never 0 */
};

/* glob on the requested name -> "big", "small" or a model */
struct model_rule { const char *match, *to; };

/* What a rule can ask of a request; each has a row of its name in the options table. */
enum route_feature {
	FEATURE_BACKGROUND,             /* haiku-class: titles, summaries and the like */
	FEATURE_THINKING,               /* thinking is on, or an effort is given */
	FEATURE_IMAGES,
	FEATURE_DOCUMENTS,
	FEATURE_WEB_SEARCH,             /* it brings the web search tool */
	FEATURE_AGENT,                  /* a sub-agent of Claude Code asks */
	FEATURES
};

/* All that is given must hold; of a list one is enough. Lists are NULL-terminated or NULL. */
struct route_when {
	const char *const *model;       /* globs on the requested name */
	const char *const *family;      /* "opus", "sonnet-4", "haiku-4.5" */
	const char *const *effort;
	const char *const *request_class; /* x-claude-code-request-class */
	const char *const *key, *const *group; /* globs on the client key's name and group */
	const char *const *path;        /* NAME of /b/NAME/v1/messages */
	int64_t tokens_over;            /* estimated input tokens; 0: any */
	bool feature[FEATURES];
	unsigned asked, wanted;         /* bits of feature: which are given, which must be so */
};

/* One member of a chain. */
struct route_member {
	const struct backend *backend;  /* its options laid over it */
	const char *model;              /* NULL: as it was asked for */
	int weight;                     /* share of the requests that begin here; 0: fallback */
};

struct route_target {
	const char *name;               /* NULL: written where it is used */
	const struct route_member *v;
	size_t n;
};

struct route_rule {
	const char *name;               /* NULL: none */
	struct route_when when;
	struct route_target to;
};

struct config {
	const char *source;             /* path of the file, NULL when there was none */
	int64_t generation;             /* counts loads in this process */

	const char *proxy_backend;      /* name of the backend in use */
	/* all configured and preset ones that have what they need, nbackends */
	const struct backend *backends;
	size_t nbackends;
	const struct backend *backend;  /* the one in use */

	const char *model_big, *model_small, *model_default;    /* NULL when not set */
	const struct model_rule *rules;
	size_t nrules;
	const struct route_rule *routes;
	size_t nroutes;
	const struct route_target *targets;
	size_t ntargets;
	bool direct;                    /* clients may name a backend: "NAME/model" */
	/* More than one backend was set up by the file: an unknown name is an error then. */
	bool several;
	const char *const *failover_statuses; /* further ones that the next member may cure */
	int breaker_failures, breaker_cooldown, breaker_cooldown_max; /* count, seconds */

	enum access_mode access_mode;   /* never ACCESS_UNSET after load */
	bool access_mode_given;         /* written down, not the default */
	const struct access_key *keys;
	size_t nkeys;
	const char *keys_file;          /* further keys, re-read when it changes */
	const char *const *hosts;       /* further Host values for "local", NULL-terminated */
	const char *const *origins;     /* allowed CORS origins, NULL-terminated */
	const char *passthrough_backend;
	int default_requests, default_streams;  /* of keys that don't say */
	int64_t default_tokens;
	const char *const *trusted_proxies;     /* as written; proxies holds the same */
	const struct net *proxies;
	size_t nproxies;
	int throttle_failures, throttle_window; /* count (0: off), seconds */
	bool end_streams;               /* those of a key that is taken away */

	int64_t max_body;               /* bytes */
	/* bytes of request bodies at once, all requests of the process */
	int64_t memory;
	int requests;                   /* requests at once per process */
	int workers;
	int64_t max_event;              /* bytes of one upstream event */

	int commit_after, ping_interval, probe_interval, shutdown_grace;        /* seconds */
	int client_read_timeout, client_write_timeout;
	int idle_worker;                /* seconds */

	const char *log_level, *log_dest;
	bool log_requests;
	const char *log_dir;            /* error files; NULL: none */
	int log_retention_days, log_max_files;
	int64_t log_max_bytes, log_contents;    /* bytes */
	bool log_compress;
	const char *capture_dir;        /* NULL: "capture" in log_dir */
	int capture_max_requests;
	int64_t capture_max_bytes;      /* of all */
	int64_t capture_max_request;    /* of each part of one */
	int64_t capture_base64;         /* longer runs of it are cut to that; 0: none is */
	enum environment environment;

	const char *state_dir;          /* NULL: none */
	int health_interval;            /* seconds */
	const char *doctor_word;        /* lets one in to /doctor while there are no keys; NULL: none */
	int64_t changed;                /* wall seconds: of the file's last change, 0: no file */

	bool core_dumps;
	enum sandbox_wish no_new_privs, seccomp, landlock;
};

struct config_load {
	const char *path;               /* from --config; NULL: search */
	const char *argv0;              /* to look beside the program */
	/* environment was filled by a web server: HTTP_* and CGI's own are never settings */
	bool cgi;
};

/* The search order: path, MESSAGES_CONF, .htmessages.conf beside the program, the user's config
 * folder, the system's default place. Returns a new snapshot with one reference, or NULL with a
 * message (file:line: what is wrong, nearest known name) in err. */
struct config *config_load(const struct config_load *l, struct buf *err);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);

/* The current snapshot of the process: config_current() takes a reference (config_unref when done)
 * and, at most once a second, looks whether the file (or an included or key file) has changed. It
 * starts without a backend too, where none was ever set up: `backend` is NULL then. */
int config_start(const struct config_load *l, struct buf *err);
struct config *config_current(void);
void config_stop(void);
/* The files whose change makes the current snapshot old, those that aren't there too. */
void config_watched(void (*see)(void *ctx, const char *path), void *ctx);
/* How the current one was found; valid until config_stop. */
const struct config_load *config_how(void);

/* NULL when unknown */
const struct backend *config_backend(const struct config *c, const char *name);
/* What a text names: a target, a backend ("NAME": the model as it was asked for), a backend's model
 * ("NAME/model" or "NAME,model"), `big` or `small` of either, else a model of the backend in use
 * (config/targets.c). Names of backends and targets are exact here, so that a provider's own
 * "openai/gpt" is no backend. False: the role it names has no model, or there is no backend. */
bool config_target(const struct config *c, const char *text, struct arena *a,
		   struct route_target *out);
/* The backend that text begins with, as "NAME/…" or "NAME,…", or is; *rest is what follows, NULL
 * when nothing does. NULL: none. */
const struct backend *config_named(const struct config *c, const char *text, const char **rest);

/* A number that is the same for configurations with the same settings, whoever loaded them
 * (config/mark.c). Secrets are not in it. */
uint64_t config_mark(const struct config *c);

/* Commands: each returns the exit status, 0 when all is well. */
/* --check (config/check.c). feature tells whether the linked libcurl has one ("http2", "https", …);
 * more says what follows from the configuration. Either NULL: not asked. */
int config_check(const struct config_load *l, bool (*feature)(const char *name),
		 void (*more)(const struct config *c, FILE *out), FILE *out);
/* What --check says, for who shows it otherwise: problems in r (an initialised config/report.h), what
 * will be used in `used` (NULL: not wanted; no secret is in it). True when there is no error. */
struct report;
bool config_report(const struct config_load *l, bool (*feature)(const char *name),
		   void (*more)(const struct config *c, FILE *out), struct report *r, FILE *used);
/* --print-config (config/check.c): what will be used, as a config file, with each value's source.
 * Secrets are never in it. */
int config_print(const struct config_load *l, FILE *out);
/* --new-key NAME (config/newkey.c): a new key, shown once, and the line for the config that holds
 * its hash. */
int config_new_key(const char *name, FILE *out);
/* import-env FILE (config/import.c): a config file made from an earlier .env; "-" reads standard
 * input. */
int config_import_env(const char *file, FILE *out);
/* The table of options (config/docs.c): "conf" is the sample file, "markdown" the tables of the
 * docs, "man" the man page's section, "text" a plain list. */
int config_options(FILE *out, const char *format);

#endif
