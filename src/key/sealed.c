/* Opening sealed files: see seal.h. */
#include <stdio.h>

#include "base/mem.h"
#include "base/util.h"
#include "key/seal.h"
#include "key/versions.h"

static ward_status broken(const char *what)
{
    return ward_fail(WARD_ERR_FORMAT, "broken header: %s", what);
}

/* One message for all of it, on purpose. */
static ward_status refuse(void)
{
    return ward_fail(WARD_ERR_AUTH, "sealed: your key does not open it, or it was altered");
}

bool is_sealed(const uint8_t *data, size_t len)
{
    return header_is_of(data, len, SEAL_VERSION);
}

/* ---- grammar ---- */

static bool id_is_right(const struct word *word, const char *kind)
{
    if (strcmp(kind, "transform") != 0)
        return word_is(word, "-");
    for (size_t i = 0; i < word->len; i++)
        if (!memchr("0123456789abcdef", word->at[i], 16))
            return false;
    return word->len == MODEL_DIGEST_LEN;
}

static ward_status take_content(struct sealed *s, const char *kind)
{
    const struct stanza *c = s->header.stanzas;

    if (s->header.count < 2 || !stanza_is(c, "content") || c->word_count != 3 || c->body_len != 0)
        return broken("it does not start with what it is of");
    if (!word_is(&c->words[1], kind))
        return ward_fail(WARD_ERR_FORMAT, "not a sealed %s", kind);
    if (!id_is_right(&c->words[2], kind))
        return broken("it has no model_id");
    snprintf(s->id, sizeof s->id, "%.*s", (int)c->words[2].len, c->words[2].at);
    return WARD_OK;
}

static ward_status take_owner(struct sealed *s)
{
    const struct stanza *o = &s->header.stanzas[1];

    s->owner.type = WARD_KEY_OWNER;
    if (!stanza_is(o, "owner") || o->word_count != 3 || o->body_len != 0 ||
        !word_decode(&o->words[1], s->owner.x25519, X25519_LEN) ||
        !word_decode(&o->words[2], s->owner.ed25519, ED25519_LEN))
        return broken("it has no owner");
    return WARD_OK;
}

static ward_status take_terms(struct sealed *s, const struct stanza *t)
{
    if (s->has_terms || s->id[0] == '-' || t->word_count != 3 || t->body_len != SIGNATURE_LEN ||
        !terms_parse(t->words[1].at, t->words[1].len, t->words[2].at, t->words[2].len, &s->terms))
        return broken("its terms");
    stanza_body(t, s->signature);
    s->has_terms = true;
    return WARD_OK;
}

static ward_status take_rest(struct sealed *s)
{
    uint8_t share[X25519_LEN];
    ward_status st = WARD_OK;

    for (size_t i = 2; i < s->header.count && !st; i++) {
        const struct stanza *t = &s->header.stanzas[i];
        bool is_list = stanza_is(t, "grants"), is_wrap = stanza_is(t, "X25519");

        if ((is_list || is_wrap) &&
            (t->word_count != 2 || !word_decode(&t->words[1], share, sizeof share) ||
             (is_wrap && t->body_len != WRAPPED_LEN) || (is_list && t->body_len < TAG_LEN) ||
             (is_list && (s->grants || s->id[0] == '-'))))
            st = broken("a recipient");
        else if (is_list)
            s->grants = t;
        else if (stanza_is(t, "terms"))
            st = take_terms(s, t);
        else if (stanza_is(t, "content") || stanza_is(t, "owner"))
            st = broken("a stanza is there twice");
    }
    return st;
}

ward_status sealed_parse(struct sealed *s, const uint8_t *data, size_t len, const char *kind)
{
    struct sealed made = {.data = data, .len = len};
    ward_status st = header_parse(data, len, SEAL_VERSION, &made.header);

    if (!st)
        st = take_content(&made, kind);
    if (!st)
        st = take_owner(&made);
    if (!st)
        st = take_rest(&made);
    if (!st && !payload_plain_len(len - made.header.len, &made.plain_len))
        st = refuse(); /* cut short: no fault of the grammar, as far as it goes */
    if (st)
        sealed_release(&made);
    else
        *s = made;
    return st;
}

void sealed_release(struct sealed *s)
{
    header_release(&s->header);
    secret_release(&s->file_key);
    *s = (struct sealed)SEALED_INIT;
}

/* ---- opening ---- */

