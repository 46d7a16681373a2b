/* base/ and message/: text, buffers, arenas, ids, clock, waiting, the log, faults and usage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/wait.h"
#include "json/scan.h"
#include "message/event.h"

static void test_str(void **state)
{
	struct str s = STR(" a,b,,c"), part;
	int64_t n;
	int parts = 0;

	assert_true(str_is(str_trim(STR(" \t\r\nx y\n")), "x y"));
	assert_int_equal(str_trim(STR("  ")).n, 0);
	while (str_split(&s, ',', &part))
		parts++;
	assert_int_equal(parts, 4);
	assert_true(str_is(part, "c"));
	s = STR("");
	assert_true(str_split(&s, ',', &part) && part.n == 0);
	assert_false(str_split(&s, ',', &part));
	assert_true(str_starts(STR("abc"), "ab") && str_starts(STR("abc"), "") && !str_starts(STR("a"), "ab"));
	assert_true(str_starts_nocase(STR("Bearer x"), "bearer ") && str_ends(STR("abc"), "bc") && !str_ends(STR("c"), "bc"));
	assert_true(str_is_nocase(STR("AbC"), "aBc") && !str_is_nocase(STR("AbC"), "ab"));
	assert_null(str_find(STR("abc"), "x"));
	assert_null(str_find(STR("ab"), "abc"));
	assert_non_null(str_find_nocase(STR("xxABcx"), "abC"));
	assert_null(str_find_nocase(STR_NONE, "a"));
	assert_true(str_is(str_of(NULL), ""));
	assert_true(str_int(STR("9223372036854775807"), &n) && n == INT64_MAX);
	assert_true(str_int(STR("-9223372036854775808"), &n) && n == INT64_MIN);
	assert_true(str_int(STR("007"), &n) && n == 7);
	assert_false(str_int(STR("9223372036854775808"), &n));
	assert_false(str_int(STR("-9223372036854775809"), &n));
	assert_false(str_int(STR(""), &n) || str_int(STR("-"), &n) || str_int(STR("1 "), &n) || str_int(STR("+1"), &n));
}

/* UBSan looks on: memchr, memcmp and an addition to NULL would show. */
static void test_absent(void **state)
{
	struct str none = STR_NONE, part, s = STR("a:b:c");
	const char *at = str_chr(s, ':');
	struct address address;

	assert_ptr_equal(at, s.p + 1);
	assert_null(str_chr(s, 'x'));
	assert_true(str_is(str_from(s, 2), "b:c") && str_is(str_from(s, 5), ""));
	assert_true(str_eq_nocase(STR("AbC"), STR("aBc")) && !str_eq_nocase(s, STR("a:b")));
	assert_true(str_ends_nocase(STR("x.PNG"), ".png") && !str_ends_nocase(STR("png"), ".png"));
	assert_true(str_ends_nocase(s, ""));

	assert_null(str_chr(none, ':'));
	assert_null(str_find(none, "a"));
	assert_null(str_from(none, 0).p);
	assert_true(str_eq(none, STR("")) && str_is(none, "") && str_utf8(none));
	assert_true(str_eq_nocase(none, STR("")) && str_eq_nocase(STR(""), none));
	assert_true(str_starts(none, "") && str_ends(none, "") && str_ends_nocase(none, ""));
	assert_true(str_starts_nocase(none, "") && !str_starts(none, "a") && !str_ends(none, "a"));
	assert_null(str_trim(none).p);
	assert_null(str_cut_utf8(none, 0).p);
	assert_true(str_glob("*", none) && !str_glob("?", none));
	assert_false(str_split(&none, ',', &part));
	assert_false(address_parse(none, &address));
	assert_int_equal(str_hash(1, none), str_hash(1, STR("")));
}

