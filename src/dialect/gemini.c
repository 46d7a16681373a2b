/* Dialect "gemini": the row that joins its encoder and decoder. */
#include "dialect/gemini.h"
#include "dialect/gemini_decode.h"

const struct dialect dialect_gemini = {
	.name = "gemini",
	.encode = gemini_encode,
	.decoder_size = sizeof(struct gemini_decoder),
	.decode_start = gemini_decode_start,
	.decode_event = gemini_decode_event,
	.decode_body = gemini_decode_body,
	.decode_end = gemini_decode_end,
	.decode_error = gemini_decode_error,
	.decode_count = gemini_decode_count,
	.decode_models = gemini_decode_models,
};
