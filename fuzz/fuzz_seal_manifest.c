/* Manifests, and public keys in text. */
#include <stdlib.h>
#include <string.h>

#include "key/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void parse_public(const uint8_t *data, size_t len)
{
    char text[PUBLIC_TEXT_MAX];
    struct public_key key;

    if (public_key_parse((const char *)data, len, &key))
        return;
    public_key_format(&key, text);
    if (strlen(text) != len || memcmp(text, data, len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct manifest m = {.files = NULL};

    if (manifest_parse(data, len, &m) == WARD_OK)
        manifest_release(&m);
    parse_public(data, len);
    return 0;
}