/* body_len - TAG_LEN bytes. */
static bool share_open(const struct stanza *t, const char *word, const struct identity *identity,
                       uint8_t *body, uint8_t *out)
{
    uint8_t share[X25519_LEN], key[WRAP_KEY_LEN];
    bool is_right;

    if (!word_decode(&t->words[1], share, sizeof share) ||
        !cipher_share_open(identity->secret.data, identity->public.x25519, word, share, key))
        return false;
    stanza_body(t, body);
    is_right = cipher_unwrap(key, body, t->body_len, out);
    mem_wipe(key, sizeof key);
    return is_right;
}

static bool find_file_key(struct sealed *s, const struct identity *identity)
{
    uint8_t body[WRAPPED_LEN];

    for (size_t i = 2; i < s->header.count; i++)
        if (stanza_is(&s->header.stanzas[i], "X25519") &&
            share_open(&s->header.stanzas[i], "X25519", identity, body, s->file_key.data))
            return true;
    return false;
}

ward_status sealed_unlock(struct sealed *s, const struct identity *identities, size_t count)
{
    bool is_found = false;
    ward_status st = secret_init(&s->file_key, FILE_KEY_LEN);

    if (st)
        return st;
    for (size_t i = 0; i < count && !is_found; i++) {
        is_found = find_file_key(s, &identities[i]);
        s->is_owners = is_found && public_keys_equal(&identities[i].public, &s->owner);
    }
    if (!is_found ||
        !cipher_mac_is(s->file_key.data, SEAL_VERSION, s->data, s->header.covered, s->header.mac)) {
        secret_release(&s->file_key);
        st = refuse();
    }
    return st;
}

ward_status sealed_payload(const struct sealed *s, uint8_t *out)
{
    return payload_open(s->file_key.data, SEAL_VERSION, s->data + s->header.len,
                        s->len - s->header.len, out)
               ? WARD_OK
               : refuse();
}

ward_status sealed_grants(const struct sealed *s, const struct identity *owner,
                          struct grant_list *list)
{
    uint8_t *bytes = NULL;
    size_t len;
    ward_status st;

    if (!public_keys_equal(&owner->public, &s->owner))
        return ward_fail(WARD_ERR_AUTH, "it belongs to another owner");
    if (!s->grants)
        return WARD_OK;
    len = s->grants->body_len;
    st = mem_new(&bytes, 2, len);
    if (st)
        return st;
    if (!share_open(s->grants, "grants", owner, bytes, bytes + len))
        st = refuse();
    else
        st = grants_parse((const char *)bytes + len, len - TAG_LEN, list);
    mem_wipe(bytes, 2 * len);
    mem_free(bytes);
    return st;
}

static ward_status check_terms(const struct sealed *s)
{
    if (!s->has_terms || s->is_owners)
        return WARD_OK;
    if (!terms_are_signed(&s->terms, s->id, s->owner.ed25519, s->signature))
        return refuse();
    return terms_check_day(&s->terms);
}

static ward_status open_payload(const struct sealed *s, uint8_t **out, size_t *out_len)
{
    uint8_t *plain = NULL;
    ward_status st = mem_new(&plain, s->plain_len, 1);

    if (!st)
        st = sealed_payload(s, plain);
    if (!st && s->has_terms && !s->is_owners)
        st = terms_count_use(&s->terms, s->id);
    if (!st) {
        *out = plain;
        *out_len = s->plain_len;
        return WARD_OK;
    }
    if (plain)
        mem_wipe(plain, s->plain_len);
    mem_free(plain);
    return st;
}

ward_status seal_open(const uint8_t *data, size_t len, const char *kind, const char *id,
                      ward_keys *keys, uint8_t **out, size_t *out_len)
{
    struct sealed s = SEALED_INIT;
    const struct identity *identities = NULL;
    size_t count = 0;
    ward_status st = sealed_parse(&s, data, len, kind);

    if (!st)
        st = keys ? keys_load(keys, &identities, &count)
                  : ward_fail(WARD_ERR_AUTH, "it is sealed, and there is no key to open it with");
    if (!st)
        st = sealed_unlock(&s, identities, count);
    if (!st && id && strcmp(id, s.id) != 0)
        st = ward_fail(WARD_ERR_AUTH, "sealed for another model");
    if (!st)
        st = check_terms(&s);
    if (!st)
        st = open_payload(&s, out, out_len);
    sealed_release(&s);
    return st;
}
