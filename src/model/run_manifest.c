/* Signing a run, and checking what was signed: see run_manifest.h, and ward/key.h. */
#include "model/run_manifest.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "key/base64.h"
#include "key/manifest.h"
#include "model/model.h"
#include "model/safetensors.h"

/* The files that a manifest names if they are there. */
static bool is_signed_file(const char *name)
{
    const char *dot = strrchr(name, '.');

    return strcmp(name, "model.safetensors") == 0 || strcmp(name, "transform.ward") == 0 ||
           (dot && dot != name && strcmp(dot, ".onnx") == 0);
}

static ward_status digest(const char *folder, const char *name, uint8_t out[SHA256_LEN])
{
    char *path = NULL;
    uint8_t *data = NULL;
    size_t len = 0;
    struct sha256 sha;
    ward_status st = file_join(&path, folder, name);

    if (!st)
        st = file_read(path, SAFETENSORS_MAX_FILE, &data, &len);
    if (!st) {
        sha256_init(&sha);
        sha256_update(&sha, data, len);
        sha256_finish(&sha, out);
        mem_wipe(data, len);
    }
    mem_free(data);
    mem_free(path);
    return st;
}

/* A name that no manifest can have must not be passed over: whoever adds such a file would not be
 * found out. WARD_ERR_ARG. */
static ward_status check_name(const struct run_dir *dir, const char *name)
{
    if (manifest_name_is_right(name))
        return WARD_OK;
    return ward_fail(WARD_ERR_ARG,
                     "'%s/%s' cannot be signed: its name is not of printable ASCII without blanks",
                     dir->path, name);
}

ward_status run_manifest_check_names(const struct run_dir *dir)
{
    char **names = NULL;
    size_t count = 0;
    ward_status st = file_list(dir->path, &names, &count);

    for (size_t i = 0; i < count && !st; i++)
        if (is_signed_file(names[i]))
            st = check_name(dir, names[i]);
    file_list_free(names, count);
    return st;
}

static ward_status collect(const struct run_dir *dir, struct manifest *m)
{
    char **names = NULL;
    size_t count = 0;
    ward_status st = file_list(dir->path, &names, &count);

    for (size_t i = 0; i < count && !st; i++) {
        struct manifest_file *f = NULL;

        if (!is_signed_file(names[i]))
            continue;
        st = check_name(dir, names[i]);
        if (!st)
            st = manifest_add(m, &f);
        if (!st)
            st = digest(dir->path, names[i], f->digest);
        if (!st)
            memcpy(f->name, names[i], strlen(names[i]) + 1);
    }
    file_list_free(names, count);
    return st;
}

/* The terms are the sealed transform's. */
static ward_status take_terms(const struct run_dir *dir, struct terms *out)
{
    struct sealed s = SEALED_INIT;
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st;

    if (!file_exists(dir->transform))
        return WARD_OK;
    st = file_read(dir->transform, SAFETENSORS_MAX_FILE, &data, &len);
    if (!st && is_sealed(data, len)) {
        st = sealed_parse(&s, data, len, "transform");
        if (!st)
            *out = s.terms;
    }
    sealed_release(&s);
    if (data)
        mem_wipe(data, len);
    mem_free(data);
    return st;
}

static ward_status take_id(const struct run_dir *dir, char id[MODEL_ID_LEN + 1])
{
    struct model m = {.data = NULL};
    ward_status st = model_read(dir->model, &m);

    if (!st)
        memcpy(id, m.id, MODEL_ID_LEN + 1);
    model_release(&m);
    return st;
}

ward_status run_manifest_sign(const struct run_dir *dir, const struct identity *owner)
{
    struct manifest m = {.files = NULL};
    struct wr text = WR_INIT;
    ward_status st = take_id(dir, m.id);

    if (!st)
        st = take_terms(dir, &m.terms);
    if (!st)
        st = collect(dir, &m);
    if (!st)
        st = manifest_build(&m, owner, &text);
    if (!st)
        st = file_write(dir->manifest, text.data, text.len, FILE_REPLACE);
    wr_release(&text);
    manifest_release(&m);
    return st;
}

/* ---- checking ---- */

