/*
 * The header of sealed files, and what stands in its list of users. What is accepted must be made
 * of its stanzas and nothing else, for that is what is written again when users are added.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "key/seal.h"
#include "key/versions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_whole(const struct sealed *s)
{
    size_t at = strlen(SEAL_VERSION) + 1;

    for (size_t i = 0; i < s->header.count; i++) {
        if ((const uint8_t *)s->header.stanzas[i].text != s->data + at)
            abort();
        at += s->header.stanzas[i].text_len;
    }
    if (at + 3 != s->header.covered || s->header.len > s->len)
        abort();
}

static void parse_header(const uint8_t *data, size_t len, const char *kind)
{
    struct sealed s = SEALED_INIT;

    if (sealed_parse(&s, data, len, kind))
        return;
    check_whole(&s);
    sealed_release(&s);
}

static void parse_users(const uint8_t *data, size_t len)
{
    struct grant_list list = {.items = NULL};
    struct wr again = WR_INIT;

    if (grants_parse((const char *)data, len, &list))
        return;
    grants_format(&list, &again);
    if (wr_finish(&again) == WARD_OK &&
        (again.len != len || (len > 0 && memcmp(again.data, data, len) != 0)))
        abort();
    wr_release(&again);
    grants_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    parse_header(data, len, "transform");
    parse_header(data, len, "checkpoint");
    parse_users(data, len);
    return 0;
}
