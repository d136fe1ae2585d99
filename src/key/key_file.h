/*
 * Key files: a pair of keys, or a lock key, whose secret half is wrapped for a passphrase, for a
 * TPM, or for nobody (then the file's mode is what protects it). docs/formats.md, section 11.
 */
#ifndef KEY_KEY_FILE_H
#define KEY_KEY_FILE_H

#include "base/bytes.h"
#include "key/identity.h"

enum { KEY_FILE_MAX_LEN = 1 << 16, PASSPHRASE_MAX = 1024 };

/* Where passphrases come from: see ward_keys_options. All borrowed. */
struct key_source {
    const char *path; /* of the key file, for the question */
    ward_key_ask *ask;
    void *context;
    const char *tpm;
};

/* The bytes of a key file. Errors as ward_key_new(). */
WARD_CHECK ward_status key_file_build(const struct identity *identity,
                                      const ward_key_options *options, struct wr *out);
/* The public half, which nothing vouches for until the file is opened. */
WARD_CHECK ward_status key_file_public(const uint8_t *data, size_t len, struct public_key *out);
/* The same, and by what it can be opened: bits 1 << ward_key_protection. */
WARD_CHECK ward_status key_file_describe(const uint8_t *data, size_t len, struct public_key *out,
                                         unsigned *protections);
/*
 * Open it; out is empty. WARD_ERR_FORMAT, WARD_ERR_AUTH (wrong passphrase or altered), a TPM's
 * own errors if nothing but it could have opened the file. Messages without the file's name.
 */
WARD_CHECK ward_status key_file_parse(const uint8_t *data, size_t len,
                                      const struct key_source *source, struct identity *out);

#endif
