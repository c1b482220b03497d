/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/context_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "apps/value.h"

void flx_context_text_heading(FILE *out)
{
	fprintf(out, "%-31s %7s %4s %7s %10s %7s %10s\n", "type", "version", "key", "context",
		"contexts", "damaged", "limit");
}

void flx_context_text_type(FILE *out, const struct flx_contents_type *type)
{
	fprintf(out, "%-31s %7u %4u %7u %10" PRIu64 " %7" PRIu64 " %10u\n", type->name,
		type->version, type->key_size, type->context_size, type->contexts, type->damaged,
		type->limit);
}

/* At most FLX_RECORD_CONTEXT_MAX of them. */
static void print_hex(FILE *out, const uint8_t *bytes, uint32_t size)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * FLX_RECORD_CONTEXT_MAX];

	if (size == 0)
		fputc('-', out);
	for (uint32_t i = 0; i < size; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	fwrite(text, 1, 2 * (size_t)size, out);
}

void flx_context_text_line(FILE *out, const struct flx_contents_type *type, const uint8_t *key,
			   uint32_t age_ticks, const uint8_t *context)
{
	fprintf(out, "%s ", type->name);
	print_hex(out, key, type->key_size);
	fprintf(out, " %.1fs ", (double)age_ticks / FLX_TICKS_PER_SECOND);
	print_hex(out, context, type->context_size);
	fputc('\n', out);
}

uint32_t flx_context_text_line_max(const struct flx_contents_type *type)
{
	/* An age has at most eight digits, and one more behind its point. */
	return (uint32_t)strlen(type->name) + 2 * (type->key_size + type->context_size) + 16;
}

/* In quotes, when there is some and all of it can be read; zeroes behind it do not count. */
static void print_text(FILE *out, const uint8_t *bytes, uint32_t size)
{
	while (size && !bytes[size - 1])
		size--;
	for (uint32_t i = 0; i < size; i++)
		if (!isprint(bytes[i]))
			return;
	if (size)
		fprintf(out, "\"%.*s\"\n", (int)size, (const char *)bytes);
}

void flx_context_text_value(FILE *out, const struct flx_contents_type *type, const uint8_t *context)
{
	print_hex(out, context, type->context_size);
	fputc('\n', out);
	print_text(out, context, type->context_size);
}

static const char *read_key(const char *text, uint8_t *key, uint32_t size)
{
	static const char prefix[] = "text:";

	memset(key, 0, FLX_RECORD_KEY_MAX);
	if (!text)
		return size ? "no key" : NULL;
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0) {
		text += sizeof(prefix) - 1;
		if (strlen(text) > size)
			return "too long";
		memcpy(key, text, strlen(text));
		return NULL;
	}
	if (size == sizeof(struct in_addr) && inet_pton(AF_INET, text, key) == 1)
		return NULL;
	return flx_value_hex(text, key, size);
}

void flx_context_text_missing(const struct flx_contents_type *type, const char *text, char *why)
{
	snprintf(why, FLX_CONTEXT_TEXT_WHY_MAX, "%s%s%.84s: there is no context%s", type->name,
		 text ? " " : "", text ? text : "", text ? " of that key" : "");
}

bool flx_context_text_key(const struct flx_contents_type *type, const char *text, uint8_t *key,
			  char *why)
{
	uint32_t size = type->key_size;
	const char *cause = read_key(text, key, size);

	if (!cause)
		return true;
	if (size == 0)
		snprintf(why, FLX_CONTEXT_TEXT_WHY_MAX,
			 "%s %.84s: it has one context, which has no key; give none", type->name,
			 text);
	else
		snprintf(why, FLX_CONTEXT_TEXT_WHY_MAX,
			 "%s%s%.84s: %s; give a key of %u bytes as %u hexadecimal digits%s, or "
			 "text:TEXT",
			 type->name, text ? " " : "", text ? text : "", cause, size, 2 * size,
			 size == 4 ? ", an IPv4 address" : "");
	return false;
}
