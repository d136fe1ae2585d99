/*
 * Who may open a run: sealing it, granting, revoking, handing over. ward/key.h from the inside. The
 * sealed bytes are key/seal.h's; here are the files, in their order, under the run's lock.
 *
 * The transform is replaced first and the manifest afterwards. A kill in between leaves a run that
 * can be used and does not verify. Sealing and handing over complete it when they are done again;
 * granting and revoking refuse, as they cannot tell it from a run whose file somebody exchanged,
 * and ward_run_seal() signs it.
 */
#include "model/run_keys.h"

#include "base/file.h"
#include "base/mem.h"
#include "key/keys.h"
#include "model/checkpoint.h"
#include "model/model.h"
#include "model/run_dir.h"
#include "model/run_manifest.h"
#include "model/safetensors.h"

/* A run under its lock, with the key of the one who changes it. */
struct work {
    struct run_dir dir;
    int lock;
    const struct identity *owner; /* borrowed from keys */
    uint8_t *data;                /* transform.ward */
    size_t len;
};

static ward_status work_open(struct work *w, const char *run, ward_keys *keys)
{
    ward_status st;

    *w = (struct work){.lock = -1};
    st = run_dir_init(&w->dir, run);
    if (!st && !run_dir_is_used(&w->dir))
        st = ward_fail(WARD_ERR_IO, "'%s' is no run", run);
    if (!st)
        st = keys_owner(keys, &w->owner);
    if (!st)
        st = file_lock(run, &w->lock);
    if (!st)
        st = run_dir_sweep(&w->dir);
    return st;
}

static void work_release(struct work *w)
{
    if (w->data)
        mem_wipe(w->data, w->len);
    mem_free(w->data);
    file_unlock(w->lock);
    run_dir_release(&w->dir);
}

static ward_status read_transform(struct work *w)
{
    return file_read(w->dir.transform, SAFETENSORS_MAX_FILE, &w->data, &w->len);
}

/* Before anything is sealed anew: a backup by a hard link is no file to overwrite, and what cannot
 * be signed afterwards is in the way. */
static ward_status check_names(const struct work *w)
{
    ward_status st = file_check_names(w->dir.transform);

    if (!st)
        st = file_check_names(w->dir.checkpoint);
    return st ? st : run_manifest_check_names(&w->dir);
}

/* What was there is overwritten: it was plain, or sealed to more than it should be now. */
static ward_status seal_to_file(const char *path, const struct seal *seal, const uint8_t *plain,
                                size_t len)
{
    struct wr bytes = WR_INIT;
    ward_status st = seal_bytes(seal, plain, len, &bytes);

    if (!st)
        st = file_write(path, bytes.data, bytes.len, FILE_SECRET | FILE_REPLACE | FILE_SHRED);
    wr_release(&bytes);
    return st;
}

/* ---- what is sealed ---- */

/* A sealed transform that is the owner's own, unlocked, with its list. Both empty at first. */
static ward_status unlock(struct work *w, const struct identity *owner, struct sealed *s,
                          struct grant_list *list)
{
    ward_status st = w->data ? WARD_OK : read_transform(w);

    if (st)
        return st;
    if (!is_sealed(w->data, w->len))
        st = ward_fail(WARD_ERR_ARG, "it is not sealed yet: see ward seal");
    else
        st = sealed_parse(s, w->data, w->len, "transform");
    if (!st)
        st = sealed_unlock(s, owner, 1);
    if (!st)
        st = sealed_grants(s, owner, list);
    return st ? ward_fail_within(st, "'%s'", w->dir.transform) : WARD_OK;
}

static ward_status decrypt(const struct sealed *s, uint8_t **plain)
{
    ward_status st = mem_new(plain, s->plain_len, 1);

    return st ? st : sealed_payload(s, *plain);
}

