/*
 * How many different images a user has sent: a set of keyed digests, in memory and in a file that
 * is appended to. docs/formats.md, section 15. The digests are keyed so that the file alone does
 * not tell what a user asked. One thread at a time.
 */
#ifndef SERVE_METER_H
#define SERVE_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { METER_KEY_LEN = 32, METER_DIGEST_LEN = 16 };

/* All zero is a closed one. */
struct meter {
    int fd; /* valid while slots is not NULL; -1: none */
    uint8_t key[METER_KEY_LEN];
    uint8_t (*slots)[METER_DIGEST_LEN]; /* a hash table, zero where empty; owned */
    size_t room, count;                 /* room is a power of two above count */
    bool is_dirty;
};

/* Makes the file, mode 0600, if it is not there. WARD_ERR_FORMAT, WARD_ERR_IO, WARD_ERR_NOMEM. */
WARD_CHECK ward_status meter_open(struct meter *meter, const char *path);
/* What a file's bytes say, to be closed; nothing can be added to it. Messages are without a file's
 * name. WARD_ERR_FORMAT, WARD_ERR_NOMEM. */
WARD_CHECK ward_status meter_parse(struct meter *meter, const uint8_t *data, size_t len);
/*
 * Add count images of len bytes each, unless there would be more than max different ones (0: no
 * limit): then *is_full is set and nothing is added.
 */
WARD_CHECK ward_status meter_add(struct meter *meter, size_t count, const void *images, size_t len,
                                 uint64_t max, bool *is_full);
/* A descriptor of the file, to be synced and closed by the caller while others go on with the
 * meter; -1 if nothing has been added since the last call, or if there is none to be had. */
int meter_take_unsynced(struct meter *meter);
void meter_close(struct meter *meter);

#endif