static void test_glob(void **state)
{
	static const struct { const char *pattern, *text; bool match; } rows[] = {
		{ "claude-*haiku*", "claude-3-5-haiku-20241022", true }, { "claude-*haiku*", "claude-opus", false }, { "*", "", true },
		{ "", "", true }, { "", "a", false }, { "a?c", "ABC", true }, { "a?c", "ac", false }, { "*a*b*c", "xxaxxbxxc", true },
		{ "*a*b*c", "xxaxxbxx", false }, { "**", "x", true }, { "a*", "b", false }, { "*ab", "aab", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(str_glob(rows[i].pattern, str_of(rows[i].text)), rows[i].match);
}

static void test_utf8(void **state)
{
	assert_true(str_is(str_cut_utf8(STR("a\xc3\xa9z"), 2), "a"));
	assert_true(str_is(str_cut_utf8(STR("a\xc3\xa9z"), 3), "a\xc3\xa9"));
	assert_true(str_is(str_cut_utf8(STR("\xf0\x9f\x98\x80"), 3), ""));
	assert_true(str_is(str_cut_utf8(STR("abc"), 9), "abc"));
	assert_true(str_utf8(STR("0123456789 caf\xc3\xa9 \xf0\x9f\x98\x80")) && str_utf8(STR_NONE));
	assert_false(str_utf8(STR("0123456789\xc3")) || str_utf8(STR("\xed\xa0\x80")) || str_utf8(STR("\xc0\x80")));
}

static void test_buf(void **state)
{
	struct buf b;

	buf_init(&b, 10);
	assert_int_equal(buf_puts(&b, "12345"), 0);
	assert_int_equal(buf_printf(&b, "%d", 67890), 0);
	assert_int_equal(b.n, 10);
	assert_string_equal(buf_cstr(&b), "1234567890");
	assert_int_equal(buf_putc(&b, 'x'), -1);
	assert_true(b.failed);
	buf_consume(&b, 4);
	assert_int_equal(buf_puts(&b, ""), -1);         /* sticky */
	assert_string_equal(buf_cstr(&b), "");
	buf_reset(&b);
	assert_int_equal(buf_put_int(&b, -12), 0);
	buf_consume(&b, 1);
	assert_string_equal(buf_cstr(&b), "12");
	buf_consume(&b, 99);
	assert_int_equal(b.n, 0);
	assert_int_equal(buf_printf(&b, "%s", "12345678901"), -1);
	buf_release(&b);
	buf_release(NULL);
	buf_init(&b, 0);
	assert_string_equal(buf_cstr(&b), "");
	assert_null(buf_room(&b, SIZE_MAX));
	buf_release(&b);
}

static void test_arena(void **state)
{
	struct arena a;
	size_t cap = 0;
	int *v = NULL;
	char *p;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < 1000; i++) {
		v = arena_grow(&a, v, i, &cap, sizeof(*v));
		assert_non_null(v);
		v[i] = (int)i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v[i], i);
	for (size_t n = 0; n < 40000; n += 1777) {
		p = arena_alloc(&a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 'x', n);
	}
	assert_string_equal(arena_printf(&a, "%s-%d", "a", 1), "a-1");
	assert_string_equal(arena_dup(&a, "abc", 2), "ab");
	assert_false(a.full);
	assert_null(arena_alloc(&a, 2 << 20));
	assert_true(a.full);
	assert_true(a.failed);
	assert_null(arena_alloc(&a, 1));                /* sticky */
	assert_null(arena_str(&a, STR("x")).p);
	arena_release(&a);
	arena_release(NULL);
	arena_init(&a, 0);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_false(a.full);
	arena_release(&a);
}

static void test_ids(void **state)
{
	static char ids[2000][ID_SIZE];
	char parent[ID_SIZE], child[ID_SIZE];
	int fd[2];

	for (int i = 0; i < 2000; i++) {
		id_make(ids[i], "req_01");
		assert_int_equal(strlen(ids[i]), 30);
		assert_int_equal(strspn(ids[i] + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 24);
		for (int k = 0; k < i && i < 100; k++)
			assert_string_not_equal(ids[i], ids[k]);
		assert_true(id_random_below(7) < 7);
	}
	assert_int_equal(id_random_below(1), 0);
	/* A child does not repeat its parent's. */
	assert_int_equal(pipe(fd), 0);
	if (fork() == 0) {
		id_make(child, "x_");
		_exit(write(fd[1], child, sizeof(child)) != sizeof(child));
	}
	id_make(parent, "x_");
	assert_int_equal(read(fd[0], child, sizeof(child)), sizeof(child));
	assert_string_not_equal(parent, child);
	wait(NULL);
	close(fd[0]);
	close(fd[1]);
}

static void test_clock(void **state)
{
	char text[32];

	clock_rfc3339(text, sizeof(text), 0, 0);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clock_rfc3339(text, sizeof(text), 1795348800123, 1);
	assert_string_equal(text, "2026-11-22T12:00:00.123Z");
	clock_rfc3339(text, sizeof(text), -1, 1);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	assert_true(clock_ms() <= clock_us() / 1000);
}

/* Whatever the width of time_t: 1994, 2015 and a day after 2038. */
static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 784111777 },
		{ "Wed, 21 Oct 2015 07:28:00 GMT", 1445412480 },
		{ "Thu, 29 Feb 2024 23:59:60 GMT", 1709251200 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Wed, 21 Oct 2065 07:28:00 GMT", 3023335680 },
		{ "Jan  1 00:00:00 2027 GMT", 1798761600 },
		{ "Dec 31 23:59:59 9999 GMT", 253402300799 },
		{ "soon", -1 },
		{ "", -1 },
		{ "21 Oct 2015", -1 },
		{ "Oct 2015 07:28:00", -1 },
		{ "Wed, 32 Oct 2015 07:28:00 GMT", -1 },
		{ "Wed, 21 Oct 2015 24:28:00 GMT", -1 },
		{ "Wed, 21 Oct 2015 07:28 GMT", -1 },
		{ "Wed, 21 Oct 99999999999999999999 07:28:00 GMT", -1 },
		{ "1 2 3 4 5 6 7 8", -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (clock_read_date(cases[i].text) != cases[i].seconds)
			fail_msg("%s is %lld", cases[i].text,
				 (long long)clock_read_date(cases[i].text));
	for (int64_t day = -719162; day < 800000; day += 97) {
		char text[32];
		int y, m, d;

		clock_rfc3339(text, sizeof(text), day * 86400000, 0);
		assert_int_equal(sscanf(text, "%d-%d-%dT", &y, &m, &d), 3);
		assert_int_equal(clock_seconds(y, m, d, 0, 0, 0), day * 86400);
	}
}

struct counting {
	struct waiter w;
	int ticks, reads;
};

static int on_tick(struct waiter *w, int64_t now)
{
	struct counting *c = (struct counting *)w;

	w->due = now + 5;
	return ++c->ticks == 3;
}

static int on_ready(struct waiter *w, int i)
{
	struct counting *c = (struct counting *)w;

	c->reads++;
	w->fd[i] = -1;
	return 0;
}

static void test_wait(void **state)
{
	struct counting c = { .w = { .fd = { -1, -1 }, .tick = on_tick, .ready = on_ready } };
	int64_t from = clock_ms();
	int fd[2];

	c.w.due = from + 5;
	assert_int_equal(wait_until(&c.w, from + 10000), WAIT_CANCEL);
	assert_int_equal(c.ticks, 3);
	assert_true(clock_ms() - from < 5000);
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "x", 1), 1);
	c.w.tick = NULL;
	c.w.due = CLOCK_NEVER;
	c.w.fd[1] = fd[0];
	from = clock_ms();
	assert_int_equal(wait_until(&c.w, from + 20), WAIT_GO);
	assert_true(clock_ms() - from >= 20);
	assert_int_equal(c.reads, 1);
	assert_int_equal(wait_until(NULL, clock_ms() + 1), WAIT_GO);
	assert_int_equal(wait_until(NULL, 0), WAIT_GO);
	close(fd[0]);
	close(fd[1]);
}