/* The same contents for those on the list, under a fresh file key. */
static ward_status reseal(const struct work *w, const struct sealed *s,
                          const struct identity *owner, const struct grant_list *list,
                          const struct terms *terms)
{
    struct seal seal = {
        .kind = "transform", .id = s->id, .owner = owner->public, .grants = list, .terms = *terms};
    uint8_t *plain = NULL;
    ward_status st = decrypt(s, &plain);

    seal.has_terms = !terms_are_none(terms);
    if (!st && seal.has_terms)
        st = terms_sign(terms, s->id, owner, seal.signature);
    if (!st)
        st = seal_to_file(w->dir.transform, &seal, plain, s->plain_len);
    if (plain)
        mem_wipe(plain, s->plain_len);
    mem_free(plain);
    return st;
}

/* The bytes that a checkpoint's file has, or is sealed around. */
static ward_status seal_contents(const char *path, ward_keys *keys, const struct seal *seal)
{
    uint8_t *data = NULL, *plain = NULL;
    size_t len = 0, plain_len = 0;
    ward_status st = file_read(path, SAFETENSORS_MAX_FILE, &data, &len);

    if (st)
        return st;
    if (!is_sealed(data, len)) {
        st = seal_to_file(path, seal, data, len);
    } else {
        st = seal_open(data, len, seal->kind, NULL, keys, &plain, &plain_len);
        if (!st)
            st = seal_to_file(path, seal, plain, plain_len);
    }
    if (plain)
        mem_wipe(plain, plain_len);
    mem_wipe(data, len);
    mem_free(plain);
    mem_free(data);
    return st;
}

static bool is_sealed_to(const uint8_t *data, size_t len, const char *kind,
                         const struct identity *owner)
{
    struct sealed s = SEALED_INIT;
    bool is_his =
        sealed_parse(&s, data, len, kind) == WARD_OK && public_keys_equal(&s.owner, &owner->public);

    sealed_release(&s);
    return is_his;
}

/* Whether a checkpoint is the owner's already. */
static ward_status is_done(const char *path, const struct identity *owner, bool *out)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(path, SAFETENSORS_MAX_FILE, &data, &len);

    if (st)
        return st;
    *out = is_sealed_to(data, len, "checkpoint", owner);
    mem_wipe(data, len);
    mem_free(data);
    return WARD_OK;
}

/* A checkpoint goes to the owner alone, whatever it was before. */
static ward_status seal_checkpoint(const struct work *w, ward_keys *keys,
                                   const struct identity *owner)
{
    const struct seal seal = {.kind = "checkpoint", .id = "-", .owner = owner->public};
    struct checkpoint c = {.step = 0};
    bool is_his = false;
    ward_status st;

    if (!file_exists(w->dir.checkpoint))
        return WARD_OK;
    st = is_done(w->dir.checkpoint, owner, &is_his);
    if (st || is_his)
        return st;
    st = checkpoint_read(w->dir.checkpoint, keys, &c);
    if (!st && !c.has_transform)
        st = ward_fail(WARD_ERR_ARG, "'%s' has no transform to seal", w->dir.path);
    if (!st && c.is_reproducible)
        st = ward_fail(WARD_ERR_ARG, "its transform is drawn from a given seed: no secret");
    if (!st)
        st = seal_contents(w->dir.checkpoint, keys, &seal);
    checkpoint_release(&c);
    return st;
}

/* "a b c", owned; those that were there first. */
static ward_status join(const char *there, const char *const *more, char **out)
{
    struct wr text = WR_INIT;
    ward_status st;

    wr_text(&text, there ? there : "");
    for (; *more; more++)
        wr_printf(&text, "%s%s", text.len > 0 ? " " : "", *more);
    wr_u8(&text, 0);
    st = wr_finish(&text);
    if (!st)
        st = mem_strdup(out, (const char *)text.data);
    wr_release(&text);
    return st;
}

