/* The 32 bytes that a transform is drawn from, given by hand to reproduce a result. */
#ifndef CLI_SECRET_SEED_H
#define CLI_SECRET_SEED_H

#include "cli.h"

enum { SECRET_SEED_LEN = 32 };

struct secret_seed {
    uint8_t bytes[SECRET_SEED_LEN];
};

/*
 * Read 32 bytes, or 64 hex digits that a newline may follow, from a file, a pipe or (path "-")
 * standard input. Prints what is wrong, never what was read; returns CLI_RUN or an exit status.
 */
int secret_seed_read(const struct cli *cli, const char *path, struct secret_seed *out);
/* Overwrites it for good. */
void secret_seed_wipe(struct secret_seed *seed);

#endif
