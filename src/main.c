/*
 * Entry point: told by how it was started whether it serves FastCGI, answers one CGI request, or
 * does what the command line asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/capture.h"
#include "base/bundle.h"
#include "base/log.h"
#include "base/os.h"
#include "base/parts.h"
#include "config.h"
#include "front/front.h"
#include "state/host.h"
#include "state/rates.h"
#include "upstream/credential.h"

#define STACK_BYTES (256 * 1024)
#define EXIT_USAGE 2
#define HEADERS_MAX 16
#define ARGUMENTS_MAX 8
#define CGI_TIDY_MS 500                 /* of a process that has answered its one request */

static const char usage[] =
"messages.fcgi " PACKAGE_VERSION ": the Anthropic Messages API as a FastCGI and CGI program\n"
"\n"
"A web server starts it; by itself it listens nowhere. Ways to start it:\n"
"  spawn-fcgi -a 127.0.0.1 -p 9000 -n -- messages.fcgi     FastCGI on a port\n"
"  lighttpd, Apache (mod_fcgid, mod_cgi), nginx, Caddy, systemd: samples in the\n"
"  source's lighttpd/, apache/ and conf/ folders\n"
"\n"
"Commands:\n"
"  --check             validate the configuration and say what will be used\n"
"  --print-config      the configuration in force, secrets left out\n"
"  --new-key NAME      make an access key and show the lines that allow it\n"
"  --route             read a request and say which rule, backends and models it gets\n"
"  --options FORMAT    every option, as text, markdown, man or conf\n"
"  import-env FILE     write a configuration from a .env file\n"
"  env [--url BASE]    the line that starts Claude Code against this gateway\n"
"  errors recent | show ID | search NAME=VALUE… | stats | cleanup [DAYS]\n"
"                      the recorded errors of log.dir, as JSON\n"
"  doctor [BASE_URL]   look for faults: configuration, machine, backends and, given the\n"
"                      URL that clients use, the web server in front\n"
"  --error-sites       every place of the program that reports an error, with its hash\n"
"  replay FOLDER       play a captured request: does it still come out as it did?\n"
"  --version, --help\n"
"\n"
"Options:\n"
"  --header 'NAME: V'  a header of the request, for --route\n"
"  --silence SECONDS   how long a silence the doctor tries, 0 for none\n"
"  --json              the doctor's findings as JSON\n"
"  --config FILE       the configuration (else MESSAGES_CONF, .htmessages.conf beside\n"
"                      the program, the user's, the system's)\n";

/* ---- process ---- */

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "messages.fcgi: %s%s%s\n", what, *why ? ": " : "", why);
	return EXIT_FAILURE;
}

/* Everything that serving needs, before the first request. */
static int start(const struct config_load *load)
{
	struct config *c;
	struct buf err;
	int level, rc = 0;

	buf_init(&err, 65536);
	if (config_start(load, &err)) {
		fail("configuration", buf_cstr(&err));
		buf_release(&err);
		return -1;
	}
	c = config_current();
	level = log_level_of(str_of(c->log_level));
	log_setup(level < 0 ? LOG_LEVEL_INFO : (enum log_level)level,
		  c->log_dest ? c->log_dest : "stderr");
	api_trace_setup(c);
	if (host_open(c->state_dir))
		log_warn("state.dir %s: %s; this process keeps its state to itself", c->state_dir,
			 strerror(errno));
	rates_setup(c->state_dir, str_hash(0, str_of(c->source)), true);
	credential_setup(c->state_dir);
	if (upstream_setup())
		rc = fail("libcurl", "could not be started");
	else if (api_protect(c, &err))
		rc = fail("security", buf_cstr(&err));
	buf_release(&err);
	config_unref(c);
	return rc ? -1 : 0;
}

static void finish(void)
{
	trace_stop();
	upstream_cleanup();
	credential_cleanup();
	rates_close();
	host_close();
	config_stop();
}

static const struct front_handler handler = { .handle = api_handle };