/* A training that goes on seals what it writes as its settings say. */
static ward_status set_owner(const struct work *w, const struct identity *owner,
                             const char *const *recipients)
{
    struct run_config config = {.data = NULL};
    char text[PUBLIC_TEXT_MAX], *users = NULL;
    ward_status st;

    if (!file_exists(w->dir.config))
        return WARD_OK;
    st = run_config_read(&w->dir, &config);
    if (!st && recipients && *recipients)
        st = join(config.values.recipients, recipients, &users);
    if (!st) {
        public_key_format(&owner->public, text);
        config.values.owner = text;
        if (users)
            config.values.recipients = users;
        st = run_config_write(&w->dir, &config.values);
    }
    mem_free(users);
    run_config_release(&config);
    return st;
}

/* ---- sealing ---- */

static ward_status add_users(struct grant_list *list, const char *const *users, size_t count,
                             const char *name)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < count && !st; i++) {
        struct public_key user;
        bool is_new;

        st = public_key_parse(users[i], strlen(users[i]), &user);
        if (!st)
            st = grants_add(list, user.x25519, name, &is_new);
    }
    return st;
}

static size_t list_len(const char *const *texts)
{
    size_t count = 0;

    while (texts && texts[count])
        count++;
    return count;
}

static ward_status seal_again(struct work *w, const char *const *recipients,
                              const ward_terms *terms)
{
    struct sealed s = SEALED_INIT;
    struct grant_list list = {.items = NULL};
    struct terms wanted = {.uses = 0};
    ward_status st = unlock(w, w->owner, &s, &list);

    if (!st)
        st = add_users(&list, recipients, list_len(recipients), NULL);
    if (!st && terms)
        st = terms_take(terms, &wanted);
    if (!st)
        st = reseal(w, &s, w->owner, &list, terms ? &wanted : &s.terms);
    grants_release(&list);
    sealed_release(&s);
    return st;
}

static ward_status seal_plain(struct work *w, const char *const *recipients,
                              const ward_terms *terms)
{
    struct seal seal = {.kind = "transform", .owner = w->owner->public};
    struct transform t = {.params = {NULL, 0}};
    struct transform_owner of = {.is_reproducible = false};
    struct grant_list list = {.items = NULL};
    ward_status st = transform_file_parse(w->data, w->len, &t, &of);

    if (!st && of.is_reproducible)
        st = ward_fail(WARD_ERR_ARG, "its transform was drawn from a given seed: it is no secret");
    if (!st)
        st = add_users(&list, recipients, list_len(recipients), NULL);
    if (!st && terms)
        st = terms_take(terms, &seal.terms);
    seal.id = of.model_id;
    seal.grants = &list;
    seal.has_terms = !terms_are_none(&seal.terms);
    if (!st && seal.has_terms)
        st = terms_sign(&seal.terms, of.model_id, w->owner, seal.signature);
    if (!st)
        st = seal_to_file(w->dir.transform, &seal, w->data, w->len);
    transform_release(&t);
    grants_release(&list);
    return st;
}

static ward_status seal_run(struct work *w, ward_keys *keys, const char *const *recipients,
                            const ward_terms *terms)
{
    bool has_transform = file_exists(w->dir.transform);
    ward_status st = check_names(w);

    if (st)
        return st;
    if (!has_transform && !file_exists(w->dir.checkpoint))
        return ward_fail(WARD_ERR_ARG, "'%s' has nothing to seal: no transform, no checkpoint",
                         w->dir.path);
    if (terms && !has_transform)
        return ward_fail(WARD_ERR_ARG, "'%s' is not complete: terms are for a finished transform",
                         w->dir.path);
    if (has_transform)
        st = read_transform(w);
    if (!st && has_transform)
        st = is_sealed(w->data, w->len) ? seal_again(w, recipients, terms)
                                        : seal_plain(w, recipients, terms);
    if (!st)
        st = seal_checkpoint(w, keys, w->owner);
    if (!st)
        st = set_owner(w, w->owner, recipients);
    if (!st && file_exists(w->dir.model))
        st = run_manifest_sign(&w->dir, w->owner);
    return st;
}

ward_status ward_run_seal(const char *run, ward_keys *keys, const char *const *recipients,
                          const ward_terms *terms)
{
    struct work w;
    ward_status st = work_open(&w, run, keys);

    if (!st)
        st = seal_run(&w, keys, recipients, terms);
    work_release(&w);
    return st;
}

