/*
 * A text in the host table. Two who write at once, or one who is killed half way, leave a mixture;
 * the sum beside it tells, and such a text counts as none until it is written again: no lock, no
 * wait.
 */
#ifndef STATE_NOTE_H
#define STATE_NOTE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define NOTE_MAX 160 /* bytes of the longest */

/* size: bytes, its NUL among them, a multiple of eight. */
#define NOTE(size)                                 \
	struct {                                   \
		_Atomic uint64_t sum;              \
		_Atomic uint64_t word[(size) / 8]; \
	}

/* What does not fit is cut between two characters. */
#define NOTE_PUT(note, text) note_put(&(note).sum, (note).word, sizeof((note).word) / 8, text)
/* out: room for as many bytes as the note has. "" where it is a mixture. */
#define NOTE_GET(note, out) note_get(&(note).sum, (note).word, sizeof((note).word) / 8, out)

void note_put(_Atomic uint64_t *sum, _Atomic uint64_t *word, size_t n, const char *text);
void note_get(_Atomic uint64_t *sum, _Atomic uint64_t *word, size_t n, char *out);

#endif
