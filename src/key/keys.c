/* Key files and what is opened with them: see keys.h and ward/key.h. */
#include "key/keys.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "key/header.h"
#include "key/key_file.h"
#include "key/versions.h"

enum { KEYS_MAX = 2 };

struct ward_keys {
    char *paths[KEYS_MAX]; /* owned */
    size_t path_count;
    bool is_default; /* those of paths that are there */
    ward_key_ask *ask;
    void *context;
    char *tpm; /* owned; NULL: the machine's */
    struct identity items[KEYS_MAX];
    const char *from[KEYS_MAX]; /* the paths of items */
    size_t count;
    bool is_loaded;
    char *refusal; /* owned: why they could not be opened, so that nobody is asked twice */
};

ward_status ward_key_default_path(ward_key_type type, char **out)
{
    static const char *const names[] = {[WARD_KEY_USER] = "keys/user.key",
                                        [WARD_KEY_OWNER] = "keys/owner.key",
                                        [WARD_KEY_LOCK] = "keys/lock.key"};

    return file_user_path(out, names[type]);
}

/* ---- writing ---- */

static ward_status make_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    ward_status st;

    if (!slash || slash == path)
        return WARD_OK;
    st = mem_printf(&folder, "%.*s", (int)(slash - path), path);
    if (!st)
        st = file_make_directory(folder);
    mem_free(folder);
    return st;
}

static ward_status write_public(const char *path, const char *text, int flags)
{
    char *name = NULL, *line = NULL;
    ward_status st = mem_printf(&name, "%s.pub", path);

    if (!st)
        st = mem_printf(&line, "%s\n", text);
    if (!st)
        st = file_write(name, line, strlen(line), flags);
    mem_free(line);
    mem_free(name);
    return st;
}

/* Neither the key file nor its public half is there. */
static ward_status check_free(const char *path, bool has_public)
{
    char *name = NULL;
    ward_status st = mem_printf(&name, "%s.pub", path);

    if (!st && file_exists(path))
        st = ward_fail(WARD_ERR_EXISTS, "'%s' exists already", path);
    if (!st && has_public && file_exists(name))
        st = ward_fail(WARD_ERR_EXISTS, "'%s' exists already", name);
    mem_free(name);
    return st;
}

static ward_status write_pair(const char *path, const struct identity *identity,
                              const ward_key_options *options)
{
    char text[PUBLIC_TEXT_MAX];
    struct wr bytes = WR_INIT;
    ward_status st;

    st = options->replaces ? file_check_names(path)
                           : check_free(path, identity->public.type != WARD_KEY_LOCK);
    if (st)
        return st;
    public_key_format(&identity->public, text);
    st = key_file_build(identity, options, &bytes);
    if (!st)
        st = make_parent(path);
    if (!st)
        st = file_write(path, bytes.data, bytes.len,
                        FILE_SECRET | (options->replaces ? FILE_REPLACE | FILE_SHRED : 0));
    if (!st && identity->public.type != WARD_KEY_LOCK) {
        st = write_public(path, text, options->replaces ? FILE_REPLACE : 0);
        if (st && !options->replaces)
            unlink(path); /* half a pair would be in the way of the next attempt */
    }
    wr_release(&bytes);
    return st;
}

ward_status ward_key_new(const char *path, ward_key_type type, const ward_key_options *options,
                         char **public_key)
{
    struct identity made = IDENTITY_INIT;
    char text[PUBLIC_TEXT_MAX], *copy = NULL;
    ward_status st = identity_new(type, &made);

    if (!st && public_key) {
        public_key_format(&made.public, text);
        st = mem_strdup(&copy, text);
    }
    if (!st)
        st = write_pair(path, &made, options);
    identity_release(&made);
    if (st)
        mem_free(copy);
    else if (public_key)
        *public_key = copy;
    return st;
}

/* ---- public keys ---- */

ward_status ward_key_check(const char *text, ward_key_type *type)
{
    struct public_key key;
    ward_status st = public_key_parse(text, strlen(text), &key);

    if (!st && type)
        *type = key.type;
    return st;
}

static ward_status describe(const uint8_t *data, size_t len, struct public_key *out,
                            unsigned *protections)
{
    size_t text_len = len > 0 && data[len - 1] == '\n' ? len - 1 : len;
    ward_status st;

    if (header_is_of(data, len, KEY_VERSION))
        return key_file_describe(data, len, out, protections);
    *protections = 0;
    st = public_key_parse((const char *)data, text_len, out);
    return st == WARD_ERR_ARG ? ward_fail(WARD_ERR_FORMAT, "neither a public key nor a key file")
                              : st;
}

static ward_status describe_file(const char *path, struct public_key *out, unsigned *protections)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(path, KEY_FILE_MAX_LEN, &data, &len);

    if (st)
        return st;
    st = describe(data, len, out, protections);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_wipe(data, len);
    mem_free(data);
    return st;
}

ward_status ward_key_describe(const char *path, ward_key_info *out)
{
    struct public_key key;
    unsigned protections;
    ward_status st = describe_file(path, &key, &protections);

    if (st)
        return st;
    *out = (ward_key_info){.type = key.type, .protections = protections};
    public_key_format(&key, out->fingerprint);
    return WARD_OK;
}

