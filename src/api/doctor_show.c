/* What /doctor found, as JSON for programs and as a page for people. No scripts: the page must work
 * wherever a browser is. */
#include <cjson/cJSON.h>
#include <string.h>

#include "api/doctor.h"
#include "base/clock.h"
#include "config.h"
#include "doctor/finding.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<meta name=\"robots\" content=\"noindex\">\n<title>messages.fcgi: doctor</title>\n"
	"<style>body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
	"pre{background:#f2f2f2;padding:.6em;overflow-x:auto;white-space:pre-wrap}"
	"p{margin:.2em 0}li{margin:.8em 0}td{padding:.1em 1em .1em 0;vertical-align:top}"
	".error{color:#a00}.warning{color:#850}.ok{color:#070}</style>\n</head>\n<body>\n";

static const char *verdict(const struct findings *l)
{
	if (findings_count(l, FINDING_ERROR))
		return "error";
	return findings_count(l, FINDING_WARNING) ? "warning" : "ok";
}

cJSON *doctor_json(const struct doctor_report *r)
{
	cJSON *root = cJSON_CreateObject();
	char now[32];

	if (!root)
		return NULL;
	clock_rfc3339(now, sizeof(now), clock_wall_ms(), 0);
	cJSON_AddStringToObject(root, "status", verdict(r->findings));
	cJSON_AddStringToObject(root, "version", PACKAGE_VERSION);
	cJSON_AddStringToObject(root, "checked_at", now);
	cJSON_AddItemToObject(root, "findings", findings_json(r->findings));
	if (str_utf8(str_of(r->used)))
		cJSON_AddStringToObject(root, "configuration", r->used);
	if (r->errors.n)
		cJSON_AddRawToObject(root, "recent_errors", r->errors.p);
	else
		cJSON_AddNullToObject(root, "recent_errors");
	return root;
}

static void put_cell(struct buf *b, const cJSON *e, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, key));

	buf_puts(b, "<td>");
	html_put(b, str_of(text));
	buf_puts(b, "</td>");
}

static void put_errors(struct buf *b, struct str json)
{
	cJSON *root = json.n ? cJSON_Parse(json.p) : NULL, *e;

	buf_puts(b, "<h2>Recent errors</h2>\n");
	if (!root) {
		buf_puts(b, "<p>None are recorded: log.dir names the folder for them.</p>\n");
		return;
	}
	buf_puts(b, "<table>\n");
	cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(root, "errors"))
	{
		buf_puts(b, "<tr>");
		put_cell(b, e, "time");
		put_cell(b, e, "type");
		put_cell(b, e, "hash");
		put_cell(b, e, "message");
		buf_puts(b, "</tr>\n");
	}
	buf_puts(b, "</table>\n");
	cJSON_Delete(root);
}

void doctor_page(const struct doctor_report *r, struct buf *b)
{
	char now[32];

	clock_rfc3339(now, sizeof(now), clock_wall_ms(), 0);
	buf_puts(b, head);
	buf_printf(b, "<h1>messages.fcgi %s</h1>\n<p>Looked at %s: %zu errors, %zu warnings.</p>\n",
		   PACKAGE_VERSION, now, findings_count(r->findings, FINDING_ERROR),
		   findings_count(r->findings, FINDING_WARNING));
	findings_html(r->findings, b);
	put_errors(b, r->errors);
	buf_puts(b, "<h2>Configuration</h2>\n<pre>");
	html_put(b, str_of(r->used));
	buf_puts(b, "</pre>\n</body>\n</html>\n");
}
