/*
 * What lies around requests, and could be broken, old or somebody else's. The first byte chooses:
 * 'c' a capture that is replayed; 'h' the table of the host and 'm', 'l' that of keys' limits,
 * mapped and through a locked file; 's' a credential that processes share; 'd' what the doctor is
 * answered by a web server. Parts of an input are parted by SECTION.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "api/capture.h"
#include "api/capture_compare.h"
#include "base/clock.h"
#include "base/log.h"
#include "checker.h"
#include "doctor/doctor.h"
#include "state/host.h"
#include "state/place.h"
#include "state/rates.h"
#include "upstream/credential_share.h"
#include "world.h"

#define CALLS 4                 /* of a capture */
#define WORD 8                  /* bytes of what tables are made of */
#define TABLE_MAX (1 << 20)
#define NAME "KKKKKKKK"         /* stands for a name's hash in a table */
#define MARK UINT64_C(0x4b4b4b4b4b4b4b4b)
/* SHA-256 of "sk-fuzz". */
#define KEY_HASH "aa49f5bd7d6edbcbc9ec60fc22914ab89cc8500d8f7df46dd7703fd1f4d0cfec"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

const int fuzz_slow = 1;
static char dir[] = "/tmp/fuzz-around.XXXXXX";
static char conf[64], capture[64], host_file[64], rates_file[64], share_file[80], lock_file[96];
static const unsigned char share_id[CREDENTIAL_ID_SIZE];
static struct config *config;
static FILE *nowhere;

/* ---- files ---- */

static const char *const of_capture[] = { "about", "request", "answer" };
static const char *const of_call[] = { "sent", "answer", "times" };

static void part_path(char *out, size_t size, size_t part)
{
	if (part < 3)
		snprintf(out, size, "%s/%s", capture, of_capture[part]);
	else
		snprintf(out, size, "%s/%zu-%s", capture, part / 3, of_call[part % 3]);
}

static void clean_up(void)
{
	char path[128];

	for (size_t i = 0; i < 3 + 3 * CALLS; i++) {
		part_path(path, sizeof(path), i);
		unlink(path);
	}
	rmdir(capture);
	unlink(conf);
	unlink(host_file);
	unlink(rates_file);
	unlink(share_file);
	unlink(lock_file);
	rmdir(dir);
	config_unref(config);
}

/* A fresh one: where a file is emptied and written again, some systems wait for the disk. */
static void put_file(const char *path, struct str text)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	require(f && fwrite(text.p, 1, text.n, f) == text.n && fclose(f) == 0);
}

static struct str take_part(struct str *rest)
{
	const char *end = rest->n ? str_find(*rest, SECTION) : NULL;
	struct str part = *rest;

	*rest = STR("");
	if (end) {
		rest->p = end + strlen(SECTION);
		rest->n = part.n - (size_t)(rest->p - part.p);
		part.n = (size_t)(end - part.p);
	}
	return part;
}

static void name_files(void)
{
	char id[17];

	for (size_t i = 0; i < 8; i++)
		snprintf(id + 2 * i, 3, "%02x", share_id[i]);
	snprintf(conf, sizeof(conf), "%s/m.conf", dir);
	snprintf(capture, sizeof(capture), "%s/capture", dir);
	snprintf(host_file, sizeof(host_file), "%s/.htmessages-host", dir);
	snprintf(rates_file, sizeof(rates_file), "%s/.htmessages-rates", dir);
	snprintf(share_file, sizeof(share_file), "%s/.htmessages-credential-%s", dir, id);
	snprintf(lock_file, sizeof(lock_file), "%s.lock", share_file);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct config_load how = { .path = conf };
	struct buf err;

	log_setup(LOG_LEVEL_NONE, "none");
	nowhere = fopen("/dev/null", "w");
	require(nowhere && mkdtemp(dir));
	atexit(clean_up);
	name_files();
	require(mkdir(capture, 0700) == 0);
	umask(077);
	/* The doctor tries no larger bodies: they take the time of a hundred runs. */
	put_file(conf, STR("proxy_backend = \"lab\";\nlimits = { max_body = 200000; };\n"
			   "access = { keys = ( { name = \"k\"; sha256 = \"" KEY_HASH "\"; } ); };\n"
			   "models = { big = \"m-big\"; small = \"m-small\"; };\n"
			   "targets = { both = ( \"lab/m\", \"own/claude-x\" ); };\n"
			   "backends = { lab = { dialect = \"openai-chat\"; base_url = \"http://x.test\"; "
			   "api_key = \"secret-of-lab\"; };\n own = { dialect = \"anthropic\"; "
			   "base_url = \"http://y.test\"; api_key = \"secret-of-own\"; }; };\n"));
	buf_init(&err, 0);
	config = config_load(&how, &err);
	if (!config)
		fprintf(stderr, "%s\n", buf_cstr(&err));
	require(config);
	buf_release(&err);
	/* The tables, made by those whose they are. */
	require(host_open(dir) == 0);
	host_close();
	rates_setup(dir, 1, true);
	rates_secret();
	rates_close();
	return 0;
}

