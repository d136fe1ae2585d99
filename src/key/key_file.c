/* Key files: see key_file.h. */
#include "key/key_file.h"

#include <sodium.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/util.h"
#include "key/base64.h"
#include "key/header.h"
#include "key/versions.h"
#include "tpm/tpm.h"

enum {
    SALT_LEN = crypto_pwhash_argon2id_SALTBYTES,
    SALT_TEXT_LEN = 22,
    DEFAULT_MEMORY = 256 * 1024, /* KiB; with three passes 1.3 s on the machine it was chosen on */
    DEFAULT_PASSES = 3,
    MIN_MEMORY = 8,
    MAX_MEMORY = 1024 * 1024,
    MAX_PASSES = 1000,
    MAX_COST = 4 * MAX_MEMORY, /* of all stanzas together, KiB times passes: about 8 s there */
    MAX_WRAPS = 8              /* of each kind */
};

static const char default_pcrs[] = "sha256:7";

struct cost {
    uint64_t memory, passes; /* KiB */
};

static const char *const types[] = {
    [WARD_KEY_USER] = "user", [WARD_KEY_OWNER] = "owner", [WARD_KEY_LOCK] = "lock"};

enum { TYPES = sizeof types / sizeof types[0] };

/* The stanzas by which a key file opens. */
static const char *const wraps[] = {[WARD_PROTECT_FILE] = "file",
                                    [WARD_PROTECT_PASSPHRASE] = "argon2id",
                                    [WARD_PROTECT_TPM] = "tpm2"};

enum { WRAPS = sizeof wraps / sizeof wraps[0] };

/* ---- wrapping ---- */

static bool cost_is_allowed(const struct cost *cost)
{
    return cost->memory >= MIN_MEMORY && cost->memory <= MAX_MEMORY && cost->passes >= 1 &&
           cost->passes <= MAX_PASSES && cost->memory * cost->passes <= MAX_COST;
}