/* What a list says of users whom another has as well. */
static void take_names(struct grant_list *list, const struct grant_list *other)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t place = grants_find(other, list->items[i].x25519);

        if (place < other->count)
            list->items[i] = other->items[place];
    }
}

/* Who has lost another's transform meanwhile. */
static void drop_missing(struct grant_list *list, const struct grant_list *other)
{
    for (size_t i = list->count; i-- > 0;)
        if (grants_find(other, list->items[i].x25519) == other->count)
            grants_remove(list, i);
}

ward_status run_users_read(const char *run, ward_keys *keys, struct run_users *out)
{
    struct sealed s = SEALED_INIT;
    struct work w;
    ward_status st = work_open(&w, run, keys);

    if (!st)
        st = unlock(&w, w.owner, &s, &out->list);
    if (!st)
        out->terms = s.terms;
    sealed_release(&s);
    work_release(&w);
    return st;
}

/* For the first time: what the training has sealed knows public keys alone. */
static ward_status seal_like(struct work *w, const struct run_users *users,
                             const struct grant_list *now)
{
    struct sealed s = SEALED_INIT;
    struct grant_list list = {.items = NULL};
    ward_status st = check_names(w);

    if (!st)
        st = unlock(w, w->owner, &s, &list);
    if (!st) {
        take_names(&list, &users->list);
        if (now)
            drop_missing(&list, now);
        st = reseal(w, &s, w->owner, &list, &users->terms);
    }
    if (!st)
        st = run_manifest_sign(&w->dir, w->owner);
    grants_release(&list);
    sealed_release(&s);
    return st;
}

ward_status run_seal_like(const char *run, const char *other, const struct run_users *users,
                          ward_keys *keys)
{
    struct run_users now = {.list = {.items = NULL}};
    bool is_read = run_users_read(other, keys, &now) == WARD_OK;
    struct work w;
    ward_status st = work_open(&w, run, keys);

    if (!st)
        st = file_exists(w.dir.manifest) ? seal_run(&w, keys, NULL, NULL)
                                         : seal_like(&w, users, is_read ? &now.list : NULL);
    grants_release(&now.list);
    work_release(&w);
    return st;
}

/* ---- users ---- */

/* Before the list is changed: the run can be signed afterwards. */
static ward_status check_signed(const struct work *w)
{
    ward_status st = run_manifest_check(&w->dir, w->owner, NULL);

    if (!st && !file_exists(w->dir.model))
        st = ward_fail(WARD_ERR_IO, "'%s' is missing: without it the run cannot be signed",
                       w->dir.model);
    return st;
}

ward_status ward_run_grant(const char *run, ward_keys *keys, const char *const *users, size_t count,
                           const char *name)
{
    struct sealed s = SEALED_INIT;
    struct grant_list list = {.items = NULL};
    struct wr bytes = WR_INIT;
    struct work w;
    size_t known = 0;
    ward_status st = work_open(&w, run, keys);

    if (!st)
        st = unlock(&w, w.owner, &s, &list);
    if (!st)
        st = check_signed(&w);
    known = list.count;
    if (!st)
        st = add_users(&list, users, count, name);
    if (!st && list.count > known)
        st = sealed_extend(&s, &list, known, &bytes);
    if (!st && list.count > known)
        st = file_write(w.dir.transform, bytes.data, bytes.len, FILE_SECRET | FILE_REPLACE);
    if (!st)
        st = run_manifest_sign(&w.dir, w.owner);
    wr_release(&bytes);
    grants_release(&list);
    sealed_release(&s);
    work_release(&w);
    return st;
}

static ward_status find_user(const struct grant_list *list, const char *user, size_t *place)
{
    struct public_key key;
    size_t found = 0;

    if (public_key_parse(user, strlen(user), &key) == WARD_OK) {
        *place = grants_find(list, key.x25519);
        found = *place < list->count;
    } else {
        for (size_t i = 0; i < list->count; i++)
            if (strcmp(list->items[i].name, user) == 0) {
                *place = i;
                found++;
            }
    }
    if (found == 1)
        return WARD_OK;
    return ward_fail(WARD_ERR_ARG,
                     found ? "more than one user is called '%s': name the public key"
                           : "no user '%s' is on the list",
                     user);
}

