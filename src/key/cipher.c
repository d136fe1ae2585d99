/* Derivation, wrapping and chunks: see cipher.h. */
#include "key/cipher.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/util.h"
#include "key/secret.h"
#include "key/versions.h"

enum { CHUNK_NONCE_LEN = crypto_aead_chacha20poly1305_ietf_NPUBBYTES };

static_assert(TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "the tag of the AEAD");
static_assert(WRAP_KEY_LEN == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "the key of the AEAD");

void cipher_derive(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len,
                   const char *version, const char *word, uint8_t out[32])
{
    static const uint8_t last = 1;
    crypto_auth_hmacsha256_state state;
    uint8_t extracted[32];

    crypto_auth_hmacsha256_init(&state, salt, salt_len);
    crypto_auth_hmacsha256_update(&state, key, key_len);
    crypto_auth_hmacsha256_final(&state, extracted);
    crypto_auth_hmacsha256_init(&state, extracted, sizeof extracted);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)version, strlen(version));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)"/", 1);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)word, strlen(word));
    crypto_auth_hmacsha256_update(&state, &last, 1);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(extracted, sizeof extracted);
    sodium_memzero(&state, sizeof state);
}

void cipher_wrap(const uint8_t key[WRAP_KEY_LEN], const uint8_t *data, size_t len, uint8_t *out)
{
    static const uint8_t nonce[CHUNK_NONCE_LEN];

    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, data, len, NULL, 0, NULL, nonce, key);
}

bool cipher_unwrap(const uint8_t key[WRAP_KEY_LEN], const uint8_t *data, size_t data_len,
                   uint8_t *out)
{
    static const uint8_t nonce[CHUNK_NONCE_LEN];

    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, data, data_len, NULL, 0,
                                                     nonce, key) == 0;
}

void cipher_mac(const uint8_t file_key[FILE_KEY_LEN], const char *version, const void *data,
                size_t len, uint8_t mac[MAC_LEN])
{
    uint8_t key[32];

    cipher_derive(file_key, FILE_KEY_LEN, file_key, 0, version, "header", key);
    crypto_auth_hmacsha256(mac, data, len, key);
    sodium_memzero(key, sizeof key);
}

bool cipher_mac_is(const uint8_t file_key[FILE_KEY_LEN], const char *version, const void *data,
                   size_t len, const uint8_t mac[MAC_LEN])
{
    uint8_t wanted[MAC_LEN];
    bool is_equal;

    cipher_mac(file_key, version, data, len, wanted);
    is_equal = sodium_memcmp(wanted, mac, sizeof wanted) == 0;
    sodium_memzero(wanted, sizeof wanted);
    return is_equal;
}

/* ---- X25519 ---- */

static void share_key(const uint8_t shared[X25519_LEN], const uint8_t share[X25519_LEN],
                      const uint8_t to[X25519_LEN], const char *word, uint8_t key[WRAP_KEY_LEN])
{
    uint8_t salt[2 * X25519_LEN];

    memcpy(salt, share, X25519_LEN);
    memcpy(salt + X25519_LEN, to, X25519_LEN);
    cipher_derive(shared, X25519_LEN, salt, sizeof salt, SEAL_VERSION, word, key);
}

ward_status cipher_share_new(const uint8_t to[X25519_LEN], const char *word,
                             uint8_t share[X25519_LEN], uint8_t key[WRAP_KEY_LEN])
{
    uint8_t secret[X25519_LEN], shared[X25519_LEN];
    ward_status st = key_random(secret, sizeof secret);

    if (st)
        return st;
    if (crypto_scalarmult_base(share, secret) != 0 || crypto_scalarmult(shared, secret, to) != 0)
        st = ward_fail(WARD_ERR_ARG, "not a public key that anything can be sealed to");
    else
        share_key(shared, share, to, word, key);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(shared, sizeof shared);
    return st;
}