/* ---- captures ---- */

static void check_texts(struct str text)
{
	struct buf b;

	buf_init(&b, 0);
	buf_put_str(&b, text);
	capture_mask(config, &b);
	require(b.n == text.n && !str_find(buf_str(&b), "secret-of-own"));
	buf_reset(&b);
	capture_put_short(&b, text, 16);
	require(b.n <= text.n);
	buf_release(&b);
	require(capture_same(nowhere, "text", text, text));
	require(capture_same_answer(nowhere, text, text, false));
}

static void replay(struct str rest)
{
	struct config_load how = { .path = conf };
	char path[128];
	int rc;

	for (size_t i = 0; i < 3 + 3 * CALLS; i++) {
		struct str part = take_part(&rest);

		part_path(path, sizeof(path), i);
		if (part.n || i < 3)
			put_file(path, part);
		else
			unlink(path);
		check_texts(part);
	}
	rc = api_replay(&how, capture, nowhere);
	require(rc >= 0 && rc <= 2);
}

/* ---- tables ---- */

/* Fills a table, behind its head, with the input's words, again and again; without one, zeros. */
static void fill(const char *path, struct str text, uint64_t name)
{
	static uint64_t words[TABLE_MAX / WORD];
	size_t from = sizeof(struct shared_head), n = text.n / WORD, all;
	int fd = open(path, O_RDWR);
	struct stat st;

	require(fd >= 0 && fstat(fd, &st) == 0 && st.st_size <= TABLE_MAX);
	all = ((size_t)st.st_size - from) / WORD;
	for (size_t i = 0; i < all; i++) {
		words[i] = i < n || !n ? 0 : words[i - n];
		if (i < n)
			memcpy(&words[i], text.p + i * WORD, WORD);
		if (i < n && !memcmp(&words[i], NAME, WORD))
			words[i] = name;
	}
	require(pwrite(fd, words, all * WORD, (off_t)from) == (ssize_t)(all * WORD));
	close(fd);
}

static void check_label(void *ctx, const char *label, const struct breaker *b,
			const struct host_error *e)
{
	require(strlen(label) < HOST_LABEL && strlen(e->text) < HOST_ERROR_TEXT);
}

static void use_host(struct str text)
{
	static const struct breaker_rule rule = { 3, 1000, 60000 };
	static const struct host_error error = { 1, 500, 2, 0, "it failed" };
	struct host_health health;
	struct host_error e;
	struct breaker b;
	int64_t until;

	fill(host_file, text, str_hash(0, STR("lab")));
	require(host_open(dir) == 0);
	host_health_claim("lab", 1000);
	host_health_get("lab", &health);
	host_health_put("lab", &health);
	if (!host_breaker_ask("lab", &until))
		require(until > clock_wall_ms() &&
			until <= clock_wall_ms() + 2 * BREAKER_REST_MAX_MS);
	host_breaker_failed("lab", &rule, &error);
	host_breaker_rest("other", -1, &rule, &error);
	host_breaker_get("lab", &b, &e);
	require(b.opened <= 255 && b.failures <= 255 && strlen(e.text) < HOST_ERROR_TEXT);
	host_breaker_label("other", "lab", "m");
	host_breaker_each("lab", check_label, NULL);
	host_breaker_release("lab");
	host_breaker_ended("lab");
	host_breaker_well("lab");
	require(host_breaker_ready("lab"));
	host_turn();
	host_close();
}