/* Both lists ascend by name. The file `but` (may be NULL) is there, but need not be as signed. */
static ward_status compare(const struct manifest *wanted, const struct manifest *found,
                           const char *but)
{
    size_t count = max_size(wanted->count, found->count);

    for (size_t i = 0; i < count; i++) {
        const struct manifest_file *w = i < wanted->count ? &wanted->files[i] : NULL;
        const struct manifest_file *f = i < found->count ? &found->files[i] : NULL;

        if (!f || (w && strcmp(w->name, f->name) < 0))
            return ward_fail(WARD_ERR_AUTH, "'%s' was signed and is missing", w->name);
        if (!w || strcmp(w->name, f->name) > 0)
            return ward_fail(WARD_ERR_AUTH, "'%s' is not among the signed files", f->name);
        if (memcmp(w->digest, f->digest, SHA256_LEN) != 0 && !(but && strcmp(w->name, but) == 0))
            return ward_fail(WARD_ERR_AUTH, "'%s' is not as it was signed", f->name);
    }
    return WARD_OK;
}

static ward_status check(const struct run_dir *dir, const struct manifest *wanted, const char *but)
{
    struct manifest found = {.files = NULL};
    char id[MODEL_ID_LEN + 1];
    ward_status st = collect(dir, &found);

    if (st == WARD_ERR_ARG)
        st = WARD_ERR_AUTH; /* so it was not signed */
    if (!st)
        st = compare(wanted, &found, but);
    if (!st)
        st = take_id(dir, id);
    if (!st && strcmp(id, wanted->id) != 0)
        st = ward_fail(WARD_ERR_AUTH, "signed for another model");
    manifest_release(&found);
    return st;
}

static ward_status read_manifest(const struct run_dir *dir, struct manifest *out)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st;

    if (!file_exists(dir->manifest) && !run_dir_is_used(dir))
        return ward_fail(WARD_ERR_IO, "'%s' is no run", dir->path);
    if (!file_exists(dir->manifest))
        return ward_fail(WARD_ERR_IO, "'%s' is not signed: its owner does that by ward seal",
                         dir->path);
    st = file_read(dir->manifest, MANIFEST_MAX_LEN, &data, &len);
    if (st)
        return st;
    st = manifest_parse(data, len, out);
    mem_free(data);
    return st ? ward_fail_within(st, "'%s'", dir->manifest) : WARD_OK;
}

static bool is_signed_by(const struct manifest *m, const struct public_key *owner)
{
    return memcmp(m->ed25519, owner->ed25519, ED25519_LEN) == 0;
}

static ward_status refuse_owner(const struct run_dir *dir)
{
    return ward_fail(WARD_ERR_AUTH, "'%s': signed by another owner", dir->manifest);
}

ward_status run_manifest_check(const struct run_dir *dir, const struct identity *owner,
                               const struct identity *former)
{
    struct manifest m = {.files = NULL};
    ward_status st;

    if (!file_exists(dir->manifest))
        return WARD_OK;
    st = run_manifest_check_names(dir);
    if (!st)
        st = read_manifest(dir, &m);
    if (!st && is_signed_by(&m, &owner->public))
        st = check(dir, &m, NULL);
    else if (!st && former && is_signed_by(&m, &former->public))
        st = check(dir, &m, "transform.ward");
    else if (!st)
        st = refuse_owner(dir);
    manifest_release(&m);
    return st == WARD_ERR_AUTH
               ? ward_fail(st, "%s; ward seal signs what is there", ward_error_message())
               : st;
}

static void describe(const struct manifest *m, ward_manifest_info *out)
{
    *out = (ward_manifest_info){.uses = m->terms.uses, .file_count = m->count};
    base64_encode(m->ed25519, ED25519_LEN, out->owner);
    memcpy(out->model_id, m->id, sizeof m->id);
    memcpy(out->expires, m->terms.expires, sizeof m->terms.expires);
}

ward_status ward_run_verify(const char *run, const char *owner, ward_manifest_info *out)
{
    struct manifest m = {.files = NULL};
    struct run_dir dir = {.path = NULL};
    struct public_key key;
    ward_status st = public_key_parse(owner, strlen(owner), &key);

    if (!st && key.type != WARD_KEY_OWNER)
        st = ward_fail(WARD_ERR_ARG, "an owner signs, and that is a user's public key");
    if (!st)
        st = run_dir_init(&dir, run);
    if (!st)
        st = read_manifest(&dir, &m);
    if (!st)
        st = is_signed_by(&m, &key) ? check(&dir, &m, NULL) : refuse_owner(&dir);
    if (!st && out)
        describe(&m, out);
    manifest_release(&m);
    run_dir_release(&dir);
    return st;
}
