/*
 * What a process needs of the machine, gathered from all that knows: the configuration and where
 * its files are, credentials, certificates, the log, the state that processes share.
 */
#include "api/api.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "upstream/credential.h"
#include "upstream/tls.h"

/* Variables that name files of the libraries and providers: SSL_CERT_FILE, AWS_CONFIG_FILE,
 * GOOGLE_APPLICATION_CREDENTIALS, CLOUDSDK_CONFIG, TZDIR … */
static const char *const file_variables[] = { "*_FILE", "*_DIR", "*_CREDENTIALS", "*_CONFIG",
					      "TZDIR", "HOSTALIASES", NULL };

static void allow_named(struct sandbox_plan *p)
{
	extern char **environ;

	for (size_t i = 0; environ && environ[i]; i++) {
		struct str name = { environ[i], strcspn(environ[i], "=") };
		const char *value = name.p[name.n] ? name.p + name.n + 1 : "";

		if (env_from_client(name))
			continue;
		for (size_t k = 0; file_variables[k]; k++) {
			if (!str_glob(file_variables[k], name))
				continue;
			sandbox_allow(p, value, false);
			sandbox_allow_folder(p, value, false);
		}
	}
}

static void allow_homes(struct sandbox_plan *p)
{
	static const char *const folders[] = { ".aws", ".config/gcloud", ".config/messages" };
	const char *home = env_get("HOME");
	char path[4096];

	for (size_t i = 0; home && *home && i < sizeof(folders) / sizeof(folders[0]); i++)
		if (snprintf(path, sizeof(path), "%s/%s", home, folders[i]) < (int)sizeof(path))
			sandbox_allow(p, path, false);
}

/* Where tables are shared without a state.dir. */
static void allow_shared(struct sandbox_plan *p)
{
	static const char *const tops[] = { "/dev/shm", "/tmp" };
	char path[64];

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		snprintf(path, sizeof(path), "%s/messages-fcgi-%u", tops[i], (unsigned)geteuid());
		sandbox_allow(p, path, true);
	}
}

/* A command is read where it lies. */
static void allow_command(struct sandbox_plan *p, const char *source)
{
	const char *path = env_get("PATH");
	struct str rest = str_of(path ? path : ""), part;
	char folder[4096];
	int n = (int)strcspn(source, " \t");

	if (*source == '/' && snprintf(folder, sizeof(folder), "%.*s", n, source) <
				       (int)sizeof(folder))
		sandbox_allow_folder(p, folder, false);
	while (str_split(&rest, ':', &part))
		if (snprintf(folder, sizeof(folder), "%.*s", STR_ARGS(part)) < (int)sizeof(folder))
			sandbox_allow(p, folder, false);
}

/* A folder that is written, and where it lies, so that it may be made later and anew; but a home is
 * more than that: what lies in it is made now. */
static void allow_written(struct sandbox_plan *p, const char *folder)
{
	const char *home = env_get("HOME"), *slash = folder ? strrchr(folder, '/') : NULL;
	char above[4096];

	if (!folder)
		return;
	if (slash && home && strlen(home) == (size_t)(slash - folder) &&
	    !strncmp(home, folder, strlen(home)))
		mkdir(folder, 0700);
	sandbox_allow(p, folder, true);
	if (!slash || slash == folder ||
	    snprintf(above, sizeof(above), "%.*s", (int)(slash - folder), folder) >=
		    (int)sizeof(above))
		return;
	if (!home || strcmp(home, above) != 0)
		sandbox_allow(p, above, true);
}

static void allow_log(struct sandbox_plan *p, const char *path)
{
	const char *slash = path && *path == '/' ? strrchr(path, '/') : NULL;
	char folder[4096];

	if (!slash || snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path) >=
			      (int)sizeof(folder))
		return;
	sandbox_allow_folder(p, path, true);
	allow_written(p, folder);
}

static void of_backend(struct sandbox_plan *p, const struct backend *b, bool running)
{
	const char *command = credential_command(b);

	if (command)
		p->commands = command;
	if (!running)
		return;
	if (b->credential.source && b->credential.kind == CREDENTIAL_EXEC)
		allow_command(p, b->credential.source);
	else
		sandbox_allow_folder(p, b->credential.source, false);
	sandbox_allow(p, tls_anchors(b), false);
	sandbox_allow_folder(p, b->ca_file, false);
}

static void watched(void *ctx, const char *path)
{
	sandbox_allow_folder(ctx, path, false);
}

static void plan(struct sandbox_plan *p, const struct config *c, bool running)
{
	*p = (struct sandbox_plan){
		.wish = { [SANDBOX_NO_NEW_PRIVS] = c->no_new_privs, [SANDBOX_SECCOMP] = c->seccomp,
			  [SANDBOX_LANDLOCK] = c->landlock },
		.core_dumps = c->core_dumps,
	};
	for (size_t i = 0; i < c->nbackends; i++)
		of_backend(p, &c->backends[i], running);
	if (!running)
		return;
	config_watched(watched, p);
	allow_named(p);
	allow_homes(p);
	allow_shared(p);
	allow_written(p, c->state_dir);
	allow_written(p, c->log_dir);
	allow_log(p, c->log_dest);
}

int api_protect(const struct config *c, struct buf *err)
{
	struct sandbox_plan p;
	int r;

	for (size_t i = 0; i < c->nbackends; i++)
		if (!c->backends[i].tls_verify)
			log_warn("backend %s: tls_verify is off: whoever stands between here and "
				 "%s can read and change everything, its key too",
				 c->backends[i].name, c->backends[i].base_url);
	if (!c->core_dumps)
		sandbox_hide();
	plan(&p, c, true);
	r = sandbox_start(&p, err);
	sandbox_release(&p);
	return r;
}

void api_protect_describe(const struct config *c, FILE *out)
{
	const char *anchors = tls_system_anchors();
	struct sandbox_plan p;

	fprintf(out, "\ncertificates of authorities: %s\n",
		*anchors ? anchors : "none found; backends need a ca_file");
	plan(&p, c, false);
	sandbox_describe(&p, out);
	sandbox_release(&p);
}
