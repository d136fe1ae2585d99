/* Tokens: see tokens.h and ward/serve.h. */
#include "serve/tokens.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "key/grants.h"
#include "key/secret.h"

static const char version_line[] = "ward-tokens/v1\n";
static const char token_prefix[] = "ward-";

enum { SECRET_LEN = 32, LIMIT_MAX = 1000000000, FIELDS = 7 };

/* ---- terms ---- */

static bool user_is_right(const char *user)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._@-";
    size_t len = strlen(user);

    return len >= 1 && len <= WARD_TOKEN_USER_MAX && strspn(user, allowed) == len;
}

static ward_status check_terms(const ward_token *terms)
{
    if (!user_is_right(terms->user))
        return ward_fail(WARD_ERR_ARG,
                         "a user's name is 1 to %d letters, digits, '.', '_', '@', '-'",
                         WARD_TOKEN_USER_MAX);
    if (terms->rate > LIMIT_MAX || terms->budget > LIMIT_MAX || terms->distinct > LIMIT_MAX)
        return ward_fail(WARD_ERR_ARG, "a limit is at most %d", LIMIT_MAX);
    if (terms->expires[0] && !date_is_right(terms->expires, strlen(terms->expires)))
        return ward_fail(WARD_ERR_ARG, "'%s' is no day like 2027-01-31", terms->expires);
    return WARD_OK;
}

bool token_has_expired(const ward_token *terms)
{
    char today[DATE_LEN + 1];

    date_today(today);
    return terms->expires[0] && strcmp(terms->expires, today) < 0;
}

/* ---- reading ---- */

struct field {
    const char *text;
    size_t len;
};

/* Splits at single blanks; false unless there are exactly FIELDS, none empty. */
static bool split(const char *line, size_t len, struct field fields[FIELDS])
{
    const char *end = line + len;

    for (size_t i = 0; i < FIELDS; i++) {
        const char *blank = memchr(line, ' ', (size_t)(end - line));
        const char *stop = i + 1 < FIELDS ? blank : end;

        if (!stop || stop == line || (i + 1 == FIELDS && blank))
            return false;
        fields[i] = (struct field){line, (size_t)(stop - line)};
        line = stop + 1;
    }
    return true;
}

static bool field_is(struct field field, const char *word)
{
    return field.len == strlen(word) && memcmp(field.text, word, field.len) == 0;
}

/* A whole number from 1 without leading zeros, or "unlimited". */
static bool read_limit(struct field field, uint64_t *out)
{
    uint64_t value = 0;

    *out = 0;
    if (field_is(field, "unlimited"))
        return true;
    if (field.len > 10 || field.text[0] == '0')
        return false;
    for (size_t i = 0; i < field.len; i++) {
        if (field.text[i] < '0' || field.text[i] > '9')
            return false;
        value = 10 * value + (uint64_t)(field.text[i] - '0');
    }
    *out = value;
    return value <= LIMIT_MAX;
}

static bool read_digest(struct field field, struct token *token)
{
    char text[2 * SHA256_LEN + 1], again[2 * SHA256_LEN + 1];

    if (field.len != 2 * SHA256_LEN)
        return false;
    memcpy(text, field.text, field.len);
    text[field.len] = '\0';
    if (!hex_decode(text, token->digest, SHA256_LEN))
        return false;
    hex_encode(token->digest, SHA256_LEN, again);
    memcpy(token->terms.id, text, WARD_TOKEN_ID_LEN);
    return strcmp(text, again) == 0;
}

static bool read_expiry(struct field field, char expires[DATE_LEN + 1])
{
    expires[0] = '\0';
    if (field_is(field, "never"))
        return true;
    if (!date_is_right(field.text, field.len))
        return false;
    memcpy(expires, field.text, field.len);
    expires[field.len] = '\0';
    return true;
}

static bool read_token(const char *line, size_t len, struct token *token)
{
    struct field fields[FIELDS];

    if (!split(line, len, fields) || !field_is(fields[0], "token") ||
        fields[2].len > WARD_TOKEN_USER_MAX)
        return false;
    memcpy(token->terms.user, fields[2].text, fields[2].len);
    return strlen(token->terms.user) == fields[2].len && user_is_right(token->terms.user) &&
           read_digest(fields[1], token) && read_limit(fields[3], &token->terms.rate) &&
           read_limit(fields[4], &token->terms.budget) &&
           read_limit(fields[5], &token->terms.distinct) &&
           read_expiry(fields[6], token->terms.expires);
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp((*(struct token *const *)a)->digest, (*(struct token *const *)b)->digest,
                  SHA256_LEN);
}

