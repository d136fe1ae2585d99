/*
 * Who may open what: pairs of keys. A user's is an X25519 pair, to which things are sealed; an
 * owner has an Ed25519 pair besides, to sign with. And lock keys, which open nothing: their secret
 * is what a transform follows from. docs/formats.md, section 11.
 */
#ifndef KEY_IDENTITY_H
#define KEY_IDENTITY_H

#include "key/cipher.h"
#include "key/secret.h"
#include "ward/key.h"

enum {
    ED25519_LEN = 32,
    ED25519_SEED_LEN = 32,
    SIGNATURE_LEN = 64,
    X25519_TEXT_LEN = 43, /* in base64 */
    PUBLIC_TEXT_MAX = 103 /* of public_key_format(), with a NUL */
};

struct public_key {
    ward_key_type type;
    uint8_t x25519[X25519_LEN];   /* of a lock key its fingerprint */
    uint8_t ed25519[ED25519_LEN]; /* all zero but for an owner */
};

void public_key_format(const struct public_key *key, char text[PUBLIC_TEXT_MAX]);
/* len bytes of text. WARD_ERR_ARG if it is none, or mistyped; a lock key's fingerprint is none. */
WARD_CHECK ward_status public_key_parse(const char *text, size_t len, struct public_key *out);
bool public_keys_equal(const struct public_key *a, const struct public_key *b);

struct identity {
    struct public_key public;
    struct secret secret; /* X25519 secret key, then an owner's Ed25519 seed; of a lock the key */
};

#define IDENTITY_INIT         \
    {                         \
        .secret = SECRET_INIT \
    }

/* Bytes of an identity's secret. */
size_t identity_secret_len(ward_key_type type);
/* out is empty; identity_release(). WARD_ERR_NOMEM, WARD_ERR_DEVICE. */
WARD_CHECK ward_status identity_new(ward_key_type type, struct identity *out);
/*
 * What follows from a secret, which is taken over on success. WARD_ERR_AUTH if it is not what
 * belongs to `public`.
 */
WARD_CHECK ward_status identity_take(const struct public_key *public, struct secret *secret,
                                     struct identity *out);
/* Wipes; fine for IDENTITY_INIT. */
void identity_release(struct identity *identity);

/* An owner's signature. */
WARD_CHECK ward_status identity_sign(const struct identity *owner, const void *data, size_t len,
                                     uint8_t signature[SIGNATURE_LEN]);
bool signature_is_right(const uint8_t ed25519[ED25519_LEN], const void *data, size_t len,
                        const uint8_t signature[SIGNATURE_LEN]);

#endif
