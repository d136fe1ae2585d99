/* Any bytes as an archive of CIFAR-10 files, each of RECORDS records. */
#include "data/cifar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { RECORDS = 1 };

static ward_status take(void *context, size_t file, const uint8_t *bytes, size_t len)
{
    uint8_t pixels[RECORDS * CIFAR_PIXELS];
    uint16_t labels[RECORDS];

    (void)context;
    (void)file;
    return cifar_parse(bytes, len, pixels, labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    ward_status st = cifar_walk_memory(data, len, RECORDS, take, NULL);

    (void)st;
    return 0;
}