/* ---- FastCGI ---- */

static void idle(void)
{
	upstream_idle();
	trace_tidy_later();
}

static int serve(const struct config_load *load, int fd)
{
	struct server_options o = {
		.listen_fd = fd, .stack_bytes = STACK_BYTES,
	};
	struct config *c;
	int rc;

	if (start(load))
		return EXIT_FAILURE;
	c = config_current();
	if (!c->backend)
		log_warn_as("config_warning", "config: no backend is set up yet: requests are "
			    "refused until there is one");
	o.workers_max = c->workers;
	o.idle_seconds = c->idle_worker;
	o.idle = idle;
	o.shutdown_grace = c->shutdown_grace;
	o.read_timeout = c->client_read_timeout;
	o.write_timeout = c->client_write_timeout;
	config_unref(c);
	rc = server_run(&o, &handler);
	finish();
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- CGI ---- */

/* The client waits for the end of the output, not for what is done after it. */
static void tidy_after(void)
{
	int null;

	if (!trace_tidy_due())
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	trace_tidy_now(CGI_TIDY_MS);
}

static int answer_cgi(const struct config_load *load)
{
	struct config *c;
	int read_timeout, write_timeout, rc;

	if (start(load)) {
		fputs("Status: 500\r\nContent-Type: application/json\r\n\r\n"
		      "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":"
		      "\"The gateway's configuration is not valid: the error log says where; "
		      "messages.fcgi --check too.\"}}\n", stdout);
		return EXIT_FAILURE;
	}
	c = config_current();
	read_timeout = c->client_read_timeout;
	write_timeout = c->client_write_timeout;
	config_unref(c);
	rc = cgi_run(read_timeout, write_timeout, &handler);
	tidy_after();
	finish();
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- command line ---- */

struct options {
	struct config_load load;
	const char *url;
	const char *silence;
	bool json;
	const char *argument;
	const char *arguments[ARGUMENTS_MAX + 1]; /* of a command that takes several */
	size_t narguments;
	const char *headers[HEADERS_MAX + 1];
	size_t nheaders;
};

static int left_out(const char *part)
{
	fprintf(stderr, "messages.fcgi: this was left out of the build: configure --enable-%s\n", part);
	return EXIT_FAILURE;
}

static int run_check(const struct options *o)
{
	return config_check(&o->load, upstream_feature, api_protect_describe, stdout);
}

static int run_print(const struct options *o)
{
	return config_print(&o->load, stdout);
}

static int run_new_key(const struct options *o)
{
	return config_new_key(o->argument, stdout);
}

static int run_route(const struct options *o)
{
	return WITH_TOOLS ? api_explain(&o->load, o->headers, stdin, stdout) : left_out("tools");
}

static int run_options(const struct options *o)
{
	return WITH_TOOLS ? config_options(stdout, o->argument) : left_out("tools");
}

static int run_import(const struct options *o)
{
	return WITH_TOOLS ? config_import_env(o->argument, stdout) : left_out("tools");
}

static int run_env(const struct options *o)
{
	return WITH_TOOLS ? api_env(&o->load, o->url, stdout) : left_out("tools");
}

static int run_errors(const struct options *o)
{
	return WITH_ERROR_FILES ? api_errors(&o->load, o->arguments, stdout) : left_out("error-files");
}

static int run_doctor(const struct options *o)
{
	return WITH_DOCTOR ? api_doctor_command(&o->load, o->arguments, o->silence, o->json, stdout) : left_out("doctor");
}

static int run_error_sites(const struct options *o)
{
	return WITH_ERROR_SITES ? api_error_sites(stdout) : left_out("error-sites");
}

static int run_replay(const struct options *o)
{
	return WITH_CAPTURE ? api_replay(&o->load, o->argument, stdout) : left_out("capture");
}

static int run_version(const struct options *o)
{
	char missing[256];

	printf("messages.fcgi %s (%s)\n", PACKAGE_VERSION, upstream_library());
	parts_left_out(missing, sizeof(missing));
	if (*missing)
		printf("without: %s\n", missing);
	return EXIT_SUCCESS;
}

static int run_help(const struct options *o)
{
	fputs(usage, stdout);
	return EXIT_SUCCESS;
}

/* name, how many arguments it takes (SEVERAL: up to the next option), function */
enum takes { NONE, ONE, SEVERAL };
static const struct command {
	const char *name;
	enum takes takes;
	int (*run)(const struct options *o);
} commands[] = {
	{ "--check", NONE, run_check },
	{ "--print-config", NONE, run_print },
	{ "--new-key", ONE, run_new_key },
	{ "--route", NONE, run_route },
	{ "--options", ONE, run_options },
	{ "import-env", ONE, run_import },
	{ "env", NONE, run_env },
	{ "errors", SEVERAL, run_errors },
	{ "--error-sites", NONE, run_error_sites },
	{ "doctor", SEVERAL, run_doctor },
	{ "replay", ONE, run_replay },
	{ "--version", NONE, run_version },
	{ "--help", NONE, run_help },
	{ "-h", NONE, run_help },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int usage_error(const char *what, const char *arg)
{
	fprintf(stderr, "messages.fcgi: %s %s; --help lists what there is\n", what, arg);
	return -1;
}

/* The value of "--name VALUE" or "--name=VALUE"; NULL when arg is another option. *i moves over a
 * value of its own. */
static const char *option_value(const char *name, int argc, char **argv, int *i)
{
	size_t n = strlen(name);

	if (strncmp(argv[*i], name, n) != 0)
		return NULL;
	if (argv[*i][n] == '=')
		return argv[*i] + n + 1;
	if (argv[*i][n] || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

static bool takes_value(const char *arg)
{
	static const char *const names[] = { "--config", "--url", "--silence", "--header" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], arg) == 0)
			return true;
	return false;
}

static int parse_options(int argc, char **argv, struct options *o, const struct command **command)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *value;
		const struct command *found = find_command(arg);

		if ((value = option_value("--config", argc, argv, &i))) {
			o->load.path = value;
		} else if ((value = option_value("--url", argc, argv, &i))) {
			o->url = value;
		} else if (strcmp(arg, "--json") == 0) {
			o->json = true;
		} else if ((value = option_value("--silence", argc, argv, &i))) {
			o->silence = value;
		} else if (o->nheaders < HEADERS_MAX &&
			   (value = option_value("--header", argc, argv, &i))) {
			o->headers[o->nheaders++] = value;
		} else if (*command && (*command)->takes == SEVERAL && *arg != '-' &&
			   o->narguments < ARGUMENTS_MAX) {
			o->arguments[o->narguments++] = arg;
		} else if (i + 1 >= argc && takes_value(arg)) {
			return usage_error("a value is missing after", arg);
		} else if (!found || *command) {
			return usage_error(found ? "one command at a time, not" : "does not know",
					   arg);
		} else {
			*command = found;
			if (found->takes == ONE && i + 1 >= argc)
				return usage_error("a value is missing after", arg);
			o->argument = found->takes == ONE ? argv[++i] : NULL;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .load = { .argv0 = argv[0] } };
	const struct command *command = NULL;
	/* A web server hands a query string to a CGI program as its arguments: they are nobody's
	 * commands then. */
	bool cgi = getenv("GATEWAY_INTERFACE") || getenv("REQUEST_METHOD");
	int fd = server_listen_fd();

	bundle_setup();
	os_memory_tune();
	signal(SIGPIPE, SIG_IGN);
	/* A log at the limit of a file's size is no reason to end. */
	signal(SIGXFSZ, SIG_IGN);
	if (cgi && fd < 0) {
		o.load.cgi = true;
		return answer_cgi(&o.load);
	}
	if (!cgi && parse_options(argc, argv, &o, &command))
		return EXIT_USAGE;
	if (command)
		return command->run(&o);
	if (fd >= 0)
		return serve(&o.load, fd);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