static ward_status index_tokens(struct token_list *list)
{
    ward_status st = mem_new(&list->by_digest, list->count, sizeof *list->by_digest);

    if (st)
        return st;
    for (size_t i = 0; i < list->count; i++)
        list->by_digest[i] = &list->items[i];
    qsort(list->by_digest, list->count, sizeof *list->by_digest, compare_digests);
    for (size_t i = 1; i < list->count; i++)
        if (compare_digests(&list->by_digest[i - 1], &list->by_digest[i]) == 0)
            return ward_fail(WARD_ERR_FORMAT, "token %s is there twice",
                             list->by_digest[i]->terms.id);
    return WARD_OK;
}

ward_status tokens_parse(const char *text, size_t len, struct token_list *out)
{
    const size_t head = sizeof version_line - 1;
    struct token_list list = {NULL, 0, NULL};
    size_t lines = 0;
    ward_status st;

    if (len < head || memcmp(text, version_line, head) != 0)
        return ward_fail(WARD_ERR_FORMAT, "not a tokens file of version 1");
    if (text[len - 1] != '\n')
        return ward_fail(WARD_ERR_FORMAT, "the last line is cut off");
    for (size_t i = head; i < len; i++)
        lines += text[i] == '\n';
    if (lines > TOKENS_MAX)
        return ward_fail(WARD_ERR_FORMAT, "more than %d tokens", TOKENS_MAX);
    st = mem_new(&list.items, lines, sizeof *list.items);
    for (const char *line = text + head; !st && line < text + len; list.count++) {
        size_t line_len =
            (size_t)((const char *)memchr(line, '\n', (size_t)(text + len - line)) - line);

        if (!read_token(line, line_len, &list.items[list.count]))
            st = ward_fail(WARD_ERR_FORMAT, "line %zu is no token", list.count + 2);
        line += line_len + 1;
    }
    if (!st)
        st = index_tokens(&list);
    if (!st) {
        *out = list;
        list = (struct token_list){NULL, 0, NULL};
    }
    tokens_release(&list);
    return st;
}

ward_status tokens_check_mode(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return ward_fail(WARD_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
    if (info.st_mode & 077)
        return ward_fail(WARD_ERR_IO, "others may use '%s': its mode must be 0600", path);
    return WARD_OK;
}

ward_status tokens_read(const char *path, struct token_list *out)
{
    uint8_t *text = NULL;
    size_t len;
    ward_status st = tokens_check_mode(path);

    if (!st)
        st = file_read(path, TOKENS_FILE_MAX, &text, &len);
    if (st)
        return st;
    st = tokens_parse((const char *)text, len, out);
    if (st == WARD_ERR_FORMAT)
        st = ward_fail_within(st, "'%s'", path);
    mem_free(text);
    return st;
}

static void digest_of(const char *text, size_t len, uint8_t digest[SHA256_LEN])
{
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, text, len);
    sha256_finish(&sha, digest);
    mem_wipe(&sha, sizeof sha);
}

const struct token *tokens_find(const struct token_list *list, const char *text, size_t len)
{
    struct token wanted, *key = &wanted, **found;

    if (len != TOKEN_TEXT_LEN || list->count == 0)
        return NULL;
    digest_of(text, len, wanted.digest);
    found = bsearch(&key, list->by_digest, list->count, sizeof key, compare_digests);
    return found ? *found : NULL;
}

void tokens_release(struct token_list *list)
{
    mem_free(list->items);
    mem_free(list->by_digest);
    *list = (struct token_list){NULL, 0, NULL};
}

/* ---- writing ---- */

static void write_limit(struct wr *wr, uint64_t limit)
{
    if (limit)
        wr_printf(wr, " %ju", (uintmax_t)limit);
    else
        wr_text(wr, " unlimited");
}

static void write_token(struct wr *wr, const struct token *token)
{
    char hex[2 * SHA256_LEN + 1];

    hex_encode(token->digest, SHA256_LEN, hex);
    wr_printf(wr, "token %s %s", hex, token->terms.user);
    write_limit(wr, token->terms.rate);
    write_limit(wr, token->terms.budget);
    write_limit(wr, token->terms.distinct);
    wr_printf(wr, " %s\n", token->terms.expires[0] ? token->terms.expires : "never");
}

