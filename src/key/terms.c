/* An expiry date and a use limit: see grants.h. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "key/grants.h"
#include "key/header.h"
#include "key/versions.h"

enum { COUNT_FILE_MAX = 32, LOCK_ATTEMPTS = 500, LOCK_PAUSE_NS = 10 * 1000 * 1000 };

static const char never[] = "never", unlimited[] = "unlimited";

ward_status terms_take(const ward_terms *given, struct terms *out)
{
    struct terms terms = {.uses = given->uses};

    if (given->uses > USES_MAX)
        return ward_fail(WARD_ERR_ARG, "a use limit is at most %d", USES_MAX);
    if (given->expires) {
        if (!date_is_right(given->expires, strlen(given->expires)))
            return ward_fail(WARD_ERR_ARG, "'%.32s' is no day like 2027-01-31", given->expires);
        memcpy(terms.expires, given->expires, sizeof terms.expires);
    }
    *out = terms;
    return WARD_OK;
}

bool terms_are_none(const struct terms *terms)
{
    return terms->uses == 0 && terms->expires[0] == '\0';
}

void terms_format(const struct terms *terms, char expires[TERM_TEXT_MAX], char uses[TERM_TEXT_MAX])
{
    snprintf(expires, TERM_TEXT_MAX, "%s", terms->expires[0] ? terms->expires : never);
    if (terms->uses > 0)
        snprintf(uses, TERM_TEXT_MAX, "%llu", (unsigned long long)terms->uses);
    else
        snprintf(uses, TERM_TEXT_MAX, "%s", unlimited);
}

static bool is(const char *at, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(at, text, len) == 0;
}

bool terms_parse(const char *expires, size_t expires_len, const char *uses, size_t uses_len,
                 struct terms *out)
{
    struct terms terms = {.uses = 0};

    if (!is(expires, expires_len, never)) {
        if (!date_is_right(expires, expires_len))
            return false;
        memcpy(terms.expires, expires, DATE_LEN);
    }
    if (!is(uses, uses_len, unlimited) &&
        (!word_number(uses, uses_len, USES_MAX, &terms.uses) || terms.uses == 0))
        return false;
    *out = terms;
    return true;
}

/* ---- signature ---- */

enum { SIGNED_MAX = 192 };

static size_t signed_text(const struct terms *terms, const char *id, char text[SIGNED_MAX])
{
    char expires[TERM_TEXT_MAX], uses[TERM_TEXT_MAX];

    terms_format(terms, expires, uses);
    return (size_t)snprintf(text, SIGNED_MAX, "%s/terms\n%.64s\n%s\n%s\n", SEAL_VERSION, id,
                            expires, uses);
}

ward_status terms_sign(const struct terms *terms, const char *id, const struct identity *owner,
                       uint8_t signature[SIGNATURE_LEN])
{
    char text[SIGNED_MAX];
    size_t len = signed_text(terms, id, text);

    return identity_sign(owner, text, len, signature);
}

bool terms_are_signed(const struct terms *terms, const char *id, const uint8_t ed25519[ED25519_LEN],
                      const uint8_t signature[SIGNATURE_LEN])
{
    char text[SIGNED_MAX];
    size_t len = signed_text(terms, id, text);

    return signature_is_right(ed25519, text, len, signature);
}

/* ---- keeping to them ---- */

ward_status terms_check_day(const struct terms *terms)
{
    char today[DATE_LEN + 1];

    date_today(today);
    if (terms->expires[0] && strcmp(today, terms->expires) > 0)
        return ward_fail(WARD_ERR_AUTH, "the right to use it has expired (%s)", terms->expires);
    return WARD_OK;
}

/* Another process holds the lock for a moment only. */
static ward_status lock_patiently(const char *folder, int *lock)
{
    const struct timespec pause = {0, LOCK_PAUSE_NS};
    ward_status st = file_lock(folder, lock);

    for (int i = 0; i < LOCK_ATTEMPTS && st == WARD_ERR_BUSY; i++) {
        nanosleep(&pause, NULL);
        st = file_lock(folder, lock);
    }
    return st;
}

static ward_status read_count(const char *path, uint64_t *out)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st;

    *out = 0;
    if (!file_exists(path))
        return WARD_OK;
    st = file_read(path, COUNT_FILE_MAX, &data, &len);
    if (!st && (len < 2 || data[len - 1] != '\n' ||
                !word_number((const char *)data, len - 1, USES_MAX, out)))
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is no count of uses", path);
    mem_free(data);
    return st;
}

static ward_status count_one(const struct terms *terms, const char *path)
{
    char text[COUNT_FILE_MAX];
    uint64_t used = 0;
    int len;
    ward_status st = read_count(path, &used);

    if (!st && used >= terms->uses)
        st = ward_fail(WARD_ERR_AUTH, "it has been used %llu times, as often as allowed",
                       (unsigned long long)terms->uses);
    if (st)
        return st;
    len = snprintf(text, sizeof text, "%llu\n", (unsigned long long)used + 1);
    return file_write(path, text, (size_t)len, FILE_SECRET | FILE_REPLACE);
}

ward_status terms_count_use(const struct terms *terms, const char *id)
{
    char *folder = NULL, *path = NULL;
    int lock = -1;
    ward_status st;

    if (terms->uses == 0)
        return WARD_OK;
    st = file_user_path(&folder, "uses");
    if (!st)
        st = file_make_directory(folder);
    if (!st)
        st = lock_patiently(folder, &lock);
    if (!st)
        st = file_join(&path, folder, id);
    if (!st)
        st = count_one(terms, path);
    file_unlock(lock);
    mem_free(path);
    mem_free(folder);
    return st;
}
