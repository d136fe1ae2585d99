/* Manifests: see manifest.h. */
#include "key/manifest.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/util.h"
#include "key/base64.h"
#include "key/versions.h"

enum { SIGNATURE_TEXT_LEN = 86, DIGEST_TEXT_LEN = 2 * SHA256_LEN };

static const char end_mark[] = "--- ";

bool manifest_name_is_right(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (name[i] < 0x21 || name[i] > 0x7e || name[i] == '/')
            return false;
    return len >= 1 && len <= MANIFEST_MAX_NAME;
}

ward_status manifest_add(struct manifest *m, struct manifest_file **out)
{
    ward_status st = m->count < MANIFEST_MAX_FILES
                         ? mem_resize(&m->files, m->count, m->count + 1, sizeof *m->files)
                         : ward_fail(WARD_ERR_FORMAT, "more than %d files", MANIFEST_MAX_FILES);

    if (!st)
        *out = &m->files[m->count++];
    return st;
}

void manifest_release(struct manifest *m)
{
    mem_free(m->files);
    *m = (struct manifest){.files = NULL};
}

/* ---- writing ---- */

static void write_lines(const struct manifest *m, const uint8_t *ed25519, struct wr *out)
{
    char key[X25519_TEXT_LEN + 1], expires[TERM_TEXT_MAX], uses[TERM_TEXT_MAX];
    char digest[DIGEST_TEXT_LEN + 1];

    base64_encode(ed25519, ED25519_LEN, key);
    terms_format(&m->terms, expires, uses);
    wr_printf(out, "%s\nowner %s\nmodel %s\nexpires %s\nuses %s\n", MANIFEST_VERSION, key, m->id,
              expires, uses);
    for (size_t i = 0; i < m->count; i++) {
        hex_encode(m->files[i].digest, SHA256_LEN, digest);
        wr_printf(out, "file %s %s\n", digest, m->files[i].name);
    }
}

ward_status manifest_build(const struct manifest *m, const struct identity *owner, struct wr *out)
{
    uint8_t signature[SIGNATURE_LEN];
    char text[SIGNATURE_TEXT_LEN + 1];
    ward_status st;

    write_lines(m, owner->public.ed25519, out);
    st = wr_finish(out);
    if (!st)
        st = identity_sign(owner, out->data, out->len, signature);
    if (st)
        return st;
    base64_encode(signature, sizeof signature, text);
    wr_printf(out, "%s%s\n", end_mark, text);
    return wr_finish(out);
}

/* ---- reading ---- */

/* The rest of the next line if it starts with `mark`; nothing is taken otherwise. */
static bool take(struct rd *rd, const char *mark, struct word *rest)
{
    const char *at = (const char *)rd->data + rd->pos;
    const char *end = memchr(at, '\n', rd_left(rd));
    size_t len = strlen(mark);

    if (!end || (size_t)(end - at) < len || memcmp(at, mark, len) != 0)
        return false;
    *rest = (struct word){at + len, (size_t)(end - at) - len};
    rd->pos += (size_t)(end - at) + 1;
    return true;
}

static bool copy_text(const struct word *word, char *out, size_t max)
{
    if (word->len > max || memchr(word->at, '\0', word->len))
        return false;
    memcpy(out, word->at, word->len);
    out[word->len] = '\0';
    return true;
}

static bool take_head(struct rd *rd, struct manifest *m)
{
    struct word line, expires, uses;
    uint8_t digest[MODEL_DIGEST_LEN / 2];

    return take(rd, MANIFEST_VERSION, &line) && line.len == 0 && take(rd, "owner ", &line) &&
           word_decode(&line, m->ed25519, ED25519_LEN) && take(rd, "model ", &line) &&
           line.len == MODEL_DIGEST_LEN && copy_text(&line, m->id, MODEL_DIGEST_LEN) &&
           hex_decode(m->id, digest, sizeof digest) && take(rd, "expires ", &expires) &&
           take(rd, "uses ", &uses) &&
           terms_parse(expires.at, expires.len, uses.at, uses.len, &m->terms);
}

static bool file_is_right(const struct word *line, struct manifest_file *f)
{
    char digest[DIGEST_TEXT_LEN + 1];
    struct word hex = {line->at, DIGEST_TEXT_LEN}, name;

    if (line->len <= DIGEST_TEXT_LEN + 1 || line->at[DIGEST_TEXT_LEN] != ' ')
        return false;
    name = (struct word){line->at + DIGEST_TEXT_LEN + 1, line->len - DIGEST_TEXT_LEN - 1};
    return copy_text(&hex, digest, DIGEST_TEXT_LEN) && hex_decode(digest, f->digest, SHA256_LEN) &&
           copy_text(&name, f->name, MANIFEST_MAX_NAME) && manifest_name_is_right(f->name);
}

static ward_status take_files(struct rd *rd, struct manifest *m)
{
    struct manifest_file *f = NULL;
    struct word line;
    ward_status st = WARD_OK;

    while (!st && take(rd, "file ", &line)) {
        st = manifest_add(m, &f);
        if (!st && (!file_is_right(&line, f) || (m->count > 1 && strcmp(f[-1].name, f->name) >= 0)))
            st = ward_fail(WARD_ERR_FORMAT, "not a manifest: a file's line is broken");
    }
    return st;
}

/* Written again, it must be the same text: that leaves one text for each meaning. */
static ward_status check_signature(const struct manifest *m, struct rd *rd)
{
    size_t covered = rd->pos;
    uint8_t signature[SIGNATURE_LEN];
    struct wr again = WR_INIT;
    struct word line;
    ward_status st = WARD_OK;

    if (!take(rd, end_mark, &line) || !word_decode(&line, signature, sizeof signature) ||
        rd_left(rd) > 0)
        return ward_fail(WARD_ERR_FORMAT, "not a manifest: it does not end in a signature");
    write_lines(m, m->ed25519, &again);
    st = wr_finish(&again);
    if (!st && (again.len != covered || memcmp(again.data, rd->data, covered) != 0))
        st = ward_fail(WARD_ERR_FORMAT, "not a manifest: not written as it should be");
    if (!st && !signature_is_right(m->ed25519, rd->data, covered, signature))
        st = ward_fail(WARD_ERR_AUTH, "its signature is wrong");
    wr_release(&again);
    return st;
}

ward_status manifest_parse(const uint8_t *data, size_t len, struct manifest *out)
{
    struct manifest m = {.files = NULL};
    struct rd rd;
    ward_status st = WARD_OK;

    rd_init(&rd, data, len);
    if (len == 0 || len > MANIFEST_MAX_LEN || !take_head(&rd, &m))
        st = ward_fail(WARD_ERR_FORMAT, "not a manifest");
    if (!st)
        st = take_files(&rd, &m);
    if (!st)
        st = check_signature(&m, &rd);
    if (st)
        manifest_release(&m);
    else
        *out = m;
    return st;
}
