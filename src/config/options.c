/*
 * The one table of options. Adding a setting is adding a row here (and the struct member it fills):
 * the loader, --check, --print-config, the sample file, docs/configuration.md and the man page
 * follow from it, and a test compares them.
 *
 * Columns: path, type, where it is stored, default, least, most, environment variables (the first
 * that is set wins), words that it may be, the default in words where it is computed, help.
 */
#include "config/option.h"

#include "base/parts.h"
#include "config/config.h"
#include "config/routes.h"

#define GLOBAL(member) offsetof(struct config, member)
#define BACKEND(member) offsetof(struct backend, member)
#define RULE(member) offsetof(struct model_rule, member)
#define ROUTE(member) offsetof(struct route_rule, member)
#define WHEN(member) offsetof(struct route_when, member)
#define MEMBER(member) offsetof(struct member_row, member)
#define KEY(member) offsetof(struct access_key, member)
#define ROWS(t) t, sizeof(t) / sizeof((t)[0])

/* What a build without the commands that print it needs not hold. */
#if WITH_TOOLS
#define HELP(...) __VA_ARGS__
#else
#define HELP(...) ""
#endif

#define MB (1024 * 1024LL)
#define DAY 86400

static const char *const sandbox_wishes[] = { "off", "auto", "on", NULL };
static const char *const access_modes[] = { "auto", "keys", "local", "passthrough", "open", NULL };
const char *const config_rights[] = { "messages", "count_tokens", "models", "health", "debug",
	"doctor", "capture", NULL };
static const char *const environments[] = { "production", "development", NULL };
static const char *const log_levels[] = { "debug", "info", "warn", "error", "none", NULL };
static const char *const log_places[] = { "stderr", "syslog", "none", NULL };
static const char *const auths[] = { "none", "bearer", "header", "basic", "sigv4",
	NULL };
static const char *const credentials[] = { "key", "file", "exec", "oauth", "databricks-m2m",
	"entra", "managed-identity", "aws", "aws-keys", "google", NULL };
static const char *const mid_systems[] = { "keep", "user", "hoist", NULL };
static const char *const reasonings[] = { "none", "effort", "openrouter", "thinking", "budget",
	"switch", "parsed", NULL };
static const char *const replays[] = { "drop", "tools", "all", "details", "parts", "summary",
	"blocks", NULL };
static const char *const forced_tools[] = { "taken", "unthinking", "refused", NULL };
static const char *const foreign_thinkings[] = { "unsigned", "blank", "dropped", NULL };
static const char *const required_words[] = { "required", "any", NULL };
static const char *const prefill_members[] = { "prefix", "partial", NULL };
static const char *const temperatures[] = { "0.01", "0.001", NULL };
static const char *const traces[] = { "enabled", "disabled", "enabled_full", NULL };
static const char *const service_tiers[] = { "priority", "default", "flex", "reserved", NULL };
static const char *const latencies[] = { "standard", "optimized", NULL };
static const char *const max_tokens_names[] = { "max_tokens", "max_completion_tokens", NULL };

