/*
 * The payload of sealed files, under a key that the fuzzer cannot forge for: arbitrary bytes never
 * open, and bytes that were sealed come back.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "key/cipher.h"
#include "key/secret.h"
#include "key/versions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t file_key[FILE_KEY_LEN] = {0x5a};

static void open_bytes(const uint8_t *data, size_t len)
{
    uint8_t *plain = NULL;
    size_t plain_len;

    if (!payload_plain_len(len, &plain_len) || mem_new(&plain, plain_len, 1))
        return;
    if (payload_open(file_key, SEAL_VERSION, data, len, plain))
        abort();
    mem_free(plain);
}

static void seal_and_open(const uint8_t *data, size_t len)
{
    uint8_t *sealed = NULL, *plain = NULL;
    size_t plain_len;

    if (!mem_new(&sealed, payload_len(len), 1) && !mem_new(&plain, len, 1) &&
        !payload_seal(file_key, SEAL_VERSION, data, len, sealed) &&
        (!payload_plain_len(payload_len(len), &plain_len) || plain_len != len ||
         !payload_open(file_key, SEAL_VERSION, sealed, payload_len(len), plain) ||
         (len > 0 && memcmp(plain, data, len) != 0)))
        abort();
    mem_free(sealed);
    mem_free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (key_start())
        return 0;
    open_bytes(data, len);
    seal_and_open(data, len);
    return 0;
}