static void check_lines(const char *path, int want)
{
	char text[8192];
	int fd = open(path, O_RDONLY), n = 0;
	struct str rest, line;
	ssize_t got;

	assert_true(fd >= 0);
	got = read(fd, text, sizeof(text));
	close(fd);
	assert_true(got > 0 && text[got - 1] == '\n');
	rest = (struct str){ text, (size_t)got - 1 };
	while (str_split(&rest, '\n', &line)) {
		assert_int_equal(json_check(line, NULL, NULL), 0);
		n++;
	}
	assert_int_equal(n, want);
}

static void test_log(void **state)
{
	char path[] = "test-base-log-XXXXXX", moved[64], text[4000];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	snprintf(moved, sizeof(moved), "%s.1", path);
	assert_int_equal(log_setup(LOG_LEVEL_INFO, path), 0);
	log_debug("not this");
	log_info("quote \" back \\ line\n tab\t %s \xc3\xa9", "arg");
	log_warn("bad \xff byte");
	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
	log_line(LOG_LEVEL_INFO, STR("{\"a\":1}"));
	check_lines(path, 4);
	assert_int_equal(rename(path, moved), 0);
	log_reopen();
	log_info("behind");
	check_lines(path, 1);
	check_lines(moved, 4);
	assert_int_equal(log_setup(LOG_LEVEL_ERROR, "none"), 0);
	assert_false(log_enabled(LOG_LEVEL_ERROR));
	unlink(path);
	unlink(moved);
	assert_int_equal(log_level_of(STR("Warning")), LOG_LEVEL_WARN);
	assert_int_equal(log_level_of(STR("debug")), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_of(STR("loud")), -1);
}

