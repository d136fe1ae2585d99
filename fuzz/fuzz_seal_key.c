/*
 * Key files: as they are, and as stanzas with a MAC and a payload that are made to be right, for
 * the file key of zeros, which a `file` stanza can say. Passphrases are never given, so nothing
 * slow is computed.
 */
#include "base/mem.h"
#include "key/header.h"
#include "key/key_file.h"
#include "key/versions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void parse(const uint8_t *data, size_t len)
{
    const struct key_source source = {"fuzz.key", NULL, NULL, "device:/nonexistent"};
    struct identity identity = IDENTITY_INIT;
    struct public_key public;

    if (key_file_public(data, len, &public) == WARD_OK &&
        key_file_parse(data, len, &source, &identity) == WARD_OK)
        identity_release(&identity);
}

static void parse_completed(const uint8_t *data, size_t len, ward_key_type type)
{
    static const uint8_t file_key[FILE_KEY_LEN], secret[X25519_LEN + ED25519_SEED_LEN];
    uint8_t payload[NONCE_LEN + sizeof secret + TAG_LEN];
    size_t secret_len = identity_secret_len(type);
    struct wr file = WR_INIT;

    wr_bytes(&file, data, len);
    if (header_end(&file, KEY_VERSION, file_key) == WARD_OK &&
        payload_seal(file_key, KEY_VERSION, secret, secret_len, payload) == WARD_OK) {
        wr_bytes(&file, payload, payload_len(secret_len));
        if (wr_finish(&file) == WARD_OK)
            parse(file.data, file.len);
    }
    wr_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    parse(data, len);
    parse_completed(data, len, WARD_KEY_USER);
    parse_completed(data, len, WARD_KEY_OWNER);
    parse_completed(data, len, WARD_KEY_LOCK);
    return 0;
}