/* All of the list but those with is_left_out set (which may be NULL), then one more unless NULL. */
static ward_status write_file(const char *path, const struct token_list *list,
                              const bool *is_left_out, const struct token *more)
{
    struct wr wr = WR_INIT;
    ward_status st;

    wr_text(&wr, version_line);
    for (size_t i = 0; i < list->count; i++)
        if (!is_left_out || !is_left_out[i])
            write_token(&wr, &list->items[i]);
    if (more)
        write_token(&wr, more);
    st = wr_finish(&wr);
    if (!st)
        st = file_write(path, wr.data, wr.len, FILE_SECRET | FILE_REPLACE);
    wr_release(&wr);
    return st;
}

/* Keeps other processes from changing the file until file_unlock(). A link would be replaced by a
 * file of its own, and whoever serves the one that it leads to would not hear of a change. */
static ward_status lock_folder(const char *path, int *lock)
{
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    struct stat info;
    ward_status st = slash == path ? mem_strdup(&folder, "/")
                     : slash       ? mem_printf(&folder, "%.*s", (int)(slash - path), path)
                                   : mem_strdup(&folder, ".");

    if (!st && lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        st =
            ward_fail(WARD_ERR_IO, "'%s' is a symbolic link: name the file that it leads to", path);
    if (!st)
        st = file_lock(folder, lock);
    mem_free(folder);
    return st;
}

static ward_status draw_token(struct token *token, char **text)
{
    uint8_t secret[SECRET_LEN];
    char hex[2 * SECRET_LEN + 1];
    ward_status st = key_random(secret, sizeof secret);

    if (!st) {
        hex_encode(secret, sizeof secret, hex);
        st = mem_printf(text, "%s%s", token_prefix, hex);
    }
    if (!st) {
        digest_of(*text, strlen(*text), token->digest);
        hex_encode(token->digest, WARD_TOKEN_ID_LEN / 2, token->terms.id);
    }
    mem_wipe(secret, sizeof secret);
    mem_wipe(hex, sizeof hex);
    return st;
}

ward_status ward_token_new(const char *path, const ward_token *terms, char **token)
{
    struct token_list list = {NULL, 0, NULL};
    struct token made = {.terms = *terms};
    char *text = NULL;
    int lock = -1;
    ward_status st = check_terms(terms);

    if (!st)
        st = lock_folder(path, &lock);
    if (!st && file_exists(path))
        st = tokens_read(path, &list);
    if (!st && list.count == TOKENS_MAX)
        st = ward_fail(WARD_ERR_ARG, "'%s' has %d tokens already", path, TOKENS_MAX);
    if (!st)
        st = draw_token(&made, &text);
    if (!st)
        st = write_file(path, &list, NULL, &made);
    if (!st) {
        *token = text;
        text = NULL;
    }
    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
    file_unlock(lock);
    tokens_release(&list);
    return st;
}

ward_status ward_token_list(const char *path, ward_token **out, size_t *count)
{
    struct token_list list = {NULL, 0, NULL};
    ward_token *tokens = NULL;
    ward_status st = tokens_read(path, &list);

    if (!st)
        st = mem_new(&tokens, list.count, sizeof *tokens);
    if (!st) {
        for (size_t i = 0; i < list.count; i++)
            tokens[i] = list.items[i].terms;
        *out = tokens;
        *count = list.count;
    }
    tokens_release(&list);
    return st;
}

void ward_tokens_free(ward_token *tokens)
{
    mem_free(tokens);
}

ward_status ward_token_revoke(const char *path, const char *id_or_user, size_t *count)
{
    struct token_list list = {NULL, 0, NULL};
    bool *is_revoked = NULL;
    size_t revoked = 0;
    int lock = -1;
    ward_status st = lock_folder(path, &lock);

    if (!st)
        st = tokens_read(path, &list);
    if (!st)
        st = mem_new(&is_revoked, list.count, sizeof *is_revoked);
    for (size_t i = 0; !st && i < list.count; i++) {
        is_revoked[i] = strcmp(list.items[i].terms.id, id_or_user) == 0 ||
                        strcmp(list.items[i].terms.user, id_or_user) == 0;
        revoked += is_revoked[i];
    }
    if (!st && revoked == 0)
        st = ward_fail(WARD_ERR_ARG, "'%s' has no token '%s', nor one of a user of that name", path,
                       id_or_user);
    if (!st)
        st = write_file(path, &list, is_revoked, NULL);
    if (!st)
        *count = revoked;
    mem_free(is_revoked);
    file_unlock(lock);
    tokens_release(&list);
    return st;
}