static ward_status stretch(const char *passphrase, size_t len, const uint8_t salt[SALT_LEN],
                           const struct cost *cost, uint8_t key[WRAP_KEY_LEN])
{
    if (!mem_may_allocate() || crypto_pwhash_argon2id(key, WRAP_KEY_LEN, passphrase, len, salt,
                                                      cost->passes, (size_t)cost->memory * 1024,
                                                      crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
        return ward_fail(WARD_ERR_NOMEM, "out of memory (%llu KiB to use a passphrase)",
                         (unsigned long long)cost->memory);
    return WARD_OK;
}

static ward_status passphrase_stanza(const ward_key_options *options, const uint8_t *file_key,
                                     struct wr *out)
{
    struct cost cost = {options->memory_mib ? 1024 * (uint64_t)options->memory_mib : DEFAULT_MEMORY,
                        options->passes ? options->passes : DEFAULT_PASSES};
    uint8_t salt[SALT_LEN], key[WRAP_KEY_LEN], body[WRAPPED_LEN];
    char salt_text[SALT_TEXT_LEN + 1], line[128];
    ward_status st;

    if (!options->passphrase || options->passphrase_len == 0)
        return ward_fail(WARD_ERR_ARG, "an empty passphrase protects nothing");
    if (!cost_is_allowed(&cost))
        return ward_fail(WARD_ERR_ARG, "a passphrase's cost is at most 1024 MiB, and 4096 MiB "
                                       "times passes");
    st = key_random(salt, sizeof salt);
    if (!st)
        st = stretch(options->passphrase, options->passphrase_len, salt, &cost, key);
    if (st)
        return st;
    cipher_wrap(key, file_key, FILE_KEY_LEN, body);
    mem_wipe(key, sizeof key);
    base64_encode(salt, sizeof salt, salt_text);
    snprintf(line, sizeof line, "argon2id %s m=%llu,t=%llu,p=1", salt_text,
             (unsigned long long)cost.memory, (unsigned long long)cost.passes);
    header_stanza(out, line, body, sizeof body);
    return WARD_OK;
}

static ward_status tpm_stanza(const ward_key_options *options, const uint8_t *file_key,
                              struct wr *out)
{
    struct tpm_access access = {.tcti = options->tpm,
                                .pin = (const uint8_t *)options->passphrase,
                                .pin_len = options->passphrase_len};
    char pcrs[TPM_PCRS_TEXT_LEN], *blob = NULL, *line = NULL;
    uint8_t body[WRAPPED_LEN];
    struct secret key = SECRET_INIT;
    struct tpm_sealed sealed;
    ward_status st = tpm_pcrs_parse(options->pcrs ? options->pcrs : default_pcrs, &access.pcrs);

    if (!st)
        st = secret_init(&key, TPM_KEY_LEN);
    if (!st)
        st = key_random(key.data, key.len);
    if (!st)
        st = tpm_seal(&access, key.data, &sealed);
    if (!st)
        st = mem_new(&blob, base64_text_len(sealed.len) + 1, 1);
    if (st)
        goto done;
    cipher_wrap(key.data, file_key, FILE_KEY_LEN, body);
    base64_encode(sealed.bytes, sealed.len, blob);
    tpm_pcrs_format(access.pcrs, pcrs);
    st = mem_printf(&line, "tpm2 %s %s", pcrs, blob);
    if (!st)
        header_stanza(out, line, body, sizeof body);
done:
    mem_free(line);
    mem_free(blob);
    secret_release(&key);
    return st;
}

static ward_status protect(const ward_key_options *options, const uint8_t *file_key, struct wr *out)
{
    switch (options->protection) {
    case WARD_PROTECT_FILE: header_stanza(out, "file", file_key, FILE_KEY_LEN); return WARD_OK;
    case WARD_PROTECT_PASSPHRASE: return passphrase_stanza(options, file_key, out);
    case WARD_PROTECT_TPM: return tpm_stanza(options, file_key, out);
    }
    return ward_fail(WARD_ERR_ARG, "unknown protection");
}

static void public_stanza(const struct public_key *key, struct wr *out)
{
    char x25519[X25519_TEXT_LEN + 1], ed25519[X25519_TEXT_LEN + 1], line[128];

    base64_encode(key->x25519, X25519_LEN, x25519);
    base64_encode(key->ed25519, ED25519_LEN, ed25519);
    if (key->type == WARD_KEY_OWNER)
        snprintf(line, sizeof line, "owner %s %s", x25519, ed25519);
    else
        snprintf(line, sizeof line, "%s %s", types[key->type], x25519);
    header_stanza(out, line, NULL, 0);
}

ward_status key_file_build(const struct identity *identity, const ward_key_options *options,
                           struct wr *out)
{
    struct secret file_key = SECRET_INIT;
    struct wr made = WR_INIT;
    uint8_t payload[NONCE_LEN + X25519_LEN + ED25519_SEED_LEN + TAG_LEN];
    size_t len = payload_len(identity->secret.len);
    ward_status st = secret_init(&file_key, FILE_KEY_LEN);

    if (!st)
        st = key_random(file_key.data, file_key.len);
    if (st)
        goto done;
    header_begin(&made, KEY_VERSION);
    public_stanza(&identity->public, &made);
    st = protect(options, file_key.data, &made);
    if (!st)
        st = header_end(&made, KEY_VERSION, file_key.data);
    if (!st)
        st = payload_seal(file_key.data, KEY_VERSION, identity->secret.data, identity->secret.len,
                          payload);
    if (!st) {
        wr_bytes(&made, payload, len);
        st = wr_finish(&made);
    }
    if (!st) {
        *out = made;
        made = (struct wr)WR_INIT;
    }
done:
    wr_release(&made);
    secret_release(&file_key);
    return st;
}

/* ---- reading ---- */

static ward_status broken(const char *what)
{
    return ward_fail(WARD_ERR_FORMAT, "not a key file: %s", what);
}

static ward_status take_public(const struct header *h, struct public_key *out)
{
    const struct stanza *s = h->stanzas;

    *out = (struct public_key){.type = WARD_KEY_USER};
    if (h->count > 0 && s->body_len == 0)
        for (unsigned type = 0; type < TYPES; type++) {
            size_t words = type == WARD_KEY_OWNER ? 3 : 2;

            if (!stanza_is(s, types[type]) || s->word_count != words ||
                !word_decode(&s->words[1], out->x25519, X25519_LEN))
                continue;
            if (words == 3 && !word_decode(&s->words[2], out->ed25519, ED25519_LEN))
                continue;
            out->type = (ward_key_type)type;
            return WARD_OK;
        }
    return broken("its first stanza is no public key");
}

/* m=M,t=T,p=1 */
static bool parse_cost(const struct word *word, struct cost *out)
{
    const char *end = word->at + word->len;
    const char *t = memchr(word->at, ',', word->len);
    const char *p = t ? memchr(t + 1, ',', (size_t)(end - t - 1)) : NULL;
    const char *m = word->at;

    if (!p || t - m < 3 || p - t < 4 || memcmp(m, "m=", 2) != 0 || memcmp(t, ",t=", 3) != 0 ||
        end - p != 4 || memcmp(p, ",p=1", 4) != 0)
        return false;
    return word_number(m + 2, (size_t)(t - m - 2), MAX_MEMORY, &out->memory) &&
           word_number(t + 3, (size_t)(p - t - 3), MAX_PASSES, &out->passes);
}

static bool is_public(const struct stanza *s)
{
    bool is = false;

    for (unsigned type = 0; type < TYPES; type++)
        is = is || stanza_is(s, types[type]);
    return is;
}

struct found {
    size_t file, argon2id, tpm2;
    uint64_t cost;
};

static bool argon2id_is_right(const struct stanza *s, struct found *found)
{
    uint8_t salt[SALT_LEN];
    struct cost cost;

    if (s->word_count != 3 || s->body_len != WRAPPED_LEN ||
        !word_decode(&s->words[1], salt, sizeof salt) || !parse_cost(&s->words[2], &cost) ||
        !cost_is_allowed(&cost))
        return false;
    found->cost += cost.memory * cost.passes;
    return ++found->argon2id <= MAX_WRAPS && found->cost <= MAX_COST;
}

/* PCRs and the sealed key of a tpm2 stanza. */
static bool tpm2_parse(const struct stanza *s, uint32_t *pcrs, struct tpm_sealed *sealed)
{
    char text[TPM_PCRS_TEXT_LEN];

    if (s->word_count != 3 || s->body_len != WRAPPED_LEN || s->words[1].len >= sizeof text ||
        !base64_data_len(s->words[2].len, &sealed->len) || sealed->len > sizeof sealed->bytes ||
        !word_decode(&s->words[2], sealed->bytes, sealed->len))
        return false;
    memcpy(text, s->words[1].at, s->words[1].len);
    text[s->words[1].len] = '\0';
    return tpm_pcrs_parse(text, pcrs) == WARD_OK;
}

static bool tpm2_is_right(const struct stanza *s, struct found *found)
{
    struct tpm_sealed sealed;
    uint32_t pcrs;

    return tpm2_parse(s, &pcrs, &sealed) && ++found->tpm2 <= MAX_WRAPS;
}

/* Everything is checked before anything is computed. */
static ward_status check_wraps(const struct header *h)
{
    struct found found = {0};

    for (size_t i = 1; i < h->count; i++) {
        const struct stanza *s = &h->stanzas[i];
        bool is_right = true;

        if (stanza_is(s, "file"))
            is_right = s->word_count == 1 && s->body_len == FILE_KEY_LEN && found.file++ == 0;
        else if (stanza_is(s, "argon2id"))
            is_right = argon2id_is_right(s, &found);
        else if (stanza_is(s, "tpm2"))
            is_right = tpm2_is_right(s, &found);
        else if (is_public(s))
            is_right = false;
        if (!is_right)
            return broken("a stanza is broken, or asks for too much");
    }
    if (found.file + found.argon2id + found.tpm2 == 0)
        return broken("nothing of it can be opened");
    return WARD_OK;
}

static ward_status parse(const uint8_t *data, size_t len, struct header *h,
                         struct public_key *public)
{
    size_t plain = 0;
    ward_status st;

    if (len > KEY_FILE_MAX_LEN || !header_is_of(data, len, KEY_VERSION))
        return broken("it does not start as one");
    st = header_parse(data, len, KEY_VERSION, h);
    if (!st)
        st = take_public(h, public);
    if (!st)
        st = check_wraps(h);
    if (!st &&
        (!payload_plain_len(len - h->len, &plain) || plain != identity_secret_len(public->type)))
        st = broken("it is cut short, or has bytes left over");
    return st;
}

ward_status key_file_describe(const uint8_t *data, size_t len, struct public_key *out,
                              unsigned *protections)
{
    struct header h = {.stanzas = NULL};
    struct public_key found;
    unsigned bits = 0;
    ward_status st = parse(data, len, &h, &found);

    for (size_t i = 1; i < h.count && !st; i++)
        for (unsigned kind = 0; kind < WRAPS; kind++)
            bits |= stanza_is(&h.stanzas[i], wraps[kind]) ? 1u << kind : 0;
    header_release(&h);
    if (st)
        return st;
    *out = found;
    *protections = bits;
    return WARD_OK;
}

ward_status key_file_public(const uint8_t *data, size_t len, struct public_key *out)
{
    unsigned protections;

    return key_file_describe(data, len, out, &protections);
}

/* ---- opening ---- */

/* What has been asked for, so that one question serves all stanzas. */
struct answer {
    struct secret text; /* PASSPHRASE_MAX bytes */
    size_t len;
    bool is_asked, is_given;
};

static ward_status ask(const struct key_source *source, bool is_pin, struct answer *answer)
{
    ward_status st = WARD_OK;

    if (!answer->is_asked) {
        st = secret_init(&answer->text, PASSPHRASE_MAX);
        answer->is_asked = true;
        answer->is_given = !st && source->ask &&
                           source->ask(source->context, source->path, is_pin,
                                       (char *)answer->text.data, PASSPHRASE_MAX, &answer->len);
    }
    if (!st && (!answer->is_given || answer->len > PASSPHRASE_MAX))
        st = ward_fail(WARD_ERR_AUTH, "a %s is needed", is_pin ? "PIN" : "passphrase");
    return st;
}

static ward_status refuse(void)
{
    return ward_fail(WARD_ERR_AUTH, "wrong passphrase, or an altered file");
}

static ward_status unwrap(const uint8_t key[WRAP_KEY_LEN], const struct stanza *s,
                          uint8_t file_key[FILE_KEY_LEN])
{
    uint8_t body[WRAPPED_LEN];

    stanza_body(s, body);
    return cipher_unwrap(key, body, sizeof body, file_key) ? WARD_OK : refuse();
}

static ward_status open_argon2id(const struct stanza *s, const struct key_source *source,
                                 struct answer *answer, uint8_t *file_key)
{
    uint8_t salt[SALT_LEN], key[WRAP_KEY_LEN];
    struct cost cost = {0, 0};
    ward_status st = ask(source, false, answer);

    if (st)
        return st;
    if (!word_decode(&s->words[1], salt, sizeof salt) || !parse_cost(&s->words[2], &cost))
        return refuse(); /* not reached: checked before */
    st = stretch((const char *)answer->text.data, answer->len, salt, &cost, key);
    if (!st)
        st = unwrap(key, s, file_key);
    mem_wipe(key, sizeof key);
    return st;
}

static ward_status open_tpm2(const struct stanza *s, const struct key_source *source,
                             struct answer *answer, uint8_t *file_key)
{
    struct tpm_access access = {.tcti = source->tpm};
    struct secret key = SECRET_INIT;
    struct tpm_sealed sealed;
    bool has_pin = false;
    ward_status st = WARD_OK;

    if (!tpm2_parse(s, &access.pcrs, &sealed))
        return refuse(); /* not reached: checked before */
    st = tpm_sealed_has_pin(sealed.bytes, sealed.len, &has_pin);
    if (!st && has_pin) {
        st = ask(source, true, answer);
        access.pin = answer->text.data;
        access.pin_len = answer->len;
    }
    if (!st)
        st = secret_init(&key, TPM_KEY_LEN);
    if (!st)
        st = tpm_unseal(&access, sealed.bytes, sealed.len, key.data);
    if (!st)
        st = unwrap(key.data, s, file_key);
    secret_release(&key);
    return st;
}

static ward_status open_stanza(const struct stanza *s, const struct key_source *source,
                               struct answer *passphrase, struct answer *pin, uint8_t *file_key)
{
    if (stanza_is(s, "argon2id"))
        return open_argon2id(s, source, passphrase, file_key);
    if (stanza_is(s, "tpm2"))
        return open_tpm2(s, source, pin, file_key);
    if (!stanza_is(s, "file"))
        return refuse();
    stanza_body(s, file_key);
    return WARD_OK;
}

/* The first stanza that opens; otherwise the last one's failure, but out of memory at once. */
static ward_status find_file_key(const struct header *h, const struct key_source *source,
                                 uint8_t *file_key)
{
    struct answer passphrase = {.text = SECRET_INIT}, pin = {.text = SECRET_INIT};
    ward_status st = WARD_ERR_AUTH;

    for (size_t i = 1; i < h->count && st && st != WARD_ERR_NOMEM; i++) {
        const struct stanza *s = &h->stanzas[i];

        if (stanza_is(s, "file") || stanza_is(s, "argon2id") || stanza_is(s, "tpm2"))
            st = open_stanza(s, source, &passphrase, &pin, file_key);
    }
    secret_release(&passphrase.text);
    secret_release(&pin.text);
    return st;
}

static ward_status take_secret(const uint8_t *payload, size_t len, const uint8_t *file_key,
                               const struct public_key *public, struct identity *out)
{
    struct secret secret = SECRET_INIT;
    ward_status st = secret_init(&secret, identity_secret_len(public->type));

    if (!st && !payload_open(file_key, KEY_VERSION, payload, len, secret.data))
        st = refuse();
    if (!st)
        st = identity_take(public, &secret, out);
    secret_release(&secret);
    return st;
}

ward_status key_file_parse(const uint8_t *data, size_t len, const struct key_source *source,
                           struct identity *out)
{
    struct header h = {.stanzas = NULL};
    struct secret file_key = SECRET_INIT;
    struct public_key public;
    ward_status st = parse(data, len, &h, &public);

    if (!st)
        st = secret_init(&file_key, FILE_KEY_LEN);
    if (!st)
        st = find_file_key(&h, source, file_key.data);
    if (!st && !cipher_mac_is(file_key.data, KEY_VERSION, data, h.covered, h.mac))
        st = refuse();
    if (!st)
        st = take_secret(data + h.len, len - h.len, file_key.data, &public, out);
    secret_release(&file_key);
    header_release(&h);
    return st;
}
