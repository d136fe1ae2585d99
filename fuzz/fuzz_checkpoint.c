/* What a training goes on from, without its check sum. */
#include "frame.h"
#include "model/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct checkpoint checkpoint = {.step = 0};
    struct wr file = WR_INIT;

    if (frame_of(data, len, &file) == WARD_OK)
        (void)!checkpoint_parse(file.data, file.len, &checkpoint);
    checkpoint_release(&checkpoint);
    wr_release(&file);
    return 0;
}
