/* See alloc.h. __wrap_NAME stands for NAME in everything that is linked here; __real_NAME is libc's
 * (or a sanitizer's) own. */
#include "alloc.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
int __wrap_vasprintf(char **out, const char *fmt, va_list ap);
int __wrap___vasprintf_chk(char **out, int flag, const char *fmt, va_list ap);

static _Thread_local struct {
	size_t left;            /* allocations up to the one that fails; 0: none does */
	bool rest, failed, paused;
	long blocks;
} order;

void alloc_fail(size_t n, bool rest)
{
	order.left = n;
	order.rest = rest;
	order.failed = order.paused = false;
}

bool alloc_well(void)
{
	order.left = 0;
	return order.failed;
}

void alloc_pause(bool pause)
{
	order.paused = pause;
}

long alloc_blocks(void)
{
	return order.blocks;
}

static bool denied(void)
{
	if (order.paused || !order.left)
		return false;
	if (order.left > 1) {
		order.left--;
		return false;
	}
	order.failed = true;
	if (!order.rest)
		order.left = 0;
	errno = ENOMEM;
	return true;
}

static void *counted(void *p)
{
	order.blocks += p != NULL;
	return p;
}

void *__wrap_malloc(size_t n)
{
	return denied() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return denied() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
	void *to;

	if (denied())
		return NULL;
	to = __real_realloc(p, n);
	return p ? to : counted(to);
}

void __wrap_free(void *p)
{
	order.blocks -= p != NULL;
	__real_free(p);
}

char *__wrap_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = __wrap_malloc(n);

	return p ? memcpy(p, s, n) : NULL;
}

int __wrap_vasprintf(char **out, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	*out = n < 0 ? NULL : __wrap_malloc((size_t)n + 1);
	return *out ? vsnprintf(*out, (size_t)n + 1, fmt, ap) : -1;
}

int __wrap___vasprintf_chk(char **out, int flag, const char *fmt, va_list ap)
{
	return __wrap_vasprintf(out, fmt, ap);
}

/* ---- OpenSSL, whose blocks are not counted ---- */

static void *ssl_malloc(size_t n, const char *file, int line)
{
	return denied() ? NULL : __real_malloc(n);
}

static void *ssl_realloc(void *p, size_t n, const char *file, int line)
{
	return denied() ? NULL : __real_realloc(p, n);
}

static void ssl_free(void *p, const char *file, int line)
{
	__real_free(p);
}

int alloc_setup(void)
{
	if (!CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free))
		return -1;
	/* The program's own curl_global_init then leaves these alone. */
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, __wrap_malloc, __wrap_free, __wrap_realloc,
				    __wrap_strdup, __wrap_calloc) == CURLE_OK ? 0 : -1;
}
