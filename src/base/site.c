/* The table of error sites, read from the section that the linker made of them. */
#include "base/site.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#ifdef __APPLE__
extern const struct error_site *const sites_begin[] __asm("section$start$__DATA$error_sites");
extern const struct error_site *const sites_end[] __asm("section$end$__DATA$error_sites");
#else
/* Weak, for a program without a single site. */
extern const struct error_site *const sites_begin[] __asm__("__start_error_sites")
	__attribute__((weak, visibility("hidden")));
extern const struct error_site *const sites_end[] __asm__("__stop_error_sites")
	__attribute__((weak, visibility("hidden")));
#endif

const struct error_site *const *site_all(size_t *n)
{
	*n = (size_t)(((uintptr_t)sites_end - (uintptr_t)sites_begin) / sizeof(*sites_begin));
	return sites_begin;
}

/* A build in another folder has "../src/x.c" or a whole path in __FILE__. */
const char *site_file(const struct error_site *s)
{
	static const char *const tops[] = { "src/", "tests/" };
	const char *found = s->file;

	/* The last of either: the tree itself may lie in a folder of such a name. */
	for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++)
		for (const char *p = s->file; (p = strstr(p, tops[i])); p++)
			if (p > found && p[-1] == '/')
				found = p;
	return found;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_';
}

/* Appends words in lower case with one '_' between them. */
static size_t put_words(char *out, size_t at, struct str s)
{
	bool gap = false;

	for (size_t i = 0; i < s.n && at + 2 < SITE_CODE_SIZE; i++) {
		char c = s.p[i];

		if (!is_word(c)) {
			gap = true;
			continue;
		}
		if (gap)
			out[at++] = '_';
		gap = false;
		out[at++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return at;
}

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_word(s.p[i]))
			return false;
	return s.n > 0;
}

/* One side of the code: a literal without its quotes, a constant without its prefix, a plain word;
 * what else stands there is an expression. */
static size_t put_part(char *out, size_t at, struct str s)
{
	static const char *const prefixes[] = { "FAULT_", "PARSE_" };

	s = str_trim(s);
	if (s.n > 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return put_words(out, at, (struct str){ s.p + 1, s.n - 2 });
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (str_starts(s, prefixes[i]))
			s = (struct str){ s.p + n, s.n - n };
	}
	return put_words(out, at, is_name(s) ? s : STR("any"));
}

void site_code(const struct error_site *s, char out[SITE_CODE_SIZE])
{
	struct str rest = str_of(s->code), part;
	size_t at = 0;

	while (str_split(&rest, '/', &part)) {
		if (at && at + 2 < SITE_CODE_SIZE)
			out[at++] = '/';
		at = put_part(out, at, part);
	}
	out[at] = '\0';
}

void site_id(const struct error_site *s, char out[SITE_ID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH] = { 0 };
	char code[SITE_CODE_SIZE], text[512];
	int n;

	site_code(s, code);
	n = snprintf(text, sizeof(text), "%s\n%s\n%s", site_file(s), s->function, code);
	if (n < 0 || (size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	SHA256((const unsigned char *)text, (size_t)n, digest);
	for (size_t i = 0; i < (SITE_ID_SIZE - 1) / 2; i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	out[SITE_ID_SIZE - 1] = '\0';
}

/* The content of a string literal, up to its closing quote; escapes of C that formats have. */
static const char *put_literal(const char *p, char *out, size_t size, size_t *at)
{
	for (; *p && *p != '"'; p++) {
		char c = *p;

		if (c == '\\' && p[1]) {
			p++;
			c = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
		}
		if (*at + 1 < size)
			out[(*at)++] = c;
	}
	return *p ? p + 1 : p;
}

void site_text(const struct error_site *s, char *out, size_t size)
{
	const char *p = s->text;
	size_t at = 0;
	bool code = false;

	/* Literals side by side are one text; what stands between others is code. */
	while (*p) {
		if (*p == '"') {
			for (const char *bar = " | "; code && at && *bar && at + 1 < size; bar++)
				out[at++] = *bar;
			code = false;
			p = put_literal(p + 1, out, size, &at);
		} else {
			code = code || *p != ' ';
			p++;
		}
	}
	out[str_cut_utf8((struct str){ out, at }, size - 1).n] = '\0';
}

bool site_quotes(const struct error_site *s)
{
	/* "%s", "%.*s", "%-5s": a conversion that ends in s, or no literal at all. */
	if (!strchr(s->text, '"'))
		return true;
	for (const char *p = s->text; (p = strchr(p, '%')); p++) {
		p++;
		p += strspn(p, "-+ #0123456789.*");
		if (*p == 's')
			return true;
		if (!*p)
			break;
	}
	return false;
}
