/* Base64: see base64.h. */
#include "key/base64.h"

#include <sodium.h>

enum { VARIANT = sodium_base64_VARIANT_ORIGINAL_NO_PADDING };

size_t base64_text_len(size_t len)
{
    return len / 3 * 4 + (len % 3 == 0 ? 0 : len % 3 + 1);
}

void base64_encode(const uint8_t *data, size_t len, char *text)
{
    sodium_bin2base64(text, base64_text_len(len) + 1, data, len, VARIANT);
}

bool base64_data_len(size_t text_len, size_t *len)
{
    *len = text_len / 4 * 3 + (text_len % 4 == 0 ? 0 : text_len % 4 - 1);
    return text_len % 4 != 1;
}

bool base64_decode(const char *text, size_t text_len, uint8_t *data, size_t len)
{
    size_t found;

    if (text_len != base64_text_len(len))
        return false;
    /* libsodium 1.0.18 takes any byte from 0x80 for a digit where char is signed. */
    for (size_t i = 0; i < text_len; i++)
        if ((unsigned char)text[i] > 0x7e)
            return false;
    return sodium_base642bin(data, len, text, text_len, NULL, &found, NULL, VARIANT) == 0 &&
           found == len;
}
