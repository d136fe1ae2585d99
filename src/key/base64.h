/*
 * Base64 with the standard alphabet, without padding, and canonical: one text for each byte string
 * (docs/formats.md, section 10). Constant time in what it converts, so fit for wrapped keys.
 */
#ifndef KEY_BASE64_H
#define KEY_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that len bytes take, without a NUL. */
size_t base64_text_len(size_t len);
/* text has room for base64_text_len(len) and a NUL. */
void base64_encode(const uint8_t *data, size_t len, char *text);
/* Whether text is the one text of exactly len bytes; *data may be partly written if not. */
bool base64_decode(const char *text, size_t text_len, uint8_t *data, size_t len);
/* Bytes that text_len characters stand for; false if no bytes give a text of that length. */
bool base64_data_len(size_t text_len, size_t *len);

#endif
