/* Kinds of providers: who is spoken to, and so in which dialect, with which paths and headers. */
#ifndef MODEL_PROVIDER_H
#define MODEL_PROVIDER_H

/* Order as enum tg_dialect (abi.h): a provider's kind is the dialect it speaks. */
enum provider_kind {
	PROVIDER_OPENAI,
	PROVIDER_ANTHROPIC,
	PROVIDER_GEMINI,
	PROVIDER_AZURE,
	PROVIDER_KINDS,
};

#endif
