/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/request.h"

#include <stdbool.h>
#include <string.h>

#include "apps/value.h"

static bool is_control(unsigned char byte)
{
	return byte < ' ' || byte == 0x7f;
}

/* What stands in a line as itself. */
static bool is_plain(unsigned char byte)
{
	return byte > ' ' && byte < 0x7f && byte != '%';
}

/* The byte that the two digits behind a '%' stand for. */
static const char *take_escape(const char *digits, size_t size, char *byte)
{
	const char text[3] = {size > 0 ? digits[0] : '\0', size > 1 ? digits[1] : '\0', '\0'};
	uint8_t value;

	if (flx_value_hex(text, &value, 1))
		return "a % without two hexadecimal digits; write % itself as %25";
	if (is_control(value))
		return "a word with a control character";
	*byte = (char)value;
	return NULL;
}

/* Reads one word at *@at of @line, to *@to; moves both behind it, the latter with a NUL. */
static const char *take_word(const char *line, size_t size, size_t *at, char **to)
{
	const char *why = NULL;

	for (; *at < size && line[*at] != ' ' && !why; ++*at) {
		char byte = line[*at];

		if (byte == '%') {
			why = take_escape(line + *at + 1, size - *at - 1, &byte);
			*at += 2;
		} else if (!is_plain((unsigned char)byte)) {
			why = "a byte that is not printable ASCII";
		}
		*(*to)++ = byte;
	}
	*(*to)++ = '\0';
	return why;
}

const char *flx_request_parse(struct flx_request *request, const char *line, size_t size)
{
	char *to = request->text;
	size_t at = 0;

	if (size > FLX_REQUEST_MAX)
		return "longer than 1,023 bytes";
	request->count = 0;
	for (;;) {
		const char *why;

		while (at < size && line[at] == ' ')
			at++;
		if (at == size)
			break;
		if (request->count == FLX_REQUEST_WORDS_MAX)
			return "more than 64 words";
		request->word[request->count++] = to;
		why = take_word(line, size, &at, &to);
		if (why)
			return why;
	}
	request->word[request->count] = NULL;
	return request->count ? NULL : "empty";
}

/* Appends @byte, escaped where it must be; false: it cannot be said, or there is no room. */
static bool put_byte(char *line, size_t *size, unsigned char byte)
{
	static const char digits[] = "0123456789abcdef";

	if (is_control(byte) || *size + (is_plain(byte) ? 1 : 3) > FLX_REQUEST_MAX)
		return false;
	if (is_plain(byte)) {
		line[(*size)++] = (char)byte;
		return true;
	}
	line[(*size)++] = '%';
	line[(*size)++] = digits[byte >> 4];
	line[(*size)++] = digits[byte & 15];
	return true;
}

size_t flx_request_write(const char *const *words, char *line)
{
	size_t size = 0;

	for (uint32_t i = 0; words[i]; i++) {
		if (i == FLX_REQUEST_WORDS_MAX || !*words[i])
			return 0;
		if (i && size == FLX_REQUEST_MAX)
			return 0;
		if (i)
			line[size++] = ' ';
		for (const char *at = words[i]; *at; at++)
			if (!put_byte(line, &size, (unsigned char)*at))
				return 0;
	}
	line[size++] = '\n';
	return size;
}