static void *reopen(void *ctx)
{
	log_reopen();
	return NULL;
}

static void *set_up(void *path)
{
	log_setup(LOG_LEVEL_INFO, path);
	return NULL;
}

/* A signal to open the log again, and new settings while that takes its time: these stay in force. */
static void test_log_reopened_late(void **state)
{
	char folder[] = "test-base-late-XXXXXX", old[64], new[64];
	pthread_t first, second;
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(old, sizeof(old), "%s/old", folder);
	snprintf(new, sizeof(new), "%s/new", folder);
	assert_int_equal(log_setup(LOG_LEVEL_INFO, old), 0);
	assert_int_equal(unlink(old) | mkfifo(old, 0600), 0);
	assert_int_equal(pthread_create(&first, NULL, reopen, NULL), 0);
	usleep(200000);
	assert_int_equal(pthread_create(&second, NULL, set_up, new), 0);
	usleep(200000);
	/* A pipe is open for writing when somebody reads. */
	fd = open(old, O_RDONLY | O_NONBLOCK);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	log_info("one");
	check_lines(new, 1);
	close(fd);
	assert_int_equal(log_setup(LOG_LEVEL_ERROR, "none"), 0);
	unlink(old);
	unlink(new);
	rmdir(folder);
}

/* Where everybody may exchange the link, none is followed; in a folder like /tmp only its owner can. */
static void test_log_link(void **state)
{
	char folder[] = "test-base-link-XXXXXX", file[64], link[64];
	int was;

	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	was = dup(STDERR_FILENO);
	assert_non_null(freopen("/dev/null", "w", stderr));
	assert_int_equal(log_setup(LOG_LEVEL_INFO, link), -1);
	assert_int_equal(dup2(was, STDERR_FILENO), STDERR_FILENO);
	close(was);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(log_setup(LOG_LEVEL_INFO, link), 0);
	log_info("one");
	check_lines(file, 1);
	assert_int_equal(log_setup(LOG_LEVEL_ERROR, "none"), 0);
	unlink(link);
	unlink(file);
	rmdir(folder);
}

static void test_fault(void **state)
{
	struct fault f = FAULT_INIT;
	char text[4000];

	assert_int_equal(fault_bad(&f, "messages: %s", "wrong"), -1);
	assert_int_equal(f.status, 400);
	assert_string_equal(f.type, "invalid_request_error");
	assert_string_equal(f.message, "messages: wrong");
	assert_true(f.retry_after == -1 && f.should_retry == -1 && !fault_retryable(&f));
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[sizeof(text) - 2] = '\0';
	fault_set(&f, FAULT_TRANSIENT, 502, "api_error", "x%s", text);
	assert_true(str_utf8(str_of(f.message)) && strlen(f.message) > 2000);
	assert_true(fault_retryable(&f));
	f.should_retry = 0;
	assert_false(fault_retryable(&f));
	fault_no_memory(&f);
	assert_true(f.status == 529 && f.retry_after == 1);
	assert_string_equal(fault_type_of_status(529), "overloaded_error");
	assert_string_equal(fault_type_of_status(418), "invalid_request_error");
	assert_string_equal(fault_type_of_status(599), "api_error");
}

