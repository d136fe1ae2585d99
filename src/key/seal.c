/* Sealing: see seal.h. sealed.c opens. */
#include "key/seal.h"

#include <stdio.h>

#include "base/mem.h"
#include "key/base64.h"
#include "key/versions.h"

enum { LINE_MAX = 256 };

static void content_stanza(const struct seal *seal, struct wr *out)
{
    char line[LINE_MAX];

    snprintf(line, sizeof line, "content %s %s", seal->kind, seal->id);
    header_stanza(out, line, NULL, 0);
}

static void owner_stanza(const struct public_key *owner, struct wr *out)
{
    char x25519[X25519_TEXT_LEN + 1], ed25519[X25519_TEXT_LEN + 1], line[LINE_MAX];

    base64_encode(owner->x25519, X25519_LEN, x25519);
    base64_encode(owner->ed25519, ED25519_LEN, ed25519);
    snprintf(line, sizeof line, "owner %s %s", x25519, ed25519);
    header_stanza(out, line, NULL, 0);
}

static void terms_stanza(const struct seal *seal, struct wr *out)
{
    char expires[TERM_TEXT_MAX], uses[TERM_TEXT_MAX], line[LINE_MAX];

    terms_format(&seal->terms, expires, uses);
    snprintf(line, sizeof line, "terms %s %s", expires, uses);
    header_stanza(out, line, seal->signature, SIGNATURE_LEN);
}

/* len bytes for a public key, under a key of their own. */
static ward_status share_stanza(const uint8_t to[X25519_LEN], const char *word, const uint8_t *data,
                                size_t len, struct wr *out)
{
    uint8_t share[X25519_LEN], key[WRAP_KEY_LEN], *body = NULL;
    char text[X25519_TEXT_LEN + 1], line[LINE_MAX];
    ward_status st = mem_new(&body, len + TAG_LEN, 1);

    if (!st)
        st = cipher_share_new(to, word, share, key);
    if (!st) {
        cipher_wrap(key, data, len, body);
        base64_encode(share, sizeof share, text);
        snprintf(line, sizeof line, "%s %s", word, text);
        header_stanza(out, line, body, len + TAG_LEN);
    }
    mem_wipe(key, sizeof key);
    mem_free(body);
    return st;
}

static ward_status grants_stanza(const uint8_t owner[X25519_LEN], const struct grant_list *list,
                                 struct wr *out)
{
    struct wr text = WR_INIT;
    ward_status st;

    grants_format(list, &text);
    st = wr_finish(&text);
    if (!st)
        st = share_stanza(owner, "grants", text.data, text.len, out);
    wr_release(&text);
    return st;
}

static ward_status recipient_stanzas(const struct grant_list *list, size_t from,
                                     const uint8_t *file_key, struct wr *out)
{
    ward_status st = WARD_OK;

    for (size_t i = from; i < list->count && !st; i++)
        st = share_stanza(list->items[i].x25519, "X25519", file_key, FILE_KEY_LEN, out);
    return st;
}

static ward_status write_header(const struct seal *seal, const uint8_t *file_key, struct wr *out)
{
    bool has_list = seal->grants && seal->grants->count > 0;
    ward_status st = WARD_OK;

    header_begin(out, SEAL_VERSION);
    content_stanza(seal, out);
    owner_stanza(&seal->owner, out);
    if (seal->has_terms)
        terms_stanza(seal, out);
    if (has_list)
        st = grants_stanza(seal->owner.x25519, seal->grants, out);
    if (!st)
        st = share_stanza(seal->owner.x25519, "X25519", file_key, FILE_KEY_LEN, out);
    if (!st && has_list)
        st = recipient_stanzas(seal->grants, 0, file_key, out);
    return st ? st : header_end(out, SEAL_VERSION, file_key);
}

static ward_status append_payload(const uint8_t *file_key, const uint8_t *data, size_t len,
                                  struct wr *out)
{
    uint8_t *payload = NULL;
    ward_status st = mem_new(&payload, payload_len(len), 1);

    if (!st)
        st = payload_seal(file_key, SEAL_VERSION, data, len, payload);
    if (!st) {
        wr_bytes(out, payload, payload_len(len));
        st = wr_finish(out);
    }
    mem_free(payload);
    return st;
}

ward_status seal_bytes(const struct seal *seal, const uint8_t *data, size_t len, struct wr *out)
{
    struct secret file_key = SECRET_INIT;
    struct wr made = WR_INIT;
    ward_status st = secret_init(&file_key, FILE_KEY_LEN);

    if (!st)
        st = key_random(file_key.data, file_key.len);
    if (!st)
        st = write_header(seal, file_key.data, &made);
    if (!st)
        st = append_payload(file_key.data, data, len, &made);
    if (!st) {
        *out = made;
        made = (struct wr)WR_INIT;
    }
    wr_release(&made);
    secret_release(&file_key);
    return st;
}

/* All stanzas stay as they are, those that nobody here knows too; only the list is another. */
ward_status sealed_extend(const struct sealed *s, const struct grant_list *list, size_t known,
                          struct wr *out)
{
    struct wr made = WR_INIT;
    ward_status st = WARD_OK;

    header_begin(&made, SEAL_VERSION);
    for (size_t i = 0; i < s->header.count; i++)
        if (&s->header.stanzas[i] != s->grants)
            wr_bytes(&made, s->header.stanzas[i].text, s->header.stanzas[i].text_len);
    st = grants_stanza(s->owner.x25519, list, &made);
    if (!st)
        st = recipient_stanzas(list, known, s->file_key.data, &made);
    if (!st)
        st = header_end(&made, SEAL_VERSION, s->file_key.data);
    if (!st) {
        wr_bytes(&made, s->data + s->header.len, s->len - s->header.len);
        st = wr_finish(&made);
    }
    if (!st) {
        *out = made;
        made = (struct wr)WR_INIT;
    }
    wr_release(&made);
    return st;
}
