/*
 * Guarded memory: bytes that are kept out of swap and core dumps, lie between inaccessible pages,
 * and are wiped when released. Keys live here, and the transforms that a guard opens; other
 * commands open these into ordinary memory, which they wipe.
 */
#ifndef KEY_SECRET_H
#define KEY_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct secret {
    uint8_t *data; /* owned; NULL while empty. Its end, not its start, is aligned */
    size_t len;
};

#define SECRET_INIT \
    {               \
        NULL, 0     \
    }

/*
 * len bytes whose values are unspecified. Owned: secret_release(). WARD_ERR_NOMEM if memory, or
 * memory that may be locked (RLIMIT_MEMLOCK), is exhausted; *secret is then as it was.
 */
WARD_CHECK ward_status secret_init(struct secret *secret, size_t len);

/* Whoever writes to it from now on is killed; secret_release() works as before. */
WARD_CHECK ward_status secret_protect(const struct secret *secret);

/* Wipes and frees; fine for SECRET_INIT and twice. */
void secret_release(struct secret *secret);

/* Fill with bytes nobody can predict, from the system. WARD_ERR_DEVICE if it has no such source. */
WARD_CHECK ward_status key_random(void *out, size_t len);

/* Make libsodium ready, once and from any thread; what else is in this folder calls it itself. */
WARD_CHECK ward_status key_start(void);

#endif
