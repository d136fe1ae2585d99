/* The secret transform file without its check sum. */
#include "frame.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct transform transform = {.params = {NULL, 0}};
    struct transform_owner owner;
    struct wr file = WR_INIT;

    if (frame_of(data, len, &file) == WARD_OK &&
        transform_file_parse(file.data, file.len, &transform, &owner) == WARD_OK)
        transform_release(&transform);
    wr_release(&file);
    return 0;
}
