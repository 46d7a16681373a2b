/*
 * A request out of CGI parameters.
 *
 * The path is the hard part: each web server, and each way of mounting a program in it, spreads the
 * URL's path over REQUEST_URI, SCRIPT_NAME and PATH_INFO in its own way (the table in
 * tests/unit/test-http.c shows them). lighttpd, for one, says SCRIPT_NAME=/ai/v1 and
 * PATH_INFO=/messages for /ai/v1/messages when mounted at "/ai/". What is the same everywhere is
 * our own paths, so they are looked for; what stands before is the prefix. REQUEST_URI is taken
 * before PATH_INFO since it alone tells %2F from a slash.
 */
#include "http/request.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "front/param.h"

enum { CORRELATION_MAX = 128 };

static const char *param(const struct http_request *r, const char *name)
{
	const char *v = r->front->ops->param(r->front, name);

	return v ? v : "";
}

/* ---- the path ---- */

/* Paths that are served as a whole, and what all others begin with. */
static const char *const whole_paths[] = { "/health", "/health/detailed", "/status", "/api/hello",
					   "/doctor" };
static const char *const trees[] = { "/v1/", "/debug/", "/health/claude-code/" };

static bool is_own(const char *path)
{
	struct str s = str_of(path);

	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	for (size_t i = 0; i < sizeof(whole_paths) / sizeof(*whole_paths); i++)
		if (str_is(s, whole_paths[i]))
			return true;
	for (size_t i = 0; i < sizeof(trees) / sizeof(*trees); i++)
		if (!strncmp(path, trees[i], strlen(trees[i])))
			return true;
	return false;
}

static const char *find_own(const char *path)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
		if (is_own(p))
			return p;
	return NULL;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the %XX at s stands for; -1 if it isn't one. */
