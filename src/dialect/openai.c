/* Dialect "openai-chat": the row that joins its encoder and decoder. */
#include "dialect/openai.h"
#include "dialect/openai_decode.h"

const struct dialect dialect_openai_chat = {
	.name = "openai-chat",
	.encode = openai_encode,
	.decoder_size = sizeof(struct openai_decoder),
	.decode_start = openai_decode_start,
	.decode_event = openai_decode_event,
	.decode_body = openai_decode_body,
	.decode_end = openai_decode_end,
	.decode_error = openai_decode_error,
	.decode_models = openai_decode_models,
};