static void test_usage(void **state)
{
	struct usage u = USAGE_UNKNOWN, later = USAGE_UNKNOWN;

	later.input = 5;
	strcpy(later.cost, "0.1");
	usage_update(&u, &later);
	later = USAGE_UNKNOWN;
	later.output = 0;
	usage_update(&u, &later);
	assert_true(u.input == 5 && u.output == 0 && u.cache_read == -1);
	assert_string_equal(u.cost, "0.1");
	assert_string_equal(stop_reason_name(STOP_CONTEXT_WINDOW), "model_context_window_exceeded");
	assert_null(stop_reason_name(STOP_NOT_GIVEN));
}

static void test_redact(void **state)
{
	static const struct {
		const char *text, *out;
	} cases[] = {
		{ "Incorrect API key provided: sk-abc***wxyz. See https://x.example/keys.",
		  "Incorrect API key provided: [...] See https://x.example/keys." },
		{ "no such model: claude-sonnet-4-5-20250929", "no such model: claude-sonnet-4-5-20250929" },
		{ "Bearer 0123456789abcdef0123 was refused", "Bearer [...] was refused" },
		{ "x=eyJhbGciOi.J9", "x=eyJhbGciOi.J9" },
		{ "x: eyJhbGciOi.J9;", "x: [...];" },
		{ "the key \"hush-hush\" (prehush-hushpost) is bad", "the key \"[...]\" (pre[...]post) is bad" },
		{ "two\nlines\t.", "two lines ." },
		{ "sk-", "sk-" },
		{ "", "" },
		{ "not UTF-8 \xff", "" },
		{ NULL, "" },
	};
	char out[128], small[12];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		redact(out, sizeof(out), cases[i].text, "hush-hush");
		assert_string_equal(out, cases[i].out);
	}
	redact(out, sizeof(out), "no secret known", NULL);
	assert_string_equal(out, "no secret known");
	redact(out, sizeof(out), "an empty one", "");
	assert_string_equal(out, "an empty one");
	redact(small, sizeof(small), "0123456789\xc3\xa4", NULL);
	assert_string_equal(small, "0123456789");
	redact(small, sizeof(small), "012345678\xc3\xa4\xc3\xa4", NULL);
	assert_string_equal(small, "012345678\xc3\xa4");
}

static void test_redact_known(void **state)
{
	char text[] = "key sk-12345678, sk-12345678sk-12345678 sk-1234567", short_one[] = "abc abc";

	redact_known(text, strlen(text), "sk-12345678");
	assert_string_equal(text, "key ***********, ********************** sk-1234567");
	redact_known(short_one, strlen(short_one), "abc");
	redact_known(short_one, strlen(short_one), "");
	redact_known(short_one, strlen(short_one), NULL);
	redact_known(NULL, 0, "sk-12345678");
	assert_string_equal(short_one, "abc abc");
}

static void test_redact_all(void **state)
{
	char text[] = "a token-one, token/two, token\\/two, short, token-one";
	struct buf secrets;

	buf_init(&secrets, 0);
	redact_all(text, strlen(text), &secrets);
	redact_note(&secrets, NULL);
	redact_note(&secrets, "");
	redact_note(&secrets, "short");
	redact_note(&secrets, "token-one");
	redact_note(&secrets, "token/two");
	redact_all(text, strlen(text), &secrets);
	assert_string_equal(text, "a *********, *********, **********, short, *********");
	redact_all(NULL, 0, &secrets);
	redact_release(&secrets);
	assert_true(redact_is_secret_name(STR("X-Amz-Security-Token")));
	assert_true(redact_is_secret_name(STR("AUTHORIZATION")) && redact_is_secret_name(STR("api-key")));
	assert_false(redact_is_secret_name(STR("content-type")) || redact_is_secret_name(STR_NONE));
}

/* Choices by a remainder are even, and those with other seeds go their own ways. */
static void test_hash(void **state)
{
	int both[2][2] = { { 0 } };
	char name[32];

	for (int i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "session-%d", i);
		both[str_hash(1, str_of(name)) % 2][str_hash(2, str_of(name)) % 2]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(both[i / 2][i % 2], 900, 1100);
	assert_true(str_hash(1, STR("a")) == str_hash(1, STR("a")));
	assert_true(str_hash(1, STR("")) != str_hash(2, STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_log), cmocka_unit_test(test_log_link),
		cmocka_unit_test(test_log_reopened_late),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_redact), cmocka_unit_test(test_redact_known),
		cmocka_unit_test(test_redact_all),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