static int percent_byte(struct str s)
{
	int high, low;

	if (s.n < 3 || s.p[0] != '%')
		return -1;
	high = hex_value(s.p[1]);
	low = hex_value(s.p[2]);
	return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/*
 * Decoded once. An encoded slash stays as %2F: it belongs to a segment. An encoded NUL stays too.
 */
static size_t decode_path(char *out, struct str s)
{
	size_t n = 0;
	int byte;

	for (size_t i = 0; i < s.n;) {
		byte = percent_byte((struct str){ s.p + i, s.n - i });
		if (byte == '/') {
			memcpy(out + n, "%2F", 3);
			n += 3;
			i += 3;
		} else if (byte > 0) {
			out[n++] = (char)byte;
			i += 3;
		} else {
			out[n++] = s.p[i++];
		}
	}
	return n;
}

/* Takes out empty and dot segments (RFC 3986, 5.2.4), in place. A slash at the end stays. */
static void tidy_path(char *path)
{
	char *out = path, *segment, *from = path;
	size_t n;

	while (*from == '/') {
		segment = from + 1;
		n = strcspn(segment, "/");
		from = segment + n;
		if (n == 2 && !memcmp(segment, "..", 2)) {
			while (out > path && *--out != '/')
				;
		} else if (n && !(n == 1 && *segment == '.')) {
			memmove(out, segment - 1, n + 1);
			out += n + 1;
		}
		if (*from == '/' && !from[strspn(from, "/")]) {
			*out++ = '/';
			break;
		}
	}
	if (out == path)
		*out++ = '/';
	*out = 0;
}

/* "" stays empty; anything else begins with a slash afterwards. */
static const char *tidy_copy(struct arena *a, struct str s, bool encoded)
{
	char *out = s.n ? arena_alloc(a, s.n + 2) : NULL;
	size_t n;

	if (!out)
		return "";
	out[0] = '/';
	n = s.p[0] == '/' ? 0 : 1;
	if (encoded) {
		n += decode_path(out + n, s);
	} else {
		memcpy(out + n, s.p, s.n);
		n += s.n;
	}
	out[n] = 0;
	tidy_path(out);
	return out;
}

/* REQUEST_URI's path; some send the absolute form, http://host/path. */
static struct str uri_path(const char *uri)
{
	const char *authority = strstr(uri, "://");

	if (*uri != '/' && authority)
		uri = authority + 3 + strcspn(authority + 3, "/?#");
	return (struct str){ uri, strcspn(uri, "?#") };
}

/*
 * Where in uri the decoded tail begins: %2F in it may stand for a slash in the tail. NULL if uri
 * ends otherwise.
 */
static const char *find_tail(const char *uri, const char *tail)
{
	const char *u = uri + strlen(uri), *t = tail + strlen(tail);

	while (t > tail) {
		if (u - uri >= 3 && t[-1] == '/' && !strncmp(u - 3, "%2F", 3))
			u -= 3;
		else if (u > uri && u[-1] == t[-1])
			u--;
		else
			return NULL;
		t--;
	}
	return u;
}

/* What of path stands behind head; NULL if path begins otherwise. */
static const char *behind(const char *path, const char *head)
{
	size_t n = strlen(head);

	return strncmp(path, head, n) ? NULL : path + n;
}

static bool is_program(const char *script)
{
	struct str s = str_of(script);

	return str_ends(s, "/") || str_ends(s, ".fcgi") || str_ends(s, ".cgi");
}

struct path_split {
	const char *prefix;
	size_t prefix_n;
	const char *path;
};

/* path is the end of whole. A base URL that ends in /v1 makes clients ask for /v1/v1/…. */
static struct path_split cut(const char *whole, const char *path)
{
	while (!strncmp(path, "/v1/v1/", 7))
		path += 3;
	return (struct path_split){ whole, (size_t)(path - whole), path };
}

/* path doesn't stand in the URL as it is. */
static struct path_split apart(const char *script, const char *path)
{
	return (struct path_split){ script, strlen(script), path };
}

static struct path_split split_info(const char *uri, const char *script, const char *info)
{
	const char *at = find_tail(uri, info);

	return at ? cut(uri, at) : apart(script, info);
}

/* None of our own paths: our root, or something that doesn't exist. */
static struct path_split split_other(const char *uri, const char *script, const char *info)
{
	const char *rest = behind(uri, script);

	if (*info)
		return split_info(uri, script, info);
	if (rest && *rest == '/')
		return cut(uri, rest);
	if (rest && !*rest && is_program(script))
		return apart(script, "/");
	return apart("", *uri ? uri : "/");
}

/*
 * Tried in this order: PATH_INFO, as it stands in the URL or the URL having been rewritten; the URL
 * behind SCRIPT_NAME; the first path of ours anywhere in the URL; the same in SCRIPT_NAME with
 * PATH_INFO.
 */
static struct path_split split_path(const char *uri, const char *script, const char *info,
	const char *both)
{
	const char *at;

	if (is_own(info))
		return split_info(uri, script, info);
	at = behind(uri, script);
	if (at && is_own(at))
		return cut(uri, at);
	at = find_own(uri);
	if (at)
		return cut(uri, at);
	at = find_own(both);
	if (at)
		return cut(both, at);
	return split_other(uri, script, info);
}

static void set_path(struct http_request *r, struct arena *a)
{
	const char *script = tidy_copy(a, str_of(param(r, "SCRIPT_NAME")), false);
	const char *info = tidy_copy(a, str_of(param(r, "PATH_INFO")), false);
	const char *both = arena_printf(a, "%s%s", script, info);
	const char *uri = tidy_copy(a, uri_path(param(r, "REQUEST_URI")), true);
	struct path_split s;

	if (!both)
		both = "";
	s = split_path(*uri ? uri : both, script, info, both);
	while (s.prefix_n && s.prefix[s.prefix_n - 1] == '/')
		s.prefix_n--;
	r->path = s.path;
	r->prefix = arena_dup(a, s.prefix, s.prefix_n);
	if (!r->prefix)
		r->prefix = "";
}

/* ---- the rest ---- */

static void set_query(struct http_request *r)
{
	const char *uri = param(r, "REQUEST_URI"), *mark = strchr(uri, '?');

	r->query = param(r, "QUERY_STRING");
	/* Empty after an internal redirect of some servers. */
	if (!*r->query && mark)
		r->query = mark + 1;
}

/* Goes into a header and into logs: visible ASCII without quotes, of a length that an id has. */
static const char *checked_id(const char *id)
{
	size_t n = id ? strlen(id) : 0;

	if (!n || n > CORRELATION_MAX)
		return NULL;
	for (const char *p = id; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\')
			return NULL;
	return id;
}

void http_request_init(struct http_request *r, struct front *f, struct arena *a)
{
	const char *method;

	*r = (struct http_request){ .front = f };
	method = param(r, "REQUEST_METHOD");
	r->method = *method ? method : "GET";
	r->content_length = param_length(param(r, "CONTENT_LENGTH"));
	id_make(r->id, "req_01");
	set_path(r, a);
	set_query(r);
	r->correlation_id = checked_id(http_header(r, "x-correlation-id"));
	if (!r->correlation_id)
		r->correlation_id = checked_id(http_header(r, "x-request-id"));
}

/*
 * Apache passes the header on under a new name when a rewrite rule has led to an internal redirect.
 */
static const char *authorization(const struct http_request *r)
{
	static const char *const names[] = {
		"HTTP_AUTHORIZATION",
		"REDIRECT_HTTP_AUTHORIZATION",
		"REDIRECT_REDIRECT_HTTP_AUTHORIZATION",
	};
	const char *v;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		v = r->front->ops->param(r->front, names[i]);
		if (v && *v)
			return v;
	}
	return NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
	char param_name[128] = "HTTP_";
	size_t n = strlen(name);

	if (n + sizeof("HTTP_") > sizeof(param_name))
		return NULL;
	for (size_t i = 0; i <= n; i++)
		param_name[5 + i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
	/* RFC 3875, 4.1: these two have names of their own. */
	if (!strcmp(param_name, "HTTP_CONTENT_TYPE") || !strcmp(param_name, "HTTP_CONTENT_LENGTH"))
		return r->front->ops->param(r->front, param_name + 5);
	if (!strcmp(param_name, "HTTP_AUTHORIZATION"))
		return authorization(r);
	return r->front->ops->param(r->front, param_name);
}

static const char *decode_query(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;
	int byte;

	for (size_t i = 0; out && i < s.n;) {
		byte = percent_byte((struct str){ s.p + i, s.n - i });
		if (byte > 0) {
			out[n++] = (char)byte;
			i += 3;
		} else {
			out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
			i++;
		}
	}
	return out;
}

const char *http_query(const struct http_request *r, struct arena *a, const char *name)
{
	struct str rest = str_of(r->query), value, key;

	while (str_split(&rest, '&', &value))
		if (str_split(&value, '=', &key) && str_is(key, name))
			return decode_query(a, value);
	return NULL;
}
