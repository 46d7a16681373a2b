/*
 * Input tokens without a tokenizer: the text is cut where tokenizers cut it (words at a change of
 * case, groups of three digits, runs of punctuation, line ends, single CJK characters), the pieces
 * are counted by kind, and each kind has a weight that was fitted against a real tokenizer
 * (docs/count-tokens.md has the method and the errors measured). One pass, no allocation; images
 * and PDFs are not walked.
 */
#include <string.h>

#include "api/api.h"

enum kind {
	WORDS,       /* runs of letters, a capital after a small letter begins a new one */
	WORD_EXTRA,  /* letters beyond LONG_WORD of each word */
	CAPITALS,    /* letters beyond the second in words that are all capitals */
	DIGITS,      /* groups of up to three digits */
	PUNCT,       /* runs of punctuation */
	PUNCT_EXTRA, /* characters beyond the first of each */
	LINES,       /* runs of white space with a line end in them */
	GAPS,        /* runs of two or more blanks inside a line or before its text */
	LATIN,       /* letters of two bytes: accents, Greek, Cyrillic, Hebrew, Arabic */
	HAN,
	KANA,
	HANGUL, /* rare Han characters of the extensions are among the others */
	OTHER,  /* any other character, by its UTF-8 bytes */
	DENSE,  /* letters and digits of base64, hashes and ids: they count once more */
	KINDS
};

#define LONG_WORD 7
#define DENSE_LEAST 16 /* letters and digits in a row */

/* 1/1024 tokens each. */
static const int weight[KINDS] = {
	[WORDS] = 1016,      [WORD_EXTRA] = 193, [CAPITALS] = 99, [DIGITS] = 1443, [PUNCT] = 836,
	[PUNCT_EXTRA] = 137, [LINES] = 324,      [GAPS] = 818,    [LATIN] = 285,   [HAN] = 796,
	[KANA] = 750,        [HANGUL] = 713,     [OTHER] = 512,   [DENSE] = 182,
};

/* What the text around a part costs, in tokens. */
#define REQUEST_TOKENS 4
#define MESSAGE_TOKENS 4
#define TOOL_TOKENS 8
#define CALL_TOKENS 10
#define IMAGE_TOKENS 1500
#define PDF_PAGE_BYTES 50000 /* of base64 */
#define PDF_PAGE_TOKENS 2000
#define DEPTH_MAX 4 /* blocks in results in documents: deeper ones do not exist */

/* What is read of long texts for a quick estimate: WINDOWS of about WINDOW bytes, evenly spread. */
#define WINDOW 128
#define WINDOWS 48

enum run { IN_NOTHING, IN_WORD, IN_DIGITS, IN_PUNCT, IN_SPACE };

struct tally {
	int64_t n[KINDS];
	enum run run;
	unsigned length;   /* of the run */
	unsigned capitals; /* of the word, while it has no small letter */
	bool small, line;  /* last letter was a small one; the white space holds a line end */
	/* Letters and digits in a row, whatever their case: how many, how often case or kind
	 * changed, any digit. */
	unsigned row, changes;
	int last;
	bool digit;
	enum { READ_ALL, READ_SIZE, READ_SAMPLE } how;
	size_t bytes, seen;     /* of all texts so far; of them read */
	size_t next, stride;    /* where the next window begins, and how far the one behind it */
};

/* Base64 changes at six of ten characters, hexadecimal at five, words of any case at far fewer or
 * without a digit. */
static void end_row(struct tally *t)
{
	if (t->row >= DENSE_LEAST && t->digit && t->changes * 5 >= t->row * 2)
		t->n[DENSE] += t->row;
	t->row = t->changes = 0;
	t->digit = false;
}

static void add_to_row(struct tally *t, int class)
{
	if (t->row++ && class != t->last)
		t->changes++;
	t->last = class;
	t->digit |= class == '0';
}

static void end_run(struct tally *t)
{
	if (t->run == IN_SPACE && t->line)
		t->n[LINES]++;
	else if (t->run == IN_SPACE && t->length > 1)
		t->n[GAPS]++;
	else if (t->run == IN_WORD && t->capitals == t->length && t->length > 2)
		t->n[CAPITALS] += t->length - 2;
	t->run = IN_NOTHING;
	t->length = 0;
}

static void begin_run(struct tally *t, enum run run)
{
	/* Indentation is a piece of its own, the line end before it another. */
	if (t->run == IN_SPACE && t->line && t->length > 2 && run != IN_SPACE)
		t->n[GAPS]++;
	end_run(t);
	t->run = run;
	t->line = t->small = false;
	t->capitals = 0;
}