ward_status ward_run_revoke(const char *run, ward_keys *keys, const char *user)
{
    struct sealed s = SEALED_INIT;
    struct grant_list list = {.items = NULL};
    struct work w;
    size_t place = 0;
    ward_status st = work_open(&w, run, keys);

    if (!st)
        st = check_names(&w);
    if (!st)
        st = unlock(&w, w.owner, &s, &list);
    if (!st)
        st = check_signed(&w);
    if (!st)
        st = find_user(&list, user, &place);
    if (!st) {
        grants_remove(&list, place);
        st = reseal(&w, &s, w.owner, &list, &s.terms);
    }
    if (!st)
        st = run_manifest_sign(&w.dir, w.owner);
    grants_release(&list);
    sealed_release(&s);
    work_release(&w);
    return st;
}

static void describe(const struct grant *grant, ward_grant *out)
{
    char text[PUBLIC_TEXT_MAX];

    grant_format_key(grant, text);
    *out = (ward_grant){.name = ""};
    memcpy(out->public_key, text, strlen(text));
    memcpy(out->date, grant->date, sizeof out->date);
    memcpy(out->name, grant->name, sizeof out->name);
}

ward_status ward_run_grants(const char *run, ward_keys *keys, ward_grant **out, size_t *count)
{
    struct sealed s = SEALED_INIT;
    struct grant_list list = {.items = NULL};
    ward_grant *made = NULL;
    struct work w;
    ward_status st = work_open(&w, run, keys);

    if (!st)
        st = unlock(&w, w.owner, &s, &list);
    if (!st)
        st = mem_new(&made, list.count, sizeof *made);
    if (!st) {
        for (size_t i = 0; i < list.count; i++)
            describe(&list.items[i], &made[i]);
        *out = made;
        *count = list.count;
    }
    grants_release(&list);
    sealed_release(&s);
    work_release(&w);
    return st;
}

void ward_grants_free(ward_grant *grants)
{
    mem_free(grants);
}

/* ---- another owner ---- */

static ward_status hand_over_transform(struct work *w, const struct identity *next)
{
    struct sealed s = SEALED_INIT;
    struct grant_list list = {.items = NULL};
    ward_status st = read_transform(w);
    /* Done before a kill: what comes after it is done again. */
    bool is_done = !st && is_sealed_to(w->data, w->len, "transform", next);

    if (!st)
        st = unlock(w, is_done ? next : w->owner, &s, &list);
    if (!st)
        st = is_done ? run_manifest_check(&w->dir, next, w->owner)
                     : run_manifest_check(&w->dir, w->owner, NULL);
    if (!st && !is_done)
        st = reseal(w, &s, next, &list, &s.terms);
    grants_release(&list);
    sealed_release(&s);
    return st;
}

/* A training that is not finished has a checkpoint only. */
static ward_status hand_over(struct work *w, ward_keys *keys, const struct identity *next)
{
    bool has_transform = file_exists(w->dir.transform);
    ward_status st = check_names(w);

    if (!st && (has_transform || !file_exists(w->dir.checkpoint)))
        st = hand_over_transform(w, next);
    if (!st)
        st = seal_checkpoint(w, keys, next);
    if (!st)
        st = set_owner(w, next, NULL);
    return st || !file_exists(w->dir.model) ? st : run_manifest_sign(&w->dir, next);
}

ward_status ward_run_rotate(const char *run, ward_keys *keys, ward_keys *next)
{
    const struct identity *owner;
    struct work w;
    ward_status st = work_open(&w, run, keys);

    if (!st)
        st = keys_owner(next, &owner);
    if (!st)
        st = hand_over(&w, keys, owner);
    work_release(&w);
    return st;
}