static void check_rate(const struct rate *r, int64_t limit)
{
	require(r->limit == limit && r->left <= limit);
	require(r->wait_ms >= 0 && r->wait_ms <= RATE_WINDOW_MS + 2 * BUCKET_DEBT_MAX_MS);
	require(r->full_ms >= 0 && r->full_ms <= RATE_WINDOW_MS + 2 * BUCKET_DEBT_MAX_MS);
}

static void use_rates(struct str text, bool may_map)
{
	static const struct bucket_rule failures = { 20, 60000 };
	struct permit one = { .word = 0 }, two = { .word = 0 };
	struct rate r;
	int64_t got;

	fill(rates_file, text, MARK);
	rates_setup(dir, 1, may_map);
	require(!strcmp(rates_kind(), may_map ? "shared memory" : "a locked file"));
	rates_secret();
	if (rate_take(MARK, RATE_REQUESTS, 10, 1, &r))
		require(r.left >= 0);
	check_rate(&r, 10);
	got = rate_reserve(MARK, RATE_TOKENS, 1000, 500, &r);
	require(got >= 0 && got <= 500);
	check_rate(&r, 1000);
	rate_settle(MARK, RATE_TOKENS, 1000, INT64_MAX);
	rate_settle(MARK, RATE_TOKENS, 1, -INT64_MAX);
	rate_look(MARK, RATE_TOKENS, INT64_MAX, &r);
	check_rate(&r, INT64_MAX);
	if (permit_take(MARK, 40, &one) && permit_take(MARK + 1, 1, &two))
		permit_give(&two);
	permit_give(&one);
	failure_note(FAILURE_ADDRESS, MARK, &failures);
	require(failure_wait_ms(FAILURE_ADDRESS, MARK, &failures) >= 0);
	require(failure_wait_ms(FAILURE_KEY, 0, &failures) >= 0);
	rates_close();
}

/* ---- credentials ---- */

static void use_share(struct str rest)
{
	struct credential got = CREDENTIAL_INIT, again = CREDENTIAL_INIT;
	struct fault f = FAULT_INIT;
	int lock = -1;

	put_file(share_file, take_part(&rest));
	put_file(lock_file, take_part(&rest));
	if (credential_share_read(dir, share_id, &got, &f) == 0) {
		require(got.token && *got.token);
		credential_share_write(dir, share_id, &got);
		require(credential_share_read(dir, share_id, &again, &f) == 0);
		require(!strcmp(again.token, got.token) && again.expires == got.expires);
	}
	require(credential_share_lock(dir, share_id, &lock) == SHARE_LOCKED);
	if (credential_share_failed(lock, 60000, &f)) {
		require(str_utf8(str_of(f.message)));
		credential_share_fail(lock, &f);
		require(credential_share_failed(lock, 60000, &f));
	}
	credential_share_unlock(lock);
	credential_release(&got);
	credential_release(&again);
}

/* ---- the doctor ---- */

static void ask_doctor(struct str answers)
{
	struct world world = { .answers = answers };
	struct doctor_web o = { .base_url = "http://web.test/ai/v1/", .deadline = INT64_MAX };
	struct findings found = { .n = 0 };
	struct arena a;
	struct buf page;

	world_set(&world);
	arena_init(&a, 0);
	buf_init(&page, 0);
	found.arena = &a;
	doctor_web(&found, config, &o);
	require(found.n && !a.failed);
	findings_sort(&found);
	findings_print(&found, nowhere);
	findings_html(&found, &page);
	require(!page.failed);
	for (size_t i = 0; i < found.n; i++)
		require(found.v[i].what && *found.v[i].what && found.v[i].id);
	buf_release(&page);
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 1, size - 1 };
	struct world world = { .answers = STR("") };

	if (!size)
		return 0;
	world_set(&world);
	switch (data[0]) {
	case 'h':
		use_host(text);
		break;
	case 'm':
	case 'l':
		use_rates(text, data[0] == 'm');
		break;
	case 's':
		use_share(text);
		break;
	case 'd':
		ask_doctor(text);
		break;
	default:
		replay(text);
	}
	return 0;
}
