/* Pairs of keys: see identity.h. */
#include "key/identity.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "key/base64.h"
#include "key/versions.h"

enum { SUM_LEN = 4, BYTES_MAX = X25519_LEN + ED25519_LEN + SUM_LEN };

static const char *const prefixes[] = {
    [WARD_KEY_USER] = "ward-user:",
    [WARD_KEY_OWNER] = "ward-owner:",
    [WARD_KEY_LOCK] = "ward-lock:",
};

static const ward_key_type pairs[] = {WARD_KEY_USER, WARD_KEY_OWNER};

/* ---- public keys ---- */

static size_t public_len(ward_key_type type)
{
    return type == WARD_KEY_OWNER ? X25519_LEN + ED25519_LEN : X25519_LEN;
}

/* A mistyped key is noticed. */
static void add_sum(uint8_t *bytes, size_t len)
{
    uint8_t sum[SHA256_LEN];
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, bytes, len);
    sha256_finish(&sha, sum);
    memcpy(bytes + len, sum, SUM_LEN);
}

void public_key_format(const struct public_key *key, char text[PUBLIC_TEXT_MAX])
{
    size_t len = public_len(key->type), prefix = strlen(prefixes[key->type]);
    uint8_t bytes[BYTES_MAX];

    memcpy(bytes, key->x25519, X25519_LEN);
    memcpy(bytes + X25519_LEN, key->ed25519, ED25519_LEN);
    add_sum(bytes, len);
    memcpy(text, prefixes[key->type], prefix);
    base64_encode(bytes, len + SUM_LEN, text + prefix);
}

static bool parse_as(ward_key_type type, const char *text, size_t len, struct public_key *out)
{
    size_t prefix = strlen(prefixes[type]), data_len = public_len(type);
    uint8_t bytes[BYTES_MAX], wanted[BYTES_MAX];

    if (len < prefix || memcmp(text, prefixes[type], prefix) != 0 ||
        !base64_decode(text + prefix, len - prefix, bytes, data_len + SUM_LEN))
        return false;
    memcpy(wanted, bytes, data_len);
    add_sum(wanted, data_len);
    if (memcmp(wanted, bytes, data_len + SUM_LEN) != 0)
        return false;
    *out = (struct public_key){.type = type};
    memcpy(out->x25519, bytes, X25519_LEN);
    memcpy(out->ed25519, bytes + X25519_LEN, data_len - X25519_LEN);
    return true;
}

ward_status public_key_parse(const char *text, size_t len, struct public_key *out)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (parse_as(pairs[i], text, len, out))
            return WARD_OK;
    return ward_fail(WARD_ERR_ARG, "not a public key, or mistyped: '%.*s'",
                     len < PUBLIC_TEXT_MAX ? (int)len : PUBLIC_TEXT_MAX, text);
}

bool public_keys_equal(const struct public_key *a, const struct public_key *b)
{
    return a->type == b->type && memcmp(a->x25519, b->x25519, X25519_LEN) == 0 &&
           memcmp(a->ed25519, b->ed25519, ED25519_LEN) == 0;
}

/* ---- pairs ---- */

size_t identity_secret_len(ward_key_type type)
{
    return type == WARD_KEY_OWNER ? X25519_LEN + ED25519_SEED_LEN : X25519_LEN;
}

static ward_status signing_pair(const struct secret *secret, uint8_t public[ED25519_LEN],
                                struct secret *pair)
{
    ward_status st = secret_init(pair, crypto_sign_SECRETKEYBYTES);

    if (!st)
        crypto_sign_seed_keypair(public, pair->data, secret->data + X25519_LEN);
    return st;
}

/* BLAKE2b under the key itself: it tells nothing of what else follows from the key. */
static void fingerprint_of(const struct secret *lock, uint8_t fingerprint[X25519_LEN])
{
    static const char label[] = KEY_VERSION "/lock";

    crypto_generichash(fingerprint, X25519_LEN, (const uint8_t *)label, sizeof label - 1,
                       lock->data, lock->len);
}

static ward_status public_of(ward_key_type type, const struct secret *secret,
                             struct public_key *out)
{
    struct secret pair = SECRET_INIT;
    ward_status st = WARD_OK;

    *out = (struct public_key){.type = type};
    if (type == WARD_KEY_LOCK) {
        fingerprint_of(secret, out->x25519);
        return WARD_OK;
    }
    if (crypto_scalarmult_base(out->x25519, secret->data) != 0)
        return ward_fail(WARD_ERR_DEVICE, "libsodium cannot make a key");
    if (type == WARD_KEY_OWNER)
        st = signing_pair(secret, out->ed25519, &pair);
    secret_release(&pair);
    return st;
}

ward_status identity_new(ward_key_type type, struct identity *out)
{
    struct identity made = IDENTITY_INIT;
    ward_status st = secret_init(&made.secret, identity_secret_len(type));

    if (!st)
        st = key_random(made.secret.data, made.secret.len);
    if (!st)
        st = public_of(type, &made.secret, &made.public);
    if (st)
        identity_release(&made);
    else
        *out = made;
    return st;
}

ward_status identity_take(const struct public_key *public, struct secret *secret,
                          struct identity *out)
{
    struct public_key found;
    ward_status st;

    assert(secret->len == identity_secret_len(public->type));
    st = public_of(public->type, secret, &found);
    if (!st && !public_keys_equal(&found, public))
        st = ward_fail(WARD_ERR_AUTH, "its public key is not that of its secret key");
    if (st)
        return st;
    out->public = found;
    out->secret = *secret;
    *secret = (struct secret)SECRET_INIT;
    return WARD_OK;
}

void identity_release(struct identity *identity)
{
    secret_release(&identity->secret);
    *identity = (struct identity)IDENTITY_INIT;
}

/* ---- signatures ---- */

ward_status identity_sign(const struct identity *owner, const void *data, size_t len,
                          uint8_t signature[SIGNATURE_LEN])
{
    struct secret pair = SECRET_INIT;
    uint8_t public[ED25519_LEN];
    ward_status st;

    assert(owner->public.type == WARD_KEY_OWNER);
    st = signing_pair(&owner->secret, public, &pair);
    if (!st)
        crypto_sign_detached(signature, NULL, data, len, pair.data);
    secret_release(&pair);
    return st;
}

bool signature_is_right(const uint8_t ed25519[ED25519_LEN], const void *data, size_t len,
                        const uint8_t signature[SIGNATURE_LEN])
{
    return crypto_sign_verify_detached(signature, data, len, ed25519) == 0;
}
