/* Guarded memory and the system's randomness: see secret.h. */
#include "key/secret.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"

ward_status key_start(void)
{
    if (sodium_init() < 0)
        return ward_fail(WARD_ERR_DEVICE, "libsodium cannot start: no source of randomness");
    return WARD_OK;
}

ward_status key_random(void *out, size_t len)
{
    ward_status st = key_start();

    if (!st)
        randombytes_buf(out, len);
    return st;
}

ward_status secret_init(struct secret *secret, size_t len)
{
    uint8_t *data;
    int reason;
    ward_status st = key_start();

    if (st)
        return st;
    data = mem_may_allocate() ? sodium_malloc(len) : NULL;
    if (!data)
        return ward_fail(WARD_ERR_NOMEM, "out of memory (%zu guarded bytes)", len);
    /* sodium_malloc() returns memory even if it could not lock it, so it is locked once more. */
    if (len > 0 && sodium_mlock(data, len) != 0) {
        reason = errno;
        sodium_free(data);
        return ward_fail(WARD_ERR_NOMEM, "cannot lock %zu bytes in memory (RLIMIT_MEMLOCK): %s",
                         len, strerror(reason));
    }
    secret->data = data;
    secret->len = len;
    return WARD_OK;
}

ward_status secret_protect(const struct secret *secret)
{
    if (secret->data && sodium_mprotect_readonly(secret->data) != 0)
        return ward_fail(WARD_ERR_NOMEM, "cannot protect memory from writing: %s", strerror(errno));
    return WARD_OK;
}

void secret_release(struct secret *secret)
{
    sodium_free(secret->data);
    *secret = (struct secret)SECRET_INIT;
}
