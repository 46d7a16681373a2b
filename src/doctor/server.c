/*
 * The table of directives: for each server and each problem what to write, and where. A row for the
 * exact server wins over its family's (Apache), that one over the row for any server.
 */
#include "doctor/server.h"

#include <stddef.h>
#include <string.h>

/* name, family, how the server calls itself */
static const struct {
	const char *name;
	enum server_kind family;
	const char *software;
} kinds[SERVER_KINDS] = {
	[SERVER_UNKNOWN] = { "the web server", SERVER_UNKNOWN, NULL },
	[SERVER_LIGHTTPD] = { "lighttpd", SERVER_UNKNOWN, "lighttpd" },
	[SERVER_APACHE] = { "Apache", SERVER_UNKNOWN, "apache" },
	[SERVER_APACHE_FCGID] = { "Apache with mod_fcgid", SERVER_APACHE, NULL },
	[SERVER_APACHE_PROXY] = { "Apache with mod_proxy_fcgi", SERVER_APACHE, NULL },
	[SERVER_APACHE_CGI] = { "Apache with plain CGI", SERVER_APACHE, NULL },
	[SERVER_NGINX] = { "nginx", SERVER_UNKNOWN, "nginx" },
	[SERVER_CADDY] = { "Caddy", SERVER_UNKNOWN, "caddy" },
	[SERVER_LITESPEED] = { "LiteSpeed", SERVER_APACHE, "litespeed" },
	[SERVER_CLOUDFLARE] = { "Cloudflare", SERVER_UNKNOWN, "cloudflare" },
};

enum server_kind server_tell(const char *software, const char *front, bool proxied)
{
	enum server_kind kind = SERVER_UNKNOWN;

	for (size_t i = 0; i < SERVER_KINDS && kind == SERVER_UNKNOWN; i++)
		if (kinds[i].software && str_find_nocase(str_of(software), kinds[i].software))
			kind = (enum server_kind)i;
	if (kind != SERVER_APACHE)
		return kind;
	if (strcmp(front, "cgi") == 0)
		return SERVER_APACHE_CGI;
	/* mod_proxy_fcgi tells the program where it has passed the request. */
	if (strcmp(front, "fcgi") == 0)
		return proxied ? SERVER_APACHE_PROXY : SERVER_APACHE_FCGID;
	return kind;
}

const char *server_name(enum server_kind kind)
{
	return kinds[kind].name;
}