static void add_letter(struct tally *t, bool capital)
{
	add_to_row(t, capital ? 'A' : 'a');
	if (t->run != IN_WORD || (capital && t->small)) {
		begin_run(t, IN_WORD);
		t->n[WORDS]++;
	}
	if (++t->length > LONG_WORD)
		t->n[WORD_EXTRA]++;
	t->capitals += capital;
	t->small = !capital;
}

static void add_digit(struct tally *t)
{
	add_to_row(t, '0');
	if (t->run != IN_DIGITS)
		begin_run(t, IN_DIGITS);
	if (t->length++ % 3 == 0)
		t->n[DIGITS]++;
}

static void add_punct(struct tally *t)
{
	if (t->run != IN_PUNCT) {
		begin_run(t, IN_PUNCT);
		t->n[PUNCT]++;
	} else {
		t->n[PUNCT_EXTRA]++;
	}
	t->length++;
}

static void add_space(struct tally *t, unsigned c)
{
	if (t->run != IN_SPACE)
		begin_run(t, IN_SPACE);
	t->length++;
	if (c == '\n')
		t->line = true;
}

static void add_between(struct tally *t, unsigned c)
{
	if (t->row)
		end_row(t);
	if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
		add_space(t, c);
	else
		add_punct(t);
}

static void add_ascii(struct tally *t, unsigned c)
{
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
		add_letter(t, c < 'a');
	else if (c >= '0' && c <= '9')
		add_digit(t);
	else
		add_between(t, c);
}

static void add_wide(struct tally *t, unsigned c)
{
	if (c < 0x800) {
		t->n[LATIN]++;
		return;
	}
	begin_run(t, IN_NOTHING);
	if (c >= 0x4e00 && c <= 0x9fff)
		t->n[HAN]++;
	else if (c >= 0x3040 && c <= 0x30ff)
		t->n[KANA]++;
	else if ((c >= 0xac00 && c <= 0xd7a3) || (c >= 0x1100 && c <= 0x11ff))
		t->n[HANGUL]++;
	else if ((c >= 0x3000 && c <= 0x303f) || (c >= 0xff00 && c <= 0xffef) ||
		 (c >= 0x2010 && c <= 0x2027))
		add_punct(t);
	else
		t->n[OTHER] += c < 0x10000 ? 3 : 4;
}

static void add_char(struct tally *t, unsigned c)
{
	if (c < 0x80)
		add_ascii(t, c);
	else
		add_wide(t, c);
}

/* One character of UTF-8 that the scanner has checked. */
static const char *take_utf8(const char *p, const char *end, unsigned *c)
{
	unsigned lead = (unsigned char)*p++;
	int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;

	*c = more ? lead & (0x3fu >> more) : lead;
	for (; more && p < end; more--)
		*c = *c << 6 | ((unsigned char)*p++ & 0x3f);
	return p;
}

static unsigned hex4(const char *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i];

		v = v << 4 | (c <= '9' ? c - '0' : ((c | 0x20) - 'a' + 10));
	}
	return v & 0xffff;
}

/* What stands behind a backslash. A surrogate pair counts as two of three bytes: near enough to an
 * emoji's four. */
static const char *take_escape(const char *p, const char *end, unsigned *c)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	const char *at;

	if (*p == 'u' && end - p > 4) {
		*c = hex4(p + 1);
		return p + 5;
	}
	at = strchr(from, *p);
	*c = at && *at ? (unsigned char)to[at - from] : (unsigned char)*p;
	return p + 1;
}

/* Small letters inside a word, most of any text, at once. */
static const char *add_small(struct tally *t, const char *p, const char *end)
{
	const char *from = p;
	unsigned before = t->length > LONG_WORD ? t->length : LONG_WORD;

	while (p < end && (unsigned char)(*p - 'a') < 26)
		p++;
	t->length += (unsigned)(p - from);
	if (t->length > before)
		t->n[WORD_EXTRA] += t->length - before;
	if (t->row && t->last != 'a')
		t->changes++;
	t->row += (unsigned)(p - from);
	t->last = 'a';
	t->small = true;
	return p;
}

static void add_whole(struct tally *t, struct span s)
{
	const char *p = s.p, *end = s.p + s.n;

	while (p < end) {
		unsigned c;

		if (t->run == IN_WORD && (unsigned char)(*p - 'a') < 26) {
			p = add_small(t, p, end);
			continue;
		}
		if (*p == '\\' && s.form == SPAN_STR && end - p > 1)
			p = take_escape(p + 1, end, &c);
		else
			p = take_utf8(p, end, &c);
		add_char(t, c);
	}
	begin_run(t, IN_NOTHING);
	end_row(t);
}

/* Behind the next blank that is near, so that a window cuts no word. */
static size_t behind_blank(struct span s, size_t at)
{
	size_t near = s.n - at < WINDOW ? s.n - at : WINDOW;
	const char *blank = str_chr((struct str){ s.p + at, near }, ' ');

	return blank ? (size_t)(blank - s.p) + 1 : at;
}