ward_status key_public_read(const char *path, struct public_key *out)
{
    struct public_key key;
    unsigned protections;
    ward_status st = describe_file(path, &key, &protections);

    if (!st && key.type == WARD_KEY_LOCK)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is a lock key, which has no public half", path);
    if (!st)
        *out = key;
    return st;
}

ward_status ward_key_public(const char *path, char **out)
{
    struct public_key key;
    char text[PUBLIC_TEXT_MAX];
    ward_status st = key_public_read(path, &key);

    if (st)
        return st;
    public_key_format(&key, text);
    return mem_strdup(out, text);
}

/* ---- opening ---- */

static ward_status set_paths(ward_keys *keys, const char *identity)
{
    ward_status st;

    if (identity) {
        keys->path_count = 1;
        return mem_strdup(&keys->paths[0], identity);
    }
    keys->is_default = true;
    st = ward_key_default_path(WARD_KEY_OWNER, &keys->paths[0]);
    if (!st)
        st = ward_key_default_path(WARD_KEY_USER, &keys->paths[1]);
    if (!st)
        keys->path_count = 2;
    return st == WARD_ERR_IO ? WARD_OK : st; /* without a data folder there are no keys in it */
}

ward_status ward_keys_new(ward_keys **out, const ward_keys_options *options)
{
    ward_keys *keys = NULL;
    ward_status st = mem_new(&keys, 1, sizeof *keys);

    if (st)
        return st;
    keys->ask = options->ask;
    keys->context = options->context;
    st = set_paths(keys, options->identity);
    if (!st && options->tpm)
        st = mem_strdup(&keys->tpm, options->tpm);
    if (st)
        ward_keys_free(keys);
    else
        *out = keys;
    return st;
}

void ward_keys_free(ward_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < KEYS_MAX; i++) {
        identity_release(&keys->items[i]);
        mem_free(keys->paths[i]);
    }
    mem_free(keys->refusal);
    mem_free(keys->tpm);
    mem_free(keys);
}

static ward_status load(ward_keys *keys, const char *path)
{
    const struct key_source source = {path, keys->ask, keys->context, keys->tpm};
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(path, KEY_FILE_MAX_LEN, &data, &len);

    if (st)
        return st;
    st = key_file_parse(data, len, &source, &keys->items[keys->count]);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    else
        keys->from[keys->count++] = path;
    mem_wipe(data, len);
    mem_free(data);
    return st;
}

static void unload(ward_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        identity_release(&keys->items[i]);
    keys->count = 0;
}

static ward_status load_all(ward_keys *keys, const struct identity **out, size_t *count)
{
    ward_status st = keys->refusal ? ward_fail(WARD_ERR_AUTH, "%s", keys->refusal) : WARD_OK;

    for (size_t i = 0; i < keys->path_count && !st && !keys->is_loaded; i++)
        if (!keys->is_default || file_exists(keys->paths[i]))
            st = load(keys, keys->paths[i]);
    if (!st && keys->count == 0)
        st = keys->path_count > 0
                 ? ward_fail(WARD_ERR_AUTH,
                             "a key is needed, and there is none at '%s': name yours (--identity)",
                             keys->paths[0])
                 : ward_fail(WARD_ERR_AUTH, "a key is needed, and there is no data folder");
    if (st == WARD_ERR_AUTH && !keys->refusal && mem_strdup(&keys->refusal, ward_error_message()))
        st = WARD_ERR_NOMEM;
    if (st) {
        unload(keys);
        return st;
    }
    keys->is_loaded = true;
    *out = keys->items;
    *count = keys->count;
    return WARD_OK;
}

ward_status keys_load(ward_keys *keys, const struct identity **out, size_t *count)
{
    const struct identity *items;
    size_t found = 0;
    ward_status st = load_all(keys, &items, &found);

    for (size_t i = 0; i < found && !st; i++)
        if (items[i].public.type == WARD_KEY_LOCK)
            st = ward_fail(WARD_ERR_AUTH, "'%s' is a lock key, which opens nothing", keys->from[i]);
    if (st)
        return st;
    *out = items;
    *count = found;
    return WARD_OK;
}

ward_status keys_lock(ward_keys *keys, const struct identity **out)
{
    const struct identity *items;
    size_t count;
    ward_status st = load_all(keys, &items, &count);

    if (!st && items[0].public.type != WARD_KEY_LOCK)
        st = ward_fail(WARD_ERR_AUTH, "'%s' is no lock key", keys->from[0]);
    if (!st)
        *out = items;
    return st;
}

ward_status keys_owner(ward_keys *keys, const struct identity **out)
{
    const struct identity *items;
    size_t count;
    ward_status st = keys_load(keys, &items, &count);

    if (st)
        return st;
    if (items[0].public.type != WARD_KEY_OWNER)
        return ward_fail(WARD_ERR_AUTH, "that takes an owner's key; '%s' is a user's",
                         keys->from[0]);
    *out = items;
    return WARD_OK;
}

ward_status ward_key_copy(ward_keys *keys, const char *path, const ward_key_options *options)
{
    const struct identity *items;
    size_t count;
    ward_status st = load_all(keys, &items, &count);

    return st ? st : write_pair(path, items, options);
}
