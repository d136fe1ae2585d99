/*
 * Sealed files: bytes that only their owner and the users they were granted to can read.
 * docs/formats.md, section 10. Files' names, and what the bytes mean, are for others.
 */
#ifndef KEY_SEAL_H
#define KEY_SEAL_H

#include "key/grants.h"
#include "key/header.h"
#include "key/keys.h"

enum { MODEL_DIGEST_LEN = 64, SEAL_KIND_MAX = 16 };

/* What a file is to be sealed as. Everything is borrowed. */
struct seal {
    const char *kind; /* "transform", "checkpoint" */
    const char *id;   /* 64 hex digits, or "-" */
    struct public_key owner;
    const struct grant_list *grants; /* NULL: none */
    bool has_terms;
    struct terms terms;
    uint8_t signature[SIGNATURE_LEN]; /* of the terms */
};

/* Seal len bytes under a fresh file key; what is appended to out starts with the version line. */
WARD_CHECK ward_status seal_bytes(const struct seal *seal, const uint8_t *data, size_t len,
                                  struct wr *out);

/* A sealed file, parsed and perhaps unlocked. Borrows the file's bytes. */
struct sealed {
    const uint8_t *data;
    size_t len, plain_len;
    struct header header;
    char id[MODEL_DIGEST_LEN + 1];
    struct public_key owner;
    bool has_terms;
    struct terms terms;
    uint8_t signature[SIGNATURE_LEN];
    const struct stanza *grants; /* NULL: none */
    struct secret file_key;      /* empty until unlocked */
    bool is_owners;              /* unlocked with the owner's key */
};

#define SEALED_INIT  \
    {                \
        .data = NULL \
    }

/* Whether a file's bytes start as a sealed one. */
bool is_sealed(const uint8_t *data, size_t len);
/* Check the grammar. s is empty; sealed_release(). WARD_ERR_FORMAT. */
WARD_CHECK ward_status sealed_parse(struct sealed *s, const uint8_t *data, size_t len,
                                    const char *kind);
/* Find the file key and check the header with it. WARD_ERR_AUTH. */
WARD_CHECK ward_status sealed_unlock(struct sealed *s, const struct identity *identities,
                                     size_t count);
/* Decrypt, out has plain_len bytes; wiped on failure. WARD_ERR_AUTH. */
WARD_CHECK ward_status sealed_payload(const struct sealed *s, uint8_t *out);
/* The list of users; `owner` is the one it is sealed to. list is empty. WARD_ERR_AUTH, _FORMAT. */
WARD_CHECK ward_status sealed_grants(const struct sealed *s, const struct identity *owner,
                                     struct grant_list *list);
/* All zero is fine. */
void sealed_release(struct sealed *s);

/*
 * The whole of it: parse, unlock with the keys, check that it is for the model `id` (NULL: any) and
 * on terms that hold, count a use, decrypt. *out is owned, to be wiped: mem_wipe(), mem_free().
 */
WARD_CHECK ward_status seal_open(const uint8_t *data, size_t len, const char *kind, const char *id,
                                 ward_keys *keys, uint8_t **out, size_t *out_len);

/* The same payload for more users: the first `known` of the list are those it has. */
WARD_CHECK ward_status sealed_extend(const struct sealed *s, const struct grant_list *list,
                                     size_t known, struct wr *out);

#endif
