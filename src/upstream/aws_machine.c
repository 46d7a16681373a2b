/*
 * Credentials that AWS gives to the machine: to a container through an endpoint that variables
 * name, to an instance through its metadata service. That one is asked in version 2 alone, whose
 * answers a forged request can't fetch.
 */
#include "upstream/aws.h"

#include <string.h>

#define CONTAINER_HOST "http://169.254.170.2"
#define METADATA_HOST "http://169.254.169.254"
#define METADATA_HOST_6 "http://[fd00:ec2::254]"
#define METADATA_SECONDS 3      /* away from AWS nobody answers there */

/* ---- container ---- */

/* The token that goes there must not leave the machine in the clear: https, this host, or the
 * addresses of ECS and EKS, as the SDKs have it. */
static bool trusted(const char *url)
{
	static const char *const hosts[] = { "169.254.170.2", "169.254.170.23", "fd00:ec2::23",
					     NULL };
	char host[256];

	if (credential_safe_url(url, host, sizeof(host)))
		return true;
	for (size_t i = 0; hosts[i]; i++)
		if (str_is_nocase(str_of(host), hosts[i]))
			return true;
	return false;
}

static int put_token(const struct backend *b, struct buf *line, struct fault *f)
{
	const char *file = credential_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = credential_env_secret("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct buf text;
	int r = 0;

	buf_init(&text, AWS_FILE_MAX);
	if (file)
		r = credential_read(b, file, &text, f);
	else if (token)
		buf_puts(&text, token);
	if (r == 0 && text.n)
		buf_printf(line, "Authorization: %.*s", STR_ARGS(buf_str(&text)));
	credential_wipe(&text);
	return r;
}

int aws_from_container(const struct backend *b, struct waiter *w, struct credential *out,
		       struct fault *f)
{
	const char *relative = credential_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = credential_env("AWS_CONTAINER_CREDENTIALS_FULL_URI"), *headers[1];
	struct credential_call c = { .method = "GET", .headers = headers, .direct = true };
	struct buf line, url;
	int r;

	if (!relative && !full)
		return AWS_NOTHING;
	buf_init(&line, 0);
	buf_init(&url, 0);
	buf_puts(&url, relative ? CONTAINER_HOST : full);
	buf_puts(&url, relative ? relative : "");
	c.url = buf_cstr(&url);
	if (!relative && !trusted(c.url))
		r = credential_fault(b, f, "is not asked for at AWS_CONTAINER_CREDENTIALS_FULL_URI"
				     ": that is neither https nor an address of this machine's");
	else
		r = put_token(b, &line, f);
	if (line.n)
		headers[c.nheaders++] = buf_cstr(&line);
	if (r == 0)
		r = aws_call(b, &c, NULL, "the container's credential endpoint", w, out, f);
	credential_wipe(&line);
	buf_release(&url);
	return r;
}

/* ---- instance ---- */

struct metadata {
	const struct backend *b;
	struct waiter *w;
	struct buf url, header, text;
	size_t base;                    /* bytes of url that are the host */
};

static const char *path(struct metadata *m, const char *text)
{
	m->url.n = m->base;
	buf_puts(&m->url, text);
	return buf_cstr(&m->url);
}

/* A text of the service; AWS_NOTHING: there is none. */
static int ask(struct metadata *m, const char *method, const char *url, const char *header,
	       struct fault *f)
{
	struct credential_call c = { .method = method, .url = url, .headers = &header,
				     .nheaders = 1, .direct = true, .seconds = METADATA_SECONDS };
	int status = 0;

	buf_reset(&m->text);
	if (credential_http(m->b, &c, m->w, &status, &m->text, f))
		return f->class == FAULT_CANCELLED ? -1 : AWS_NOTHING;
	return status == 200 && m->text.n ? 0 : AWS_NOTHING;
}

/* The session of version 2, whose header is needed for everything else. */
static int begin(struct metadata *m, struct fault *f)
{
	int r = ask(m, "PUT", path(m, "latest/api/token"),
		    "X-aws-ec2-metadata-token-ttl-seconds: 300", f);

	if (r == 0)
		buf_printf(&m->header, "X-aws-ec2-metadata-token: %.*s",
			   STR_ARGS(buf_str(&m->text)));
	return r;
}

static int ask_for_role(struct metadata *m, void *out, struct fault *f)
{
	const char *line = buf_cstr(&m->header);
	struct credential_call c = { .method = "GET", .nheaders = 1, .direct = true,
				     .seconds = METADATA_SECONDS, .headers = &line };
	struct str rest, role = STR_NONE;
	int r;

	r = ask(m, "GET", path(m, "latest/meta-data/iam/security-credentials/"), line, f);
	if (r)
		return r;
	rest = buf_str(&m->text);
	str_split(&rest, '\n', &role);
	buf_put_str(&m->url, str_trim(role));
	c.url = buf_cstr(&m->url);
	return aws_call(m->b, &c, NULL, "the instance's metadata service", m->w, out, f);
}

static int ask_for_region(struct metadata *m, void *out, struct fault *f)
{
	int r = ask(m, "GET", path(m, "latest/meta-data/placement/region"), buf_cstr(&m->header),
		    f);

	if (r == 0)
		buf_put_str(out, str_trim(buf_str(&m->text)));
	return r;
}

/* AWS_NOTHING: it is switched off. */
static int open_metadata(struct metadata *m, const struct backend *b, struct waiter *w)
{
	const char *host = credential_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = credential_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	const char *off = credential_env("AWS_EC2_METADATA_DISABLED");

	if (off && str_is_nocase(str_of(off), "true"))
		return AWS_NOTHING;
	if (!host)
		host = mode && str_is_nocase(str_of(mode), "ipv6") ? METADATA_HOST_6 :
		       METADATA_HOST;
	*m = (struct metadata){ .b = b, .w = w };
	buf_init(&m->text, 65536);
	buf_init(&m->header, 65536);
	buf_init(&m->url, 65536);
	buf_printf(&m->url, "%s%s", host, str_ends(str_of(host), "/") ? "" : "/");
	m->base = m->url.n;
	return 0;
}

static void close_metadata(struct metadata *m)
{
	credential_wipe(&m->text);
	credential_wipe(&m->header);
	buf_release(&m->url);
}

/* In one session of the service. */
static int with_metadata(const struct backend *b, struct waiter *w,
			 int (*step)(struct metadata *m, void *out, struct fault *f), void *out,
			 struct fault *f)
{
	struct metadata m;
	int r;

	if (open_metadata(&m, b, w))
		return AWS_NOTHING;
	r = begin(&m, f);
	if (r == 0)
		r = step(&m, out, f);
	close_metadata(&m);
	return r;
}

int aws_from_instance(const struct backend *b, struct waiter *w, struct credential *out,
		      struct fault *f)
{
	return with_metadata(b, w, ask_for_role, out, f);
}

int aws_instance_region(const struct backend *b, struct waiter *w, struct buf *out,
			struct fault *f)
{
	return with_metadata(b, w, ask_for_region, out, f);
}