/* One window in each `stride` bytes of all texts, wherever one of them ends and the next begins. */
static void add_sample(struct tally *t, struct span s)
{
	size_t end = t->bytes + s.n;

	while (t->next < end) {
		size_t from = t->next > t->bytes ? behind_blank(s, t->next - t->bytes) : 0;
		size_t to = s.n - from > WINDOW ? behind_blank(s, from + WINDOW) : s.n;

		add_whole(t, (struct span){ s.p + from, to - from, s.form });
		t->seen += to - from;
		t->next = t->bytes + from + t->stride;
	}
	t->bytes = end;
}

static void add_text(struct tally *t, struct span s)
{
	if (!span_given(s) || s.n == 0)
		return;
	if (t->how == READ_ALL)
		add_whole(t, s);
	else if (t->how == READ_SAMPLE)
		add_sample(t, s);
	else
		t->bytes += s.n;
}

static int64_t tally_tokens(const struct tally *t)
{
	int64_t sum = 0;

	for (int i = 0; i < KINDS; i++)
		sum += t->n[i] * weight[i];
	return (sum + 1023) / 1024;
}

/* ---- a request ---- */

static int64_t document_tokens(struct tally *t, const struct block *b)
{
	add_text(t, b->title);
	add_text(t, b->context);
	if (b->source == SOURCE_TEXT) {
		add_text(t, b->data);
		return 0;
	}
	if (b->source == SOURCE_BASE64)
		return (1 + (int64_t)(b->data.n / PDF_PAGE_BYTES)) * PDF_PAGE_TOKENS;
	return b->source == SOURCE_CONTENT ? 0 : PDF_PAGE_TOKENS;
}

/* Counts texts into t and returns what is known in tokens. */
static int64_t block_tokens(struct tally *t, const struct block *b, int depth)
{
	int64_t known = 0;

	switch (b->type) {
	case BLOCK_IMAGE:
		known = IMAGE_TOKENS;
		break;
	case BLOCK_DOCUMENT:
		known = document_tokens(t, b);
		break;
	case BLOCK_TOOL_USE:
	case BLOCK_SERVER_TOOL_USE:
		add_text(t, b->name);
		add_text(t, b->input);
		known = CALL_TOKENS;
		break;
	case BLOCK_REDACTED_THINKING:
		break;
	case BLOCK_SERVER_TOOL_RESULT:
	case BLOCK_OTHER:
		add_text(t, b->raw);
		break;
	case BLOCK_TOOL_REFERENCE:
		add_text(t, b->name);
		break;
	case BLOCK_TOOL_RESULT:
		known = CALL_TOKENS;
		break;
	case BLOCK_TEXT:
	case BLOCK_THINKING:
	case BLOCK_SEARCH_RESULT:
		add_text(t, b->title);
		add_text(t, b->text);
		break;
	}
	for (size_t i = 0; depth < DEPTH_MAX && i < b->nblocks; i++)
		known += block_tokens(t, &b->blocks[i], depth + 1);
	return known;
}

static int64_t blocks_tokens(struct tally *t, const struct block *v, size_t n)
{
	int64_t known = 0;

	for (size_t i = 0; i < n; i++)
		known += block_tokens(t, &v[i], 0);
	return known;
}

static int64_t request_tokens(struct tally *t, const struct message_request *r)
{
	int64_t known = REQUEST_TOKENS;

	known += blocks_tokens(t, r->system, r->nsystem);
	for (size_t i = 0; i < r->nturns; i++)
		known += MESSAGE_TOKENS +
			 blocks_tokens(t, r->turns[i].blocks, r->turns[i].nblocks);
	for (size_t i = 0; i < r->ntools; i++) {
		add_text(t, r->tools[i].name);
		add_text(t, r->tools[i].description);
		add_text(t, r->tools[i].input_schema);
		known += TOOL_TOKENS;
	}
	return known;
}

int64_t estimate_tokens(const struct message_request *r, bool quick)
{
	struct tally t = { .how = quick ? READ_SIZE : READ_ALL };
	int64_t known = request_tokens(&t, r);

	if (t.bytes < 2 * WINDOW * WINDOWS)
		quick = false;
	if (t.how == READ_SIZE) {
		t = (struct tally){ .how = quick ? READ_SAMPLE : READ_ALL,
				    .stride = t.bytes / WINDOWS };
		request_tokens(&t, r);
	}
	if (quick && t.seen)
		return known + (int64_t)((double)tally_tokens(&t) * (double)t.bytes / (double)t.seen);
	return known + tally_tokens(&t);
}

int64_t estimate_text(struct str utf8)
{
	struct tally t = { .run = IN_NOTHING };

	add_text(&t, span_utf8(utf8));
	return tally_tokens(&t);
}