bool cipher_share_open(const uint8_t secret[X25519_LEN], const uint8_t public[X25519_LEN],
                       const char *word, const uint8_t share[X25519_LEN], uint8_t key[WRAP_KEY_LEN])
{
    uint8_t shared[X25519_LEN];

    if (crypto_scalarmult(shared, secret, share) != 0)
        return false;
    share_key(shared, share, public, word, key);
    sodium_memzero(shared, sizeof shared);
    return true;
}

/* ---- chunks ---- */

/* An empty plaintext is one empty chunk. */
static size_t chunk_count(size_t plain_len)
{
    return plain_len == 0 ? 1 : (plain_len - 1) / CHUNK_LEN + 1;
}

size_t payload_len(size_t plain_len)
{
    return NONCE_LEN + plain_len + chunk_count(plain_len) * TAG_LEN;
}

bool payload_plain_len(size_t len, size_t *plain_len)
{
    const size_t whole = CHUNK_LEN + TAG_LEN;
    size_t chunks;

    if (len < NONCE_LEN + TAG_LEN)
        return false;
    len -= NONCE_LEN;
    chunks = (len - 1) / whole + 1;
    if (len < chunks * TAG_LEN)
        return false;
    *plain_len = len - chunks * TAG_LEN;
    return chunk_count(*plain_len) == chunks;
}

static void chunk_nonce(uint64_t number, bool is_last, uint8_t nonce[CHUNK_NONCE_LEN])
{
    memset(nonce, 0, CHUNK_NONCE_LEN);
    for (unsigned i = 0; i < 8; i++)
        nonce[CHUNK_NONCE_LEN - 2 - i] = (uint8_t)(number >> 8 * i);
    nonce[CHUNK_NONCE_LEN - 1] = is_last;
}

ward_status payload_seal(const uint8_t file_key[FILE_KEY_LEN], const char *version,
                         const uint8_t *data, size_t len, uint8_t *out)
{
    size_t chunks = chunk_count(len);
    uint8_t key[WRAP_KEY_LEN], nonce[CHUNK_NONCE_LEN];
    ward_status st = key_random(out, NONCE_LEN);

    if (st)
        return st;
    cipher_derive(file_key, FILE_KEY_LEN, out, NONCE_LEN, version, "payload", key);
    out += NONCE_LEN;
    for (size_t i = 0; i < chunks; i++) {
        size_t part = min_size(len, CHUNK_LEN);

        chunk_nonce(i, i + 1 == chunks, nonce);
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, data, part, NULL, 0, NULL, nonce, key);
        out += part + TAG_LEN;
        data += part;
        len -= part;
    }
    sodium_memzero(key, sizeof key);
    return WARD_OK;
}

bool payload_open(const uint8_t file_key[FILE_KEY_LEN], const char *version, const uint8_t *data,
                  size_t len, uint8_t *out)
{
    uint8_t key[WRAP_KEY_LEN], nonce[CHUNK_NONCE_LEN], *at = out;
    bool is_right = true;
    size_t plain_len, left, chunks;

    if (!payload_plain_len(len, &plain_len))
        return false;
    left = plain_len;
    chunks = chunk_count(plain_len);
    cipher_derive(file_key, FILE_KEY_LEN, data, NONCE_LEN, version, "payload", key);
    data += NONCE_LEN;
    for (size_t i = 0; i < chunks && is_right; i++) {
        size_t part = min_size(left, CHUNK_LEN);

        chunk_nonce(i, i + 1 == chunks, nonce);
        is_right = crypto_aead_chacha20poly1305_ietf_decrypt(at, NULL, NULL, data, part + TAG_LEN,
                                                             NULL, 0, nonce, key) == 0;
        data += part + TAG_LEN;
        at += part;
        left -= part;
    }
    if (!is_right)
        sodium_memzero(out, plain_len);
    sodium_memzero(key, sizeof key);
    return is_right;
}
