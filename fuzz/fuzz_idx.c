/* Any bytes as an IDX file of images and of labels, plain or in gzip. */
#include "base/mem.h"
#include "data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void touch_ends(const struct idx *idx)
{
    volatile uint8_t byte = idx->bytes[0];

    byte = idx->bytes[idx->count * idx->height * idx->width - 1];
    (void)byte;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *bytes = NULL;
    size_t bytes_len = 0;
    struct idx idx;

    if (contents_unpack(data, len, &bytes, &bytes_len))
        return 0;
    if (!idx_parse_images(&idx, bytes, bytes_len))
        touch_ends(&idx);
    if (!idx_parse_labels(&idx, bytes, bytes_len))
        touch_ends(&idx);
    mem_free(bytes);
    return 0;
}
