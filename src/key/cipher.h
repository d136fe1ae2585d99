/*
 * The few constructions that sealed files and key files are made of (docs/formats.md, sections 10
 * and 11), each a few calls of libsodium. A label is the text that separates one use of a key from
 * all others: version line, "/", word.
 */
#ifndef KEY_CIPHER_H
#define KEY_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    FILE_KEY_LEN = 16,
    WRAP_KEY_LEN = 32,
    TAG_LEN = 16,
    WRAPPED_LEN = FILE_KEY_LEN + TAG_LEN,
    MAC_LEN = 32,
    X25519_LEN = 32,
    NONCE_LEN = 16,
    CHUNK_LEN = 64 * 1024
};

/* HKDF-SHA-256 (RFC 5869) with 32 bytes of output; info is version, "/", word. */
void cipher_derive(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len,
                   const char *version, const char *word, uint8_t out[32]);

/* AEAD under a key that is used once: out has len + TAG_LEN bytes. */
void cipher_wrap(const uint8_t key[WRAP_KEY_LEN], const uint8_t *data, size_t len, uint8_t *out);
/* The other way, data_len = len + TAG_LEN; out is all zero if it is false. */
bool cipher_unwrap(const uint8_t key[WRAP_KEY_LEN], const uint8_t *data, size_t data_len,
                   uint8_t *out);

/* MAC of a header, from its first byte to "---". */
void cipher_mac(const uint8_t file_key[FILE_KEY_LEN], const char *version, const void *data,
                size_t len, uint8_t mac[MAC_LEN]);
bool cipher_mac_is(const uint8_t file_key[FILE_KEY_LEN], const char *version, const void *data,
                   size_t len, const uint8_t mac[MAC_LEN]);

/*
 * The wrap key of an X25519 stanza for `to`, from a fresh ephemeral pair whose public half is
 * `share`. WARD_ERR_ARG if `to` is none that anything can be sealed to.
 */
WARD_CHECK ward_status cipher_share_new(const uint8_t to[X25519_LEN], const char *word,
                                        uint8_t share[X25519_LEN], uint8_t key[WRAP_KEY_LEN]);
/* The same from the other side; false if the share is of low order. */
bool cipher_share_open(const uint8_t secret[X25519_LEN], const uint8_t public[X25519_LEN],
                       const char *word, const uint8_t share[X25519_LEN],
                       uint8_t key[WRAP_KEY_LEN]);

/* A payload: nonce, then chunks. */
size_t payload_len(size_t plain_len);
/* False if no plaintext gives a payload of that length. */
bool payload_plain_len(size_t len, size_t *plain_len);
/* out has payload_len(len) bytes. WARD_ERR_DEVICE without a source of randomness. */
WARD_CHECK ward_status payload_seal(const uint8_t file_key[FILE_KEY_LEN], const char *version,
                                    const uint8_t *data, size_t len, uint8_t *out);
/* out has what payload_plain_len() says, and is all zero if it is false. */
bool payload_open(const uint8_t file_key[FILE_KEY_LEN], const char *version, const uint8_t *data,
                  size_t len, uint8_t *out);

#endif
