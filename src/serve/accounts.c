/* See accounts.h. */
#include "serve/accounts.h"

#include <math.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "serve/meter.h"

enum { DAY = 24 * 60 * 60 };

struct account {
    char user[WARD_TOKEN_USER_MAX + 1];
    double debt; /* images that the rate has not paid for yet, at `debt_at` */
    double debt_at;
    int64_t day;   /* since 1970, of `used` */
    uint64_t used; /* images on that day */
    struct meter meter;
};

struct accounts {
    pthread_mutex_t lock;
    struct account **items; /* ascending by user; owned */
    size_t count, room;
    char *folder; /* NULL: no meters; owned */
    int folder_lock;
};

ward_status accounts_new(struct accounts **out, const char *meter)
{
    struct accounts *accounts = NULL;
    ward_status st = mem_new(&accounts, 1, sizeof *accounts);

    if (st)
        return st;
    pthread_mutex_init(&accounts->lock, NULL);
    accounts->folder_lock = -1;
    if (meter)
        st = file_make_directory(meter);
    if (!st && meter)
        st = file_lock(meter, &accounts->folder_lock);
    if (!st && meter)
        st = mem_strdup(&accounts->folder, meter);
    if (st)
        accounts_free(accounts);
    else
        *out = accounts;
    return st;
}

void accounts_free(struct accounts *accounts)
{
    if (!accounts)
        return;
    for (size_t i = 0; i < accounts->count; i++) {
        meter_close(&accounts->items[i]->meter);
        mem_free(accounts->items[i]);
    }
    pthread_mutex_destroy(&accounts->lock);
    file_unlock(accounts->folder_lock);
    mem_free(accounts->items);
    mem_free(accounts->folder);
    mem_free(accounts);
}

static int64_t today(void)
{
    return (int64_t)time(NULL) / DAY;
}

/* The user's place, or where it belongs. */
static size_t place_of(const struct accounts *accounts, const char *user)
{
    size_t low = 0, high = accounts->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(accounts->items[middle]->user, user) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static ward_status insert(struct accounts *accounts, const char *user, size_t place)
{
    struct account *account = NULL;
    ward_status st = WARD_OK;

    if (accounts->count == accounts->room) {
        size_t wider = accounts->room ? 2 * accounts->room : 16;

        st = mem_resize(&accounts->items, accounts->room, wider, sizeof *accounts->items);
        if (st)
            return st;
        accounts->room = wider;
    }
    st = mem_new(&account, 1, sizeof *account);
    if (st)
        return st;
    memcpy(account->user, user, strlen(user));
    account->day = today();
    memmove(accounts->items + place + 1, accounts->items + place,
            (accounts->count - place) * sizeof *accounts->items);
    accounts->items[place] = account;
    accounts->count++;
    return WARD_OK;
}

/* The user's account of today, made if there is none. */
static ward_status account_of(struct accounts *accounts, const char *user, struct account **out)
{
    size_t place = place_of(accounts, user);
    ward_status st = WARD_OK;

    if (place == accounts->count || strcmp(accounts->items[place]->user, user) != 0)
        st = insert(accounts, user, place);
    if (st)
        return st;
    *out = accounts->items[place];
    if ((*out)->day != today()) {
        (*out)->day = today();
        (*out)->used = 0;
    }
    return WARD_OK;
}

static bool is_too_fast(struct account *account, const ward_token *terms, unsigned *wait)
{
    double now = clock_seconds();

    account->debt = fmax(0, account->debt - (now - account->debt_at) * (double)terms->rate);
    account->debt_at = now;
    if (account->debt <= 0)
        return false;
    *wait = (unsigned)fmin(ceil(account->debt / (double)terms->rate), DAY);
    return true;
}

static enum account_verdict charge_meter(struct accounts *accounts, struct account *account,
                                         const ward_token *terms, size_t count, const void *images,
                                         size_t len)
{
    bool is_full = false;
    char *name = NULL, *path = NULL;
    ward_status st = WARD_OK;

    if (!account->meter.slots) {
        st = mem_printf(&name, "%s.meter", account->user);
        if (!st)
            st = file_join(&path, accounts->folder, name);
        if (!st)
            st = meter_open(&account->meter, path);
        mem_free(name);
        mem_free(path);
    }
    if (!st)
        st = meter_add(&account->meter, count, images, len, terms->distinct, &is_full);
    return st ? ACCOUNT_BROKEN : is_full ? ACCOUNT_EXHAUSTED : ACCOUNT_FINE;
}

static enum account_verdict charge(struct accounts *accounts, const ward_token *terms, size_t count,
                                   const void *images, size_t len, unsigned *wait, int64_t *day)
{
    struct account *account = NULL;

    if (account_of(accounts, terms->user, &account))
        return ACCOUNT_BROKEN;
    if (terms->budget && account->used + count > terms->budget) {
        *wait = (unsigned)(DAY - (int64_t)time(NULL) % DAY);
        return ACCOUNT_SPENT;
    }
    if (terms->rate && is_too_fast(account, terms, wait))
        return ACCOUNT_TOO_FAST;
    if (accounts->folder) {
        enum account_verdict verdict = charge_meter(accounts, account, terms, count, images, len);

        if (verdict != ACCOUNT_FINE)
            return verdict;
    }
    account->used += count;
    *day = account->day;
    if (terms->rate)
        account->debt += (double)count;
    return ACCOUNT_FINE;
}

enum account_verdict accounts_charge(struct accounts *accounts, const ward_token *terms,
                                     size_t count, const void *images, size_t len, unsigned *wait,
                                     int64_t *day)
{
    enum account_verdict verdict;

    pthread_mutex_lock(&accounts->lock);
    verdict = charge(accounts, terms, count, images, len, wait, day);
    pthread_mutex_unlock(&accounts->lock);
    return verdict;
}

void accounts_refund(struct accounts *accounts, const char *user, size_t count, int64_t day)
{
    size_t place;

    pthread_mutex_lock(&accounts->lock);
    place = place_of(accounts, user);
    if (place < accounts->count && strcmp(accounts->items[place]->user, user) == 0) {
        struct account *account = accounts->items[place];

        if (account->day == day)
            account->used -= min_size(count, account->used);
        account->debt = fmax(0, account->debt - (double)count);
    }
    pthread_mutex_unlock(&accounts->lock);
}

ward_status accounts_add(struct accounts *accounts, const char *user, uint64_t count)
{
    struct account *account = NULL;
    ward_status st;

    pthread_mutex_lock(&accounts->lock);
    st = account_of(accounts, user, &account);
    if (!st)
        account->used += count;
    pthread_mutex_unlock(&accounts->lock);
    return st;
}

/* Requests are charged while a disk takes its time. An account that comes in between moves others
 * up by a place, so none is missed. */
void accounts_sync(struct accounts *accounts)
{
    bool is_there = true;

    for (size_t i = 0; is_there; i++) {
        int fd = -1;

        pthread_mutex_lock(&accounts->lock);
        is_there = i < accounts->count;
        if (is_there)
            fd = meter_take_unsynced(&accounts->items[i]->meter);
        pthread_mutex_unlock(&accounts->lock);
        if (fd >= 0) {
            fdatasync(fd);
            close(fd);
        }
    }
}
