/*
 * The secret transform file without its check sum, which is made to be right: a fuzzer could not
 * guess it, and an attacker would not have to.
 */
#include "base/bytes.h"
#include "base/sha256.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct transform transform = {.params = {NULL, 0}};
    struct transform_owner owner;
    struct wr file = WR_INIT;
    uint8_t sum[SHA256_LEN];
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, data, len);
    sha256_finish(&sha, sum);
    wr_bytes(&file, data, len);
    wr_bytes(&file, sum, sizeof sum);
    if (wr_finish(&file) == WARD_OK &&
        transform_file_parse(file.data, file.len, &transform, &owner) == WARD_OK)
        transform_release(&transform);
    wr_release(&file);
    return 0;
}