static const struct option global_rows[] = {
	{ "proxy_backend", TYPE_TEXT, GLOBAL(proxy_backend), NULL, 0, 0, "PROXY_BACKEND", NULL,
		"the one that is configured, or the first preset that has its key",
		HELP("Backend that requests go to: a preset's name or one of `backends`.") },

	{ "models.big", TYPE_TEXT, GLOBAL(model_big), NULL, 0, 0, "MESSAGES_MODEL ANTHROPIC_MODEL",
		NULL, "the backend's",
		HELP("The backend's model that `big` stands for.") },
	{ "models.small", TYPE_TEXT, GLOBAL(model_small), NULL, 0, 0,
		"MESSAGES_SMALL_MODEL ANTHROPIC_SMALL_FAST_MODEL", NULL,
		"the backend's, else `big`",
		HELP("The backend's model that `small` stands for: Claude Code's background "
		     "work.") },
	{ "models.default", TYPE_TEXT, GLOBAL(model_default), NULL, 0, 0, "MESSAGES_DEFAULT_MODEL",
		NULL,
		"the name goes on as it came",
		HELP("Model for names that no rule matches: `big`, `small` or a model of the "
		     "backend.") },
	{ "models.map", TYPE_RULES, GLOBAL(rules), NULL, 0, 0, NULL, NULL,
		"claude-*haiku* to small, claude-* to big, unless the backend's own names are "
		"Claude's",
		HELP("Rules from requested names to models; the first that matches wins.") },

	{ "routes", TYPE_ROUTES, GLOBAL(routes), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Rules that decide by the request before models.map does; the first whose "
		     "`when` holds wins.") },
	{ "targets", TYPE_TARGETS, GLOBAL(targets), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Named chains of backends and models: a member that fails before its first "
		     "content is followed by the next.") },
	{ "routing.direct", TYPE_BOOL, GLOBAL(direct), "true", 0, 0, "MESSAGES_DIRECT", NULL, NULL,
		HELP("Clients may name a backend themselves: \"NAME/model\", \"NAME,model\", or "
		     "/b/NAME before the path.") },
	{ "routing.failover_statuses", TYPE_LIST, GLOBAL(failover_statuses), NULL, 0, 0, NULL, NULL,
		NULL,
		HELP("Further HTTP statuses of a backend that the next member may cure: \"404\". "
		     "408, 429, 5xx and a refused key of the gateway's own always count.") },
	{ "breaker.failures", TYPE_INT, GLOBAL(breaker_failures), "3", 1, 1000, NULL, NULL, NULL,
		HELP("Failures in a row after which a backend is passed over while there is "
		     "another.") },
	{ "breaker.cooldown", TYPE_INT, GLOBAL(breaker_cooldown), "5", 1, DAY, NULL, NULL, NULL,
		HELP("Seconds until it is tried again, by one request; doubled each time that "
		     "fails.") },
	{ "breaker.cooldown_max", TYPE_INT, GLOBAL(breaker_cooldown_max), "300", 1, DAY, NULL, NULL,
		NULL,
		HELP("Most seconds that it becomes.") },

	{ "backends", TYPE_BACKENDS, 0, NULL, 0, 0, NULL, NULL, "the presets that have their key",
		HELP("Settings of each backend by its name: over a preset's, or all of it.") },

	{ "access.mode", TYPE_WORD, GLOBAL(access_mode), "auto", 0, 0, "MESSAGES_ACCESS_MODE",
		access_modes,
		"keys when there are any, else local",
		HELP("Who may use the gateway: holders of a key, this machine alone, callers "
		     "with their own key for the backend, anyone.") },
	{ "access.keys", TYPE_KEYS, GLOBAL(keys), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Keys of clients, by the SHA-256 of each; `messages.fcgi --new-key NAME` "
		     "makes one.") },
	{ "access.keys_file", TYPE_PATH, GLOBAL(keys_file), NULL, 0, 0, "MESSAGES_KEYS_FILE", NULL,
		NULL,
		HELP("File with further keys, one a line: name sha256 [sha256] [owner=…] "
		     "[group=…] [expires=…] [disabled].") },
	{ "access.hosts", TYPE_LIST, GLOBAL(hosts), NULL, 0, 0, "MESSAGES_HOSTS", NULL, NULL,
		HELP("Names besides localhost, 127.0.0.1 and [::1] under which mode `local` may "
		     "be called.") },
	{ "access.origins", TYPE_LIST, GLOBAL(origins), NULL, 0, 0, "MESSAGES_ORIGINS", NULL, NULL,
		HELP("Web origins whose pages may call the gateway (CORS): "
		     "\"https://chat.example.org\".") },
	{ "access.passthrough_backend", TYPE_TEXT, GLOBAL(passthrough_backend), NULL, 0, 0,
		"MESSAGES_PASSTHROUGH_BACKEND", NULL,
		"proxy_backend",
		HELP("The one backend that gets callers' own keys in mode `passthrough`.") },
	{ "access.default_requests_per_minute", TYPE_INT, GLOBAL(default_requests), "0", 0,
		10000000, "MESSAGES_REQUESTS_PER_MINUTE", NULL, NULL,
		HELP("requests_per_minute of keys that do not say. 0: no limit.") },
	{ "access.default_tokens_per_minute", TYPE_COUNT, GLOBAL(default_tokens), "0", 0,
		1000000000, "MESSAGES_TOKENS_PER_MINUTE", NULL, NULL,
		HELP("tokens_per_minute of keys that do not say. 0: no limit.") },
	{ "access.default_streams", TYPE_INT, GLOBAL(default_streams), "0", 0, 4096,
		"MESSAGES_STREAMS", NULL, NULL,
		HELP("streams of keys that do not say. 0: no limit.") },
	{ "access.end_streams", TYPE_BOOL, GLOBAL(end_streams), "false", 0, 0,
		"MESSAGES_END_STREAMS", NULL, NULL,
		HELP("End the running answers of a key that is taken away; else they run to "
		     "their end.") },
	{ "access.trusted_proxies", TYPE_LIST, GLOBAL(trusted_proxies), NULL, 0, 0,
		"MESSAGES_TRUSTED_PROXIES", NULL, NULL,
		HELP("Addresses and networks whose X-Forwarded-For is believed: \"10.0.0.0/8\", "
		     "\"2001:db8::/32\".") },
	{ "access.throttle_failures", TYPE_INT, GLOBAL(throttle_failures), "20", 0, 10000,
		"MESSAGES_THROTTLE_FAILURES", NULL, NULL,
		HELP("Refused keys of one address, and uses of one refused key, that are "
		     "answered with 401 within throttle_window; further ones get 429. 0: no end "
		     "of them.") },
	{ "access.throttle_window", TYPE_INT, GLOBAL(throttle_window), "60", 1, DAY,
		"MESSAGES_THROTTLE_WINDOW", NULL, NULL,
		HELP("Seconds in which that many are forgotten again.") },

	{ "limits.max_body", TYPE_SIZE, GLOBAL(max_body), NULL, 1024, 1024 * MB,
		"MESSAGES_MAX_BODY", NULL,
		"32 MB, or limits.memory where that is less",
		HELP("Largest request body, in bytes; a larger one is refused with 413.") },
	{ "limits.memory", TYPE_SIZE, GLOBAL(memory), NULL, 1 * MB, 1024 * 1024 * MB,
		"MESSAGES_MEMORY", NULL,
		"a quarter of the machine's memory, its control group's or RLIMIT_AS, whichever is "
		"least; at least a limits.max_body that is set",
		HELP("Request bodies held at once by a process, in bytes; more are refused with "
		     "529.") },
	{ "limits.requests", TYPE_INT, GLOBAL(requests), NULL, 1, 1000000, "MESSAGES_REQUESTS",
		NULL,
		"two for each MB of that memory, 16 to 4096",
		HELP("Requests served at once by a process; more are refused with 529.") },
	{ "limits.workers", TYPE_INT, GLOBAL(workers), NULL, 1, 1000000, "MESSAGES_WORKERS", NULL,
		"limits.requests and 8, as far as open files allow (4 for each)",
		HELP("Threads of a process, made when they are needed.") },
	{ "limits.idle_worker", TYPE_INT, GLOBAL(idle_worker), "60", 1, DAY, "MESSAGES_IDLE_WORKER",
		NULL, NULL,
		HELP("Seconds after which a thread without work ends.") },
	{ "limits.max_event", TYPE_SIZE, GLOBAL(max_event), "16M", 4096, 1024 * MB,
		"MESSAGES_MAX_EVENT", NULL, NULL,
		HELP("Largest single event of a backend's stream, in bytes.") },

	{ "stream.commit_after", TYPE_INT, GLOBAL(commit_after), "25", 0, 3600,
		"MESSAGES_COMMIT_AFTER", NULL, NULL,
		HELP("Seconds that the backend's own status is waited for before the answer "
		     "begins with 200 and comments.") },
	{ "stream.ping_interval", TYPE_INT, GLOBAL(ping_interval), "10", 1, 3600,
		"MESSAGES_PING_INTERVAL", NULL, NULL,
		HELP("Seconds between pings in a stream that has begun.") },
	{ "stream.probe_interval", TYPE_INT, GLOBAL(probe_interval), "2", 1, 3600,
		"MESSAGES_PROBE_INTERVAL", NULL, NULL,
		HELP("Seconds of silence after which a comment is written: most web servers tell "
		     "only then that a client has gone.") },

	{ "client_read_timeout", TYPE_INT, GLOBAL(client_read_timeout), "60", 1, DAY,
		"MESSAGES_CLIENT_READ_TIMEOUT", NULL, NULL,
		HELP("Seconds without a byte of the request's body after which it is given up.") },
	{ "client_write_timeout", TYPE_INT, GLOBAL(client_write_timeout), "60", 1, DAY,
		"MESSAGES_CLIENT_WRITE_TIMEOUT", NULL, NULL,
		HELP("Seconds after which a client that stops reading is cut.") },
	{ "shutdown_grace", TYPE_INT, GLOBAL(shutdown_grace), "6", 0, 3600,
		"MESSAGES_SHUTDOWN_GRACE", NULL, NULL,
		HELP("Seconds that running streams get after SIGTERM; mod_fcgid kills after 8.") },

	{ "log.level", TYPE_TEXT, GLOBAL(log_level), "info", 0, 0, "MESSAGES_LOG_LEVEL LOG_LEVEL",
		log_levels, NULL,
		HELP("Least weight of what is logged.") },
	{ "log.dest", TYPE_LOG, GLOBAL(log_dest), "stderr", 0, 0, "MESSAGES_LOG_DEST", log_places,
		NULL,
		HELP("Where the log goes: stderr, syslog, none, or a file.") },
	{ "log.requests", TYPE_BOOL, GLOBAL(log_requests), "true", 0, 0, "MESSAGES_LOG_REQUESTS",
		NULL, NULL,
		HELP("One line for each request: ids, the client's address, models, status, "
		     "tokens, times; never contents or keys.") },

	{ "log.dir", TYPE_PATH, GLOBAL(log_dir), NULL, 0, 0, "MESSAGES_LOG_DIR", NULL,
		"errors are not recorded",
		HELP("Folder of the error files that `messages.fcgi errors` and /debug read; all "
		     "processes of a host may share it.") },
	{ "log.retention_days", TYPE_INT, GLOBAL(log_retention_days), "14", 0, 3650,
		"MESSAGES_LOG_RETENTION_DAYS", NULL, NULL,
		HELP("Days that error files are kept besides today.") },
	{ "log.compress", TYPE_BOOL, GLOBAL(log_compress), "true", 0, 0, "MESSAGES_LOG_COMPRESS",
		NULL, NULL,
		HELP("Compress error files of days that are over.") },
	{ "log.max_bytes", TYPE_SIZE, GLOBAL(log_max_bytes), "64M", 1 * MB, 1024 * 1024 * MB,
		"MESSAGES_LOG_MAX_BYTES", NULL, NULL,
		HELP("Most bytes of all error files together; the oldest go first.") },
	{ "log.max_files", TYPE_INT, GLOBAL(log_max_files), "200", 8, 8000,
		"MESSAGES_LOG_MAX_FILES", NULL, NULL,
		HELP("Most error files; the oldest go first.") },
	{ "log.contents", TYPE_SIZE, GLOBAL(log_contents), "2K", 0, 8192, "MESSAGES_LOG_CONTENTS",
		NULL, NULL,
		HELP("Bytes of a request's body in the debug files that log.level \"debug\" adds "
		     "to the error files; 0: none.") },

	{ "capture.dir", TYPE_PATH, GLOBAL(capture_dir), NULL, 0, 0, "MESSAGES_CAPTURE_DIR", NULL,
		"`capture` in log.dir",
		HELP("Folder of captures: what a client asks for with x-debug-capture, with a "
		     "key that has the right, and all requests of keys with `capture`.") },
	{ "capture.max_requests", TYPE_INT, GLOBAL(capture_max_requests), "50", 1, 10000,
		"MESSAGES_CAPTURE_MAX_REQUESTS", NULL, NULL,
		HELP("Most captures that are kept; the oldest go first.") },
	{ "capture.max_bytes", TYPE_SIZE, GLOBAL(capture_max_bytes), "256M", 1 * MB,
		1024 * 1024 * MB, "MESSAGES_CAPTURE_MAX_BYTES", NULL, NULL,
		HELP("Most bytes of all captures together; the oldest go first.") },
	{ "capture.max_request", TYPE_SIZE, GLOBAL(capture_max_request), "32M", 4096, 1024 * MB,
		"MESSAGES_CAPTURE_MAX_REQUEST", NULL, NULL,
		HELP("Most bytes of each part of one capture, in memory until its request is "
		     "over.") },
	{ "capture.base64", TYPE_SIZE, GLOBAL(capture_base64), "0", 0, 1024 * MB,
		"MESSAGES_CAPTURE_BASE64", NULL, NULL,
		HELP("Longer runs of base64 in requests (images, documents) are cut to so many "
		     "bytes; 0: none is.") },

	{ "environment", TYPE_WORD, GLOBAL(environment), "production", 0, 0,
		"MESSAGES_ENVIRONMENT", environments, NULL,
		HELP("`development` opens /debug to callers on this machine without a key.") },

	{ "state.dir", TYPE_PATH, GLOBAL(state_dir), NULL, 0, 0, "MESSAGES_STATE_DIR", NULL,
		"each process keeps its own",
		HELP("Folder of what all processes of this host share; made "
		     "if it is missing.") },
	{ "doctor.word", TYPE_HIDDEN, GLOBAL(doctor_word), NULL, 0, 0, "MESSAGES_DOCTOR_WORD", NULL,
		NULL,
		HELP("Word of 16 characters or more that opens /doctor once, for half an hour "
		     "after the configuration was changed, while there are no keys.") },
	{ "health.interval", TYPE_INT, GLOBAL(health_interval), "30", 1, DAY,
		"MESSAGES_HEALTH_INTERVAL", NULL, NULL,
		HELP("Seconds between probes of a backend, for all processes together.") },

	{ "security.core_dumps", TYPE_BOOL, GLOBAL(core_dumps), "false", 0, 0,
		"MESSAGES_CORE_DUMPS", NULL, NULL,
		HELP("Let a crash write a core file, and other processes of this user look into "
		     "this one: both hold keys and contents.") },
	{ "security.no_new_privs", TYPE_WORD, GLOBAL(no_new_privs), "auto", 0, 0,
		"MESSAGES_NO_NEW_PRIVS", sandbox_wishes, NULL,
		HELP("Never get more rights than at the start. `auto`: unless a command gets a "
		     "credential; `on`: or do not start.") },
	{ "security.seccomp", TYPE_WORD, GLOBAL(seccomp), "auto", 0, 0, "MESSAGES_SECCOMP",
		sandbox_wishes, NULL,
		HELP("Refuse system calls that are never made here: programs, other processes, "
		     "the kernel's own. `auto`, `on` as above.") },
	{ "security.landlock", TYPE_WORD, GLOBAL(landlock), "auto", 0, 0, "MESSAGES_LANDLOCK",
		sandbox_wishes, NULL,
		HELP("Open files of the system, the configuration, the log and state.dir alone. "
		     "`auto`, `on` as above.") },
};
const struct option_table options_global = { "", "Settings of the gateway.", ROWS(global_rows) };

