/*
 * A manifest: the owner's signature over which files a run consists of. docs/formats.md, section
 * 12. Reading and hashing the files is for others.
 */
#ifndef KEY_MANIFEST_H
#define KEY_MANIFEST_H

#include "base/sha256.h"
#include "key/grants.h"
#include "key/seal.h"

enum { MANIFEST_MAX_LEN = 1 << 17, MANIFEST_MAX_FILES = 256, MANIFEST_MAX_NAME = 255 };

struct manifest_file {
    char name[MANIFEST_MAX_NAME + 1];
    uint8_t digest[SHA256_LEN];
};

struct manifest {
    uint8_t ed25519[ED25519_LEN]; /* who signed */
    char id[MODEL_DIGEST_LEN + 1];
    struct terms terms;
    struct manifest_file *files; /* owned; ascending by name */
    size_t count;
};

/* Whether a file may be named in a manifest. */
bool manifest_name_is_right(const char *name);
/* Make room for one more; its name and digest are to be filled in, ascending. */
WARD_CHECK ward_status manifest_add(struct manifest *m, struct manifest_file **out);
void manifest_release(struct manifest *m);

/* The signed text; m->ed25519 is not looked at but written as the owner's. */
WARD_CHECK ward_status manifest_build(const struct manifest *m, const struct identity *owner,
                                      struct wr *out);
/* m is all zero. WARD_ERR_FORMAT, or WARD_ERR_AUTH if it is not signed by the key it names. */
WARD_CHECK ward_status manifest_parse(const uint8_t *data, size_t len, struct manifest *out);

#endif
