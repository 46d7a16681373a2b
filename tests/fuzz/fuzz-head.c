/*
 * The head of a backend's answer, a header a line: dates and numbers of retry-after, ids, and what
 * passes on to the client.
 */
#include <string.h>

#include "checker.h"
#include "upstream/head.h"

#define WALL_MS INT64_C(1795000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_passed(struct str pass)
{
	struct str line, name;

	while (str_split(&pass, '\n', &line))
		require(!line.n ||
			(str_split(&line, ':', &name) && str_starts(name, "anthropic-")));
}

static void check(const struct upstream_head *h)
{
	require(h->retry_after >= -1);
	require(h->should_retry >= -1 && h->should_retry <= 1);
	require(memchr(h->content_type, 0, sizeof(h->content_type)) != NULL);
	require(memchr(h->request_id, 0, sizeof(h->request_id)) != NULL);
	require(memchr(h->error_type, 0, sizeof(h->error_type)) != NULL);
	require(memchr(h->cost, 0, sizeof(h->cost)) != NULL);
	check_passed(h->pass);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, line;
	struct head h;
	int status;

	head_init(&h);
	head_start(&h, 200);
	while (str_split(&rest, '\n', &line)) {
		status = head_status(line);
		require(status >= 0 && status <= 999);
		if (status)
			head_start(&h, status);
		else
			head_line(&h, line, WALL_MS);
	}
	check(head_end(&h));
	head_release(&h);
	return 0;
}
