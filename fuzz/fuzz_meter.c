/* The count of a user's images: no more of them than the file has room for. */
#include <stdlib.h>

#include "serve/meter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct meter meter = {.slots = NULL};

    if (meter_parse(&meter, data, len) == WARD_OK && meter.count > len / METER_DIGEST_LEN)
        abort();
    meter_close(&meter);
    return 0;
}