static const struct option backend_rows[] = {
	{ "preset", TYPE_TEXT, BACKEND(preset), NULL, 0, 0, NULL, NULL, "the one of that name",
		HELP("Preset whose settings this backend begins with, for a second one of the "
		     "same provider.") },
	{ "dialect", TYPE_TEXT, BACKEND(dialect), NULL, 0, 0, NULL, NULL, "the preset's",
		HELP("Wire format: `openai-chat`, `openai-responses`, `openai` (either of them, "
		     "see responses_models), `anthropic`.") },
	{ "base_url", TYPE_URL, BACKEND(base_url), NULL, 0, 0, NULL, NULL, "the preset's",
		HELP("Where the API begins. openai-chat: a URL without a path gets /v1; "
		     "anthropic: an ending /v1 is taken off.") },
	{ "api_key", TYPE_SECRET, BACKEND(api_key), NULL, 0, 0, NULL, NULL, "the preset's variable",
		HELP("Credential: \"env:NAME\", \"file:PATH\" (read again when it changes), "
		     "\"exec:COMMAND\" (run again when its token expires), or the key itself "
		     "(--check warns).") },
	{ "api_keys", TYPE_SECRETS, BACKEND(api_keys), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Further keys that take turns with api_key, written like it but for commands: "
		     "( \"env:A\", \"file:B\" ). One that is refused or rate-limited rests.") },
	{ "credential.kind", TYPE_WORD, BACKEND(credential.kind), "key", 0, 0, NULL, credentials,
		"api_key",
		HELP("How the credential is got where it is more than api_key.") },
	{ "credential.source", TYPE_TEXT, BACKEND(credential.source), NULL, 0, 0, NULL, NULL, NULL,
		HELP("`file`: its path; `exec`: the command, run without a shell; `google`: the "
		     "JSON file of a service account, else the machine's own; `entra`: a file "
		     "with a token of another issuer, in place of client_secret.") },
	{ "credential.client_id", TYPE_TEXT, BACKEND(credential.client_id), NULL, 0, 0, NULL, NULL,
		NULL,
		HELP("OAuth kinds: the client, which Databricks calls service principal; "
		     "`managed-identity`: which of the machine's.") },
	{ "credential.client_secret", TYPE_SECRET, BACKEND(credential.client_secret), NULL, 0, 0,
		NULL, NULL, NULL,
		HELP("Its secret: \"env:NAME\" or \"file:PATH\".") },
	{ "credential.tenant", TYPE_TEXT, BACKEND(credential.tenant), NULL, 0, 0, NULL, NULL, NULL,
		HELP("`entra`: the tenant's id or domain.") },
	{ "credential.host", TYPE_TEXT, BACKEND(credential.host), NULL, 0, 0, NULL, NULL,
		"base_url's",
		HELP("`databricks-m2m`: host of the workspace.") },
	{ "credential.scope", TYPE_TEXT, BACKEND(credential.scope), NULL, 0, 0, NULL, NULL,
		"all-apis, https://cognitiveservices.azure.com/.default",
		HELP("OAuth kinds: what the token is for.") },
	{ "credential.token_url", TYPE_URL, BACKEND(credential.token_url), NULL, 0, 0, NULL, NULL,
		"the kind's own",
		HELP("OAuth kinds: where tokens are had.") },
	{ "credential.session", TYPE_SECRET, BACKEND(credential.session), NULL, 0, 0, NULL, NULL,
		NULL,
		HELP("`aws`: session token that belongs to the keys, which are client_id and "
		     "client_secret.") },
	{ "credential.profile", TYPE_TEXT, BACKEND(credential.profile), NULL, 0, 0, NULL, NULL,
		"default",
		HELP("`aws`: profile of ~/.aws/credentials and ~/.aws/config.") },
	{ "credential.role", TYPE_TEXT, BACKEND(credential.role), NULL, 0, 0, NULL, NULL, NULL,
		HELP("`aws`: ARN of a role that is assumed with what was found; `google`: e-mail "
		     "address of a service account that is impersonated.") },
	{ "credential.external_id", TYPE_TEXT, BACKEND(credential.external_id), NULL, 0, 0, NULL,
		NULL, NULL,
		HELP("`aws`: what the role's owner asks to be told.") },
	{ "credential.session_name", TYPE_TEXT, BACKEND(credential.session_name), NULL, 0, 0, NULL,
		NULL, "messages-fcgi",
		HELP("`aws`: name of the role's session, which its owner sees.") },
	{ "credential.role_seconds", TYPE_INT, BACKEND(credential.role_seconds), NULL, 0, 43200,
		NULL, NULL, "the provider's, 3600",
		HELP("How long a session of the role is to last. 0 leaves it to the provider.") },
	{ "credential.lifetime", TYPE_INT, BACKEND(credential.lifetime), "300", 1, DAY, NULL, NULL,
		NULL,
		HELP("Seconds that a token is good for when nothing says how long.") },
	{ "model_big", TYPE_TEXT, BACKEND(model_big), NULL, 0, 0, NULL, NULL, "the preset's",
		HELP("What `big` stands for when this backend is in use.") },
	{ "model_small", TYPE_TEXT, BACKEND(model_small), NULL, 0, 0, NULL, NULL, "the preset's",
		HELP("What `small` stands for when this backend is in use.") },
	{ "model_prefix", TYPE_TEXT, BACKEND(model_prefix), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Put before each model's name that does not begin with it: "
		     "\"openrouter/\".") },

	{ "connect_timeout", TYPE_INT, BACKEND(connect_timeout), "10", 1, 3600,
		"MESSAGES_CONNECT_TIMEOUT", NULL, NULL,
		HELP("Seconds for name, connection and TLS.") },
	{ "first_byte_timeout", TYPE_INT, BACKEND(first_byte_timeout), "600", 1, DAY,
		"MESSAGES_FIRST_BYTE_TIMEOUT", NULL, NULL,
		HELP("Seconds until the backend's first byte.") },
	{ "idle_timeout", TYPE_INT, BACKEND(idle_timeout), "300", 1, DAY, "MESSAGES_IDLE_TIMEOUT",
		NULL, NULL,
		HELP("Seconds of silence in the middle of an answer.") },
	{ "timeout", TYPE_INT, BACKEND(timeout), "3600", 1, 7 * DAY,
		"MESSAGES_TIMEOUT REQUEST_TIMEOUT", NULL, NULL,
		HELP("Seconds for a whole call, its retries included.") },
	{ "retries", TYPE_INT, BACKEND(retries), "2", 0, 20, "MESSAGES_RETRIES MAX_RETRIES", NULL,
		NULL,
		HELP("Further tries after the first, before any content has come.") },

	{ "max_tokens_max", TYPE_COUNT, BACKEND(max_tokens_max), "0", 0, INT32_MAX,
		"MESSAGES_MAX_TOKENS MAX_TOKENS_LIMIT", NULL,
		NULL,
		HELP("Most output tokens that are asked for; larger wishes are lowered. 0: no "
		     "limit.") },
	{ "max_tokens_min", TYPE_COUNT, BACKEND(max_tokens_min), "0", 0, INT32_MAX, NULL, NULL,
		NULL,
		HELP("Least output tokens that are asked for, for backends that refuse fewer. 0: "
		     "no limit.") },
	{ "context_tokens", TYPE_COUNT, BACKEND(context_tokens), "0", 0, INT32_MAX,
		"MESSAGES_CONTEXT_TOKENS", NULL, NULL,
		HELP("The models' window in tokens, published in /v1/models. 0: not known.") },

	{ "headers", TYPE_HEADERS, BACKEND(headers), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Further headers: ( { name = \"X-Team\"; value = \"blue\"; } ); a value may "
		     "be env: or file:.") },
	{ "body", TYPE_BODY, BACKEND(body), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Members put into each request's body: { provider = { sort = \"price\"; }; "
		     "}. A text that begins with json: is JSON as it stands, for what has no "
		     "form in this file: logit_bias = \"json:{\\\"50256\\\":-100}\".") },
	{ "drop_members", TYPE_LIST, BACKEND(drop_members), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Members of the body that this backend refuses; left out with their betas.") },
	{ "drop_betas", TYPE_LIST, BACKEND(drop_betas), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Values of anthropic-beta that this backend refuses; `*` and `?` match.") },

	{ "proxy", TYPE_PROXY, BACKEND(proxy), NULL, 0, 0, "MESSAGES_PROXY", NULL,
		"https_proxy, all_proxy, no_proxy",
		HELP("Proxy for this backend's calls; \"\" for none. Loopback never goes through "
		     "one.") },
	{ "ca_file", TYPE_CA, BACKEND(ca_file), NULL, 0, 0, "MESSAGES_CA_FILE", NULL,
		"the system's; --check says which",
		HELP("PEM file of the authorities that vouch for the backend's certificate.") },
	{ "tls_verify", TYPE_BOOL, BACKEND(tls_verify), "true", 0, 0, NULL, NULL, NULL,
		HELP("Check the backend's certificate and name.") },
	{ "http2", TYPE_BOOL, BACKEND(http2), "false", 0, 0, NULL, NULL, NULL,
		HELP("Use HTTP/2 where the backend offers it.") },
	{ "auth", TYPE_WORD, BACKEND(auth), "bearer", 0, 0, NULL, auths, NULL,
		HELP("How the credential is sent: Authorization: Bearer, a header of its own, "
		     "Basic, AWS's signature (a plain key as Bearer then), or not at all.") },
	{ "region", TYPE_TEXT, BACKEND(region), NULL, 0, 0, NULL, NULL, NULL,
		HELP("AWS region or Google location: what \"{region}\" in base_url stands for, "
		     "and what AWS's signature names.") },
	{ "guardrail.id", TYPE_TEXT, BACKEND(guardrail.id), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Bedrock: id or ARN of the guardrail that each request passes.") },
	{ "guardrail.version", TYPE_TEXT, BACKEND(guardrail.version), "DRAFT", 0, 0, NULL, NULL,
		NULL, HELP("Bedrock: its version.") },
	{ "guardrail.trace", TYPE_TEXT, BACKEND(guardrail.trace), NULL, 0, 0, NULL, traces, NULL,
		HELP("Bedrock: whether it says what it found.") },
	{ "service_tier", TYPE_TEXT, BACKEND(service_tier), NULL, 0, 0, NULL, service_tiers, NULL,
		HELP("Bedrock: what requests are served before, and what they cost.") },
	{ "latency", TYPE_TEXT, BACKEND(latency), NULL, 0, 0, NULL, latencies, NULL,
		HELP("Bedrock: latency-optimized inference for models that have it.") },
	{ "project", TYPE_TEXT, BACKEND(project), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Google project: what \"{project}\" in base_url stands for.") },
	{ "auth_header", TYPE_TEXT, BACKEND(auth_header), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Name of that header for auth = \"header\".") },
	{ "auth_user", TYPE_TEXT, BACKEND(auth_user), NULL, 0, 0, NULL, NULL, NULL,
		HELP("User of auth = \"basic\" where the key is only a password.") },
	{ "host", TYPE_TEXT, BACKEND(host), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Host that base_url is made from where that is not set.") },
	{ "api_version", TYPE_TEXT, BACKEND(api_version), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Azure OpenAI: a date stands for the API with deployments in its addresses, "
		     "another word goes behind the paths.") },
	{ "host_suffix", TYPE_TEXT, BACKEND(host_suffix), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Appended to a host without a domain.") },
	{ "base_path", TYPE_TEXT, BACKEND(base_path), NULL, 0, 0, NULL, NULL, "the dialect's",
		HELP("Appended to a base_url without a path: \"/v1\".") },
	{ "path_message", TYPE_TEXT, BACKEND(path_message), NULL, 0, 0, NULL, NULL, "the dialect's",
		HELP("Appended to base_url for a message.") },
	{ "path_responses", TYPE_TEXT, BACKEND(path_responses), NULL, 0, 0, NULL, NULL,
		"the dialect's",
		HELP("Appended to base_url for a message of the dialect openai-responses.") },
	{ "responses_models", TYPE_LIST, BACKEND(responses_models), NULL, 0, 0, NULL, NULL,
		"the preset's",
		HELP("Dialect `openai`: models that openai-responses is used for, openai-chat "
		     "for the others; `*` and `?` match.") },
	{ "path_count", TYPE_TEXT, BACKEND(path_count), NULL, 0, 0, NULL, NULL, "the dialect's",
		HELP("Appended to base_url to count tokens; \"\" when the backend cannot.") },
	{ "path_models", TYPE_TEXT, BACKEND(path_models), NULL, 0, 0, NULL, NULL, "the dialect's",
		HELP("Appended to base_url for the list of models; \"\" when it has none. "
		     "Several are separated by spaces.") },
	{ "models_url", TYPE_URL, BACKEND(models_url), NULL, 0, 0, NULL, NULL, "base_url",
		HELP("Stands for base_url where the lists of models are at another host.") },

	{ "mid_system", TYPE_WORD, BACKEND(mid_system), "user", 0, 0, NULL, mid_systems, NULL,
		HELP("System entries in the middle of a conversation: kept, made the user's, or "
		     "moved to the front.") },
	{ "reasoning", TYPE_WORD, BACKEND(reasoning), "none", 0, 0, NULL, reasonings, NULL,
		HELP("How thinking is asked for: reasoning_effort, OpenRouter's reasoning, "
		     "thinking on or off, thinking with a budget, enable_thinking, "
		     "reasoning_effort with a parsed reasoning_format, or not.") },
	{ "tools_or_reasoning", TYPE_BOOL, BACKEND(tools_or_reasoning), "false", 0, 0, NULL, NULL,
		NULL,
		HELP("GPT-5.4 and later are told not to think when there are tools, which they "
		     "refuse otherwise.") },
	{ "replay", TYPE_WORD, BACKEND(replay), "drop", 0, 0, NULL, replays, NULL,
		HELP("Thinking in the history: dropped, reasoning_content with tool calls or "
		     "always, reasoning_details, thinking parts, reasoning parts with a summary, "
		     "or thinking_blocks.") },
	{ "max_tokens_member", TYPE_TEXT, BACKEND(max_tokens_member), NULL, 0, 0, NULL,
		max_tokens_names, "by the model's name",
		HELP("Which member limits the output.") },
	{ "stream_options", TYPE_BOOL, BACKEND(stream_options), "true", 0, 0, NULL, NULL, NULL,
		HELP("Ask for usage in streams with stream_options.include_usage.") },
	{ "stop", TYPE_BOOL, BACKEND(stop), "true", 0, 0, NULL, NULL, NULL,
		HELP("The backend takes stop sequences. The gateway enforces them in any case.") },
	{ "stop_max", TYPE_INT, BACKEND(stop_max), "4", 0, 1000, NULL, NULL, NULL,
		HELP("Most stop sequences that it takes; no more are sent.") },
	{ "cache_control", TYPE_BOOL, BACKEND(cache_control), "false", 0, 0, NULL, NULL, NULL,
		HELP("Keep cache_control marks on text parts.") },
	{ "parallel_tool_calls", TYPE_BOOL, BACKEND(parallel_tool_calls), "true", 0, 0, NULL, NULL,
		NULL,
		HELP("The backend knows parallel_tool_calls.") },
	{ "tool_images", TYPE_BOOL, BACKEND(tool_images), "false", 0, 0, NULL, NULL, NULL,
		HELP("Tool messages may hold images; false: they follow in a user message.") },
	{ "files", TYPE_BOOL, BACKEND(files), "false", 0, 0, NULL, NULL, NULL,
		HELP("PDF documents go as file parts.") },
	{ "top_k", TYPE_BOOL, BACKEND(top_k), "false", 0, 0, NULL, NULL, NULL,
		HELP("The backend knows top_k.") },
	{ "user", TYPE_BOOL, BACKEND(user), "false", 0, 0, NULL, NULL, NULL,
		HELP("Tell the backend the name of the client's access key. Backends that speak "
		     "the Messages API get the client's own metadata instead.") },
	{ "user_member", TYPE_TEXT, BACKEND(user_member), "user", 0, 0, NULL, NULL, NULL,
		HELP("Member of the body that gets that name; \"usage_context.end_user\" is a "
		     "member of an object.") },
	{ "response_format", TYPE_BOOL, BACKEND(response_format), "true", 0, 0, NULL, NULL, NULL,
		HELP("The backend knows json_schema response formats.") },
	{ "strip_schema_null", TYPE_BOOL, BACKEND(strip_schema_null), "false", 0, 0, NULL, NULL,
		NULL,
		HELP("Leave $schema and null members out of tool schemas.") },
	{ "think_tags", TYPE_BOOL, BACKEND(think_tags), "true", 0, 0, NULL, NULL, NULL,
		HELP("<think>…</think> at the start of the text is thinking.") },
	{ "strip_thinking_retry", TYPE_BOOL, BACKEND(strip_thinking_retry), "false", 0, 0, NULL,
		NULL, NULL,
		HELP("Try once more without thinking blocks when a signature is refused.") },
	{ "tool_result_merge", TYPE_BOOL, BACKEND(tool_result_merge), "false", 0, 0, NULL, NULL,
		NULL,
		HELP("User text right after tool results goes into the last of them.") },
	{ "json_schema", TYPE_BOOL, BACKEND(json_schema), "false", 0, 0, NULL, NULL, NULL,
		HELP("Schemas go as they stand, in parametersJsonSchema and responseJsonSchema "
		     "(gemini).") },
	{ "count_wrapped", TYPE_BOOL, BACKEND(count_wrapped), "true", 0, 0, NULL, NULL, NULL,
		HELP("A token count holds a whole request (gemini).") },
	{ "session_member", TYPE_TEXT, BACKEND(session_member), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Member of the body that gets the client's session id, for prompt caches.") },
	{ "beta_header", TYPE_TEXT, BACKEND(beta_header), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Header that gets the client's anthropic-beta values (openai-chat).") },
	{ "pass_betas", TYPE_LIST, BACKEND(pass_betas), NULL, 0, 0, NULL, NULL, NULL,
		HELP("The values that go there; `*` and `?` match.") },
	{ "billing_header", TYPE_BOOL, BACKEND(billing_header), "false", 0, 0, NULL, NULL, NULL,
		HELP("Keep Claude Code's changing x-anthropic-billing-header line in the system "
		     "text.") },
	{ "tool_name_max", TYPE_INT, BACKEND(tool_name_max), "64", 16, 4096, NULL, NULL, NULL,
		HELP("Longest tool name; longer ones are shortened and restored.") },
	{ "call_id_length", TYPE_INT, BACKEND(call_id_length), "0", 0, 32, NULL, NULL, NULL,
		HELP("Tool call ids have exactly so many letters and digits; 0: any id.") },
	{ "tool_result_name", TYPE_BOOL, BACKEND(tool_result_name), "false", 0, 0, NULL, NULL,
		NULL,
		HELP("Tool messages carry the tool's name.") },
	{ "plain_parts", TYPE_BOOL, BACKEND(plain_parts), "false", 0, 0, NULL, NULL, NULL,
		HELP("image_url is a string and PDF documents go as document_url.") },
	{ "tool_plan", TYPE_BOOL, BACKEND(tool_plan), "false", 0, 0, NULL, NULL, NULL,
		HELP("Text beside tool calls goes as tool_plan (cohere).") },
	{ "prefill_member", TYPE_TEXT, BACKEND(prefill_member), NULL, 0, 0, NULL, prefill_members,
		"the message goes as any other",
		HELP("Member that marks an assistant message at the end as the answer's "
		     "beginning.") },
	{ "required_word", TYPE_TEXT, BACKEND(required_word), "required", 0, 0, NULL,
		required_words, NULL,
		HELP("tool_choice that demands a call of any tool.") },
	{ "forced_tool", TYPE_WORD, BACKEND(forced_tool), "taken", 0, 0, NULL, forced_tools, NULL,
		HELP("A demanded tool call: taken, taken only without thinking, or refused.") },
	{ "temperature_zero", TYPE_TEXT, BACKEND(temperature_zero), NULL, 0, 0, NULL, temperatures,
		"0",
		HELP("Number that a temperature of 0 becomes where that is refused.") },
	{ "pass_members", TYPE_LIST, BACKEND(pass_members), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Members of the client's body, unknown to the API, that go on as they are "
		     "(openai-chat).") },
	{ "plain_thinking", TYPE_BOOL, BACKEND(plain_thinking), "false", 0, 0, NULL, NULL, NULL,
		HELP("Thinking is on or off, never adaptive, and has no effort where it is off "
		     "(anthropic).") },
	{ "foreign_thinking", TYPE_WORD, BACKEND(foreign_thinking), "unsigned", 0, 0, NULL,
		foreign_thinkings, NULL,
		HELP("Thinking that another provider signed goes without its signature, with an "
		     "empty one, or not at all, where Claude does not verify it (anthropic).") },
	{ "drop_server_tools", TYPE_BOOL, BACKEND(drop_server_tools), "false", 0, 0, NULL, NULL,
		NULL,
		HELP("Leave tools out that only the API itself runs (anthropic).") },
	{ "pass_server_tools", TYPE_LIST, BACKEND(pass_server_tools), NULL, 0, 0, NULL, NULL, NULL,
		HELP("The types of such tools that stay; `*` and `?` match (anthropic).") },
};
const struct option_table options_backend = { "backends.NAME.",
	"Settings of one backend. Variables here are for all of them.",
	ROWS(backend_rows) };

static const struct option rule_rows[] = {
	{ "match", TYPE_TEXT, RULE(match), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Requested name; `*` and `?` match, case does not count.") },
	{ "to", TYPE_TEXT, RULE(to), NULL, 0, 0, NULL, NULL, NULL,
		HELP("`big`, `small` or a model of the backend.") },
};
const struct option_table options_rule = { "models.map.", "Members of each rule.",
	ROWS(rule_rows) };

static const struct option key_rows[] = {
	{ "name", TYPE_TEXT, KEY(name), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Name of the key, in the log.") },
	{ "sha256", TYPE_HASHES, KEY(sha256), NULL, 0, 0, NULL, NULL, NULL,
		HELP("SHA-256 of the key in hex; a list of two while a key is being changed.") },
	{ "owner", TYPE_TEXT, KEY(owner), NULL, 0, 0, NULL, NULL, NULL, HELP("Whose it is.") },
	{ "group", TYPE_TEXT, KEY(group), NULL, 0, 0, NULL, NULL, NULL, HELP("Group of its "
		     "owner.") },
	{ "expires", TYPE_TIME, KEY(expires), NULL, 0, 0, NULL, NULL, "never",
		HELP("End of its validity, \"2027-01-31T00:00:00Z\".") },
	{ "disabled", TYPE_BOOL, KEY(disabled), "false", 0, 0, NULL, NULL, NULL,
		HELP("Refused while true.") },
	{ "models", TYPE_LIST, KEY(models), NULL, 0, 0, NULL, NULL, "all",
		HELP("Models that it may use: names as clients ask for them, or as they are at "
		     "the backend, \"BACKEND/model\" too; `*` and `?` match, case does not "
		     "count.") },
	{ "backends", TYPE_LIST, KEY(backends), NULL, 0, 0, NULL, NULL, "all",
		HELP("Backends that it may use; `*` and `?` match.") },
	{ "endpoints", TYPE_LIST, KEY(endpoints), NULL, 0, 0, NULL, config_rights,
		"messages, count_tokens, models, health",
		HELP("What it may ask for.") },
	{ "requests_per_minute", TYPE_INT, KEY(requests), NULL, 0, 10000000, NULL, NULL,
		"access.default_requests_per_minute",
		HELP("Messages that it may send in a minute, and token counts; each by itself. "
		     "0: no limit.") },
	{ "tokens_per_minute", TYPE_COUNT, KEY(tokens), NULL, 0, 1000000000, NULL, NULL,
		"access.default_tokens_per_minute",
		HELP("Tokens that it may use in a minute: input without what was read from a "
		     "cache, and output. 0: no limit.") },
	{ "streams", TYPE_INT, KEY(streams), NULL, 0, 4096, NULL, NULL, "access.default_streams",
		HELP("Answers that it may have at once, streamed or whole. 0: no limit.") },
	{ "capture", TYPE_BOOL, KEY(capture), "false", 0, 0, NULL, NULL, NULL,
		HELP("All its requests are captured (capture.dir).") },
};
const struct option_table options_key = { "access.keys.", "Members of each key.", ROWS(key_rows) };

static const struct option route_rows[] = {
	{ "name", TYPE_TEXT, ROUTE(name), NULL, 0, 0, NULL, NULL, "its place",
		HELP("Name of the rule, in the log and for --route.") },
	{ "when", TYPE_WHEN, ROUTE(when), NULL, 0, 0, NULL, NULL, "always",
		HELP("What must hold, all of it.") },
	{ "to", TYPE_TO, ROUTE(to), NULL, 0, 0, NULL, NULL, NULL,
		HELP("A target's name, \"BACKEND/model\", \"BACKEND\" (the model as it was asked "
		     "for), `big`, `small` or a model of the backend in use; or a list of such "
		     "and of members.") },
	{ "options", TYPE_OVERLAY, 0, NULL, 0, 0, NULL, NULL, NULL,
		HELP("A backend's options that hold for this rule: { max_tokens_max = 8192; }.") },
};
const struct option_table options_route = { "routes.", "Members of each rule of `routes`.",
	ROWS(route_rows) };

static const struct option when_rows[] = {
	{ "model", TYPE_LIST, WHEN(model), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Requested name, or several; `*` and `?` match, case does not count.") },
	{ "family", TYPE_LIST, WHEN(family), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Family in a Claude name: \"opus\", \"sonnet-4\", \"haiku-4.5\".") },
	{ "background", TYPE_BOOL, WHEN(feature[FEATURE_BACKGROUND]), NULL, 0, 0, NULL, NULL, NULL,
		HELP("A haiku-class name, `small`, or a request that Claude Code marks as "
		     "auxiliary.") },
	{ "tokens_over", TYPE_COUNT, WHEN(tokens_over), NULL, 0, INT32_MAX, NULL, NULL, NULL,
		HELP("More estimated input tokens than this.") },
	{ "thinking", TYPE_BOOL, WHEN(feature[FEATURE_THINKING]), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Thinking is on, or an effort is given.") },
	{ "effort", TYPE_LIST, WHEN(effort), NULL, 0, 0, NULL, NULL, NULL,
		HELP("output_config.effort is one of these.") },
	{ "images", TYPE_BOOL, WHEN(feature[FEATURE_IMAGES]), NULL, 0, 0, NULL, NULL, NULL,
		HELP("The conversation has images.") },
	{ "documents", TYPE_BOOL, WHEN(feature[FEATURE_DOCUMENTS]), NULL, 0, 0, NULL, NULL, NULL,
		HELP("The conversation has documents.") },
	{ "web_search", TYPE_BOOL, WHEN(feature[FEATURE_WEB_SEARCH]), NULL, 0, 0, NULL, NULL, NULL,
		HELP("The request brings the web search tool.") },
	{ "agent", TYPE_BOOL, WHEN(feature[FEATURE_AGENT]), NULL, 0, 0, NULL, NULL, NULL,
		HELP("A sub-agent of Claude Code asks (x-claude-code-agent-id).") },
	{ "class", TYPE_LIST, WHEN(request_class), NULL, 0, 0, NULL, NULL, NULL,
		HELP("x-claude-code-request-class is one of these: main, subagent, workflow, "
		     "compaction, auxiliary.") },
	{ "key", TYPE_LIST, WHEN(key), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Name of the client's access key; `*` and `?` match.") },
	{ "group", TYPE_LIST, WHEN(group), NULL, 0, 0, NULL, NULL, NULL,
		HELP("Group of the client's access key; `*` and `?` match.") },
	{ "path", TYPE_LIST, WHEN(path), NULL, 0, 0, NULL, NULL, NULL,
		HELP("NAME of a path that begins with /b/NAME; other rules do not see such "
		     "requests.") },
};
const struct option_table options_when = { "routes.when.", "Conditions of a rule.",
	ROWS(when_rows) };

static const struct option member_rows[] = {
	{ "backend", TYPE_TEXT, MEMBER(backend), NULL, 0, 0, NULL, NULL, "the one in use",
		HELP("Name of the backend.") },
	{ "model", TYPE_TEXT, MEMBER(model), NULL, 0, 0, NULL, NULL, "as it was asked for",
		HELP("`big`, `small` or a model of that backend.") },
	{ "weight", TYPE_INT, MEMBER(weight), "0", 0, 1000000, NULL, NULL, NULL,
		HELP("Share of the sessions that begin here; members without one are only fallen "
		     "back to.") },
	{ "options", TYPE_OVERLAY, 0, NULL, 0, 0, NULL, NULL, NULL,
		HELP("The backend's options that hold for this member.") },
};
const struct option_table options_member = { "targets.NAME.",
	"Members of a chain; a text says backend and model in one.", ROWS(member_rows) };

const struct option_table *const options_all[] = { &options_global, &options_rule, &options_route,
	&options_when, &options_member, &options_key, &options_backend, NULL };