/* server, problem, what to do */
static const struct row {
	enum server_kind kind;
	enum server_problem problem;
	const char *todo;
} rows[] = {
	/* ---- streams ---- */
	{ SERVER_LIGHTTPD, PROBLEM_NOT_STREAMED,
	  "In lighttpd's configuration, for this host or path:\n"
	  "server.stream-response-body = 1" },
	{ SERVER_APACHE_FCGID, PROBLEM_NOT_STREAMED,
	  "In the server's or virtual host's configuration (not possible in .htaccess):\n"
	  "FcgidOutputBufferSize 0\n"
	  "Where nobody can set it: plain CGI (apache/htaccess of the samples) streams as it is." },
	{ SERVER_APACHE_PROXY, PROBLEM_NOT_STREAMED,
	  "On a ProxyPass whose host name behind fcgi:// no other ProxyPass uses:\n"
	  "ProxyPass \"/ai/\" \"unix:/run/messages-fcgi.sock|fcgi://messages-fcgi/\" "
	  "flushpackets=on\n"
	  "and against compression that waits, for this path:\n"
	  "SetEnv no-gzip 1" },
	{ SERVER_APACHE_CGI, PROBLEM_NOT_STREAMED,
	  "Something behind the program collects its output; most often it is compression. In "
	  ".htaccess:\n"
	  "SetEnv no-gzip 1" },
	{ SERVER_NGINX, PROBLEM_NOT_STREAMED,
	  "In the location of the gateway:\n"
	  "fastcgi_buffering off;\n"
	  "gzip off;\n"
	  "and leave X-Accel-Buffering out of fastcgi_ignore_headers." },
	{ SERVER_CADDY, PROBLEM_NOT_STREAMED,
	  "Caddy sends event streams on at once by itself: take `encode` and `buffer_responses` "
	  "out for this path, and look for another proxy in front of it." },
	{ SERVER_LITESPEED, PROBLEM_NOT_STREAMED,
	  "In .htaccess:\n"
	  "SetEnv no-gzip 1\n"
	  "and ask the host to set \"Response Buffering\" of the external application to No." },
	{ SERVER_CLOUDFLARE, PROBLEM_NOT_STREAMED,
	  "Cloudflare sends event streams on at once by itself: look at the server behind it, with "
	  "the base URL of that one." },
	{ SERVER_UNKNOWN, PROBLEM_NOT_STREAMED,
	  "Switch off the buffering and compression of answers for this path, in the web server "
	  "and in every proxy before it." },

	/* ---- headers ---- */
	{ SERVER_APACHE, PROBLEM_AUTHORIZATION,
	  "In the <Location> or <Directory> of the gateway, or in .htaccess:\n"
	  "CGIPassAuth On" },
	{ SERVER_LITESPEED, PROBLEM_AUTHORIZATION,
	  "In .htaccess:\n"
	  "RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]" },
	{ SERVER_NGINX, PROBLEM_AUTHORIZATION,
	  "In the location of the gateway:\n"
	  "fastcgi_pass_request_headers on;\n"
	  "and no fastcgi_param HTTP_AUTHORIZATION \"\"." },
	{ SERVER_UNKNOWN, PROBLEM_AUTHORIZATION,
	  "Let the web server pass the Authorization header on to the program; until then, clients "
	  "can send their key as x-api-key (ANTHROPIC_API_KEY)." },
	{ SERVER_UNKNOWN, PROBLEM_HEADERS,
	  "Let the web server, and every proxy before it, pass all request headers on; look for "
	  "settings that unset them (RequestHeader unset, proxy_set_header, request_header -…)." },

	/* ---- sizes ---- */
	{ SERVER_LIGHTTPD, PROBLEM_BODY_SIZE,
	  "In lighttpd's configuration (KB):\n"
	  "server.max-request-size = 65536" },
	{ SERVER_APACHE_FCGID, PROBLEM_BODY_SIZE,
	  "In the server's or virtual host's configuration (not possible in .htaccess; bytes, the "
	  "default is 128 KB):\n"
	  "FcgidMaxRequestLen 67108864\n"
	  "Where nobody can set it: plain CGI (apache/htaccess of the samples) has no such "
	  "limit." },
	{ SERVER_APACHE, PROBLEM_BODY_SIZE,
	  "In the <Location> or <Directory> of the gateway, or in .htaccess:\n"
	  "LimitRequestBody 67108864\n"
	  "With mod_security (in the server's configuration):\n"
	  "SecRequestBodyLimit 67108864\n"
	  "SecRequestBodyNoFilesLimit 67108864" },
	{ SERVER_NGINX, PROBLEM_BODY_SIZE,
	  "In the location of the gateway (the default is 1 MB):\n"
	  "client_max_body_size 64m;" },
	{ SERVER_CADDY, PROBLEM_BODY_SIZE,
	  "In the site of the gateway:\n"
	  "request_body {\n"
	  "\tmax_size 64MB\n"
	  "}" },
	{ SERVER_LITESPEED, PROBLEM_BODY_SIZE,
	  "Ask the host to raise \"Max Request Body Size\" of the server and, with mod_security, "
	  "SecRequestBodyLimit and SecRequestBodyNoFilesLimit." },
	{ SERVER_CLOUDFLARE, PROBLEM_BODY_SIZE,
	  "Cloudflare's plans take 100 MB and more: the limit is the server's behind it. Try the "
	  "base URL of that one." },
	{ SERVER_UNKNOWN, PROBLEM_BODY_SIZE,
	  "Raise the limit of request bodies to 64 MB for this path, in the web server and in "
	  "every proxy before it." },

	/* ---- firewalls ---- */
	{ SERVER_APACHE, PROBLEM_FIREWALL,
	  "This is mod_security or a firewall like it. In the server's configuration, or asked of "
	  "the host:\n"
	  "<Location \"/ai/\">\n"
	  "\tSecRuleEngine Off\n"
	  "\tSecRequestBodyAccess Off\n"
	  "</Location>\n"
	  "Where only rules can be taken out, the one that refuses is 949110 (the score of the "
	  "Core Rule Set, phase 2):\n"
	  "SecRule REQUEST_URI \"@beginsWith /ai/\" "
	  "\"id:10001,phase:1,pass,nolog,ctl:ruleEngine=Off\"" },
	{ SERVER_LITESPEED, PROBLEM_FIREWALL,
	  "Ask the host to switch mod_security (and Imunify360) off for this path:\n"
	  "<IfModule mod_security2.c>\n"
	  "\tSecRuleEngine Off\n"
	  "</IfModule>\n"
	  "or in cPanel: ModSecurity, off for this domain." },
	{ SERVER_NGINX, PROBLEM_FIREWALL,
	  "In the location of the gateway, where ModSecurity or NAXSI is loaded:\n"
	  "modsecurity off;\n"
	  "(NAXSI: SecRulesDisabled;)" },
	{ SERVER_CADDY, PROBLEM_FIREWALL,
	  "Take the coraza_waf directive out for this path, or in its directives:\n"
	  "SecRuleEngine Off" },
	{ SERVER_CLOUDFLARE, PROBLEM_FIREWALL,
	  "Under Security, WAF, Custom rules: a rule for the gateway's path with the action Skip, "
	  "for all managed rules, Super Bot Fight Mode and Browser Integrity Check:\n"
	  "(starts_with(http.request.uri.path, \"/ai/\"))" },
	{ SERVER_UNKNOWN, PROBLEM_FIREWALL,
	  "Ask the host to switch its web application firewall off for the gateway's path: what is "
	  "sent there is source code as text, and the rules take it for attacks." },

	/* ---- time ---- */
	{ SERVER_APACHE_FCGID, PROBLEM_SILENCE,
	  "In the server's or virtual host's configuration (not possible in .htaccess):\n"
	  "FcgidIOTimeout 120\n"
	  "FcgidBusyTimeout 3600\n"
	  "Where nobody can set it, a smaller stream.commit_after in the gateway's configuration "
	  "answers sooner." },
	{ SERVER_APACHE_PROXY, PROBLEM_SILENCE,
	  "On the ProxyPass:\n"
	  "timeout=600" },
	{ SERVER_APACHE, PROBLEM_SILENCE,
	  "In the server's configuration:\n"
	  "Timeout 600\n"
	  "Where nobody can set it, a smaller stream.commit_after in the gateway's configuration "
	  "answers sooner." },
	{ SERVER_LIGHTTPD, PROBLEM_SILENCE,
	  "In lighttpd's configuration:\n"
	  "server.max-write-idle = 600" },
	{ SERVER_NGINX, PROBLEM_SILENCE,
	  "In the location of the gateway:\n"
	  "fastcgi_read_timeout 600s;" },
	{ SERVER_CADDY, PROBLEM_SILENCE,
	  "In the transport of the gateway:\n"
	  "read_timeout 600s" },
	{ SERVER_UNKNOWN, PROBLEM_SILENCE,
	  "Raise the time that the web server, and every proxy before it, waits for the program to "
	  "600 s; or set a smaller stream.commit_after in the gateway's configuration." },

	/* ---- answers ---- */
	{ SERVER_APACHE_PROXY, PROBLEM_ERRORS,
	  "In the server's configuration, for this path:\n"
	  "ProxyErrorOverride Off" },
	{ SERVER_NGINX, PROBLEM_ERRORS,
	  "In the location of the gateway:\n"
	  "fastcgi_intercept_errors off;" },
	{ SERVER_LIGHTTPD, PROBLEM_ERRORS,
	  "In lighttpd's configuration, take these out for this path:\n"
	  "server.error-intercept\n"
	  "server.error-handler" },
	{ SERVER_CADDY, PROBLEM_ERRORS,
	  "Take handle_response and intercept out of the gateway's reverse_proxy." },
	{ SERVER_UNKNOWN, PROBLEM_ERRORS,
	  "Let the web server, and every proxy before it, pass error answers on as they are." },

	/* ---- paths ---- */
	{ SERVER_LIGHTTPD, PROBLEM_PREFIX,
	  "Compare with lighttpd/messages.conf of the samples: the path of the base URL is\n"
	  "var.messages_prefix" },
	{ SERVER_APACHE, PROBLEM_PREFIX,
	  "Compare with the files in apache/ of the samples: the path of the base URL is the Alias "
	  "or ProxyPass there; in .htaccess (AllowOverride FileInfo must be allowed):\n"
	  "RewriteEngine On\n"
	  "RewriteRule ^messages\\.fcgi(/|$) - [L]\n"
	  "RewriteRule ^(.*)$ messages.fcgi/$1 [L]" },
	{ SERVER_NGINX, PROBLEM_PREFIX,
	  "Compare with conf/nginx.conf of the samples: the path of the base URL is that of\n"
	  "location /ai/ { include fastcgi_params; fastcgi_pass …; }" },
	{ SERVER_CADDY, PROBLEM_PREFIX,
	  "Compare with conf/Caddyfile of the samples: the path of the base URL is that of\n"
	  "handle_path /ai/*" },
	{ SERVER_UNKNOWN, PROBLEM_PREFIX,
	  "Check the base URL, and that the web server gives everything below its path to "
	  "messages.fcgi." },
	{ SERVER_APACHE, PROBLEM_HEAD,
	  "Take <Limit> and <LimitExcept> out for this path, or name HEAD there beside GET and "
	  "POST." },
	{ SERVER_UNKNOWN, PROBLEM_HEAD,
	  "Let the web server pass HEAD requests on as it does GET." },
	{ SERVER_APACHE, PROBLEM_SLASHES,
	  "In the server's or virtual host's configuration (not possible in .htaccess):\n"
	  "AllowEncodedSlashes NoDecode" },
	{ SERVER_UNKNOWN, PROBLEM_SLASHES,
	  "Let the web server pass %2F in paths on; names with plain slashes work in any case." },

	/* ---- files ---- */
	{ SERVER_APACHE, PROBLEM_SOURCE,
	  "In the <Directory>, or in .htaccess (AllowOverride FileInfo Options=ExecCGI must be "
	  "allowed):\n"
	  "Options +ExecCGI\n"
	  "<Files \"messages.fcgi\">\n"
	  "\tSetHandler cgi-script\n"
	  "</Files>" },
	{ SERVER_UNKNOWN, PROBLEM_SOURCE,
	  "Let the web server run messages.fcgi as FastCGI or CGI program instead of sending it as "
	  "a file." },
	{ SERVER_UNKNOWN, PROBLEM_CONFIG_SERVED,
	  "At once: move the configuration out of the folder that is served, and change every key "
	  "that stands in it. In Apache also:\n"
	  "<FilesMatch \"^\\.ht\">\n"
	  "\tRequire all denied\n"
	  "</FilesMatch>" },
};

static const char *exact(enum server_kind kind, enum server_problem problem)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].kind == kind && rows[i].problem == problem)
			return rows[i].todo;
	return NULL;
}

const char *server_todo(enum server_kind kind, enum server_problem problem)
{
	const char *todo = exact(kind, problem);

	while (!todo && kind != SERVER_UNKNOWN) {
		kind = kinds[kind].family;
		todo = exact(kind, problem);
	}
	return todo ? todo : "";
}
