/*
 * What each user has used: images a second and a day against the limits of the token, and, of a
 * server that hands out x_p, different images. Any thread.
 */
#ifndef SERVE_ACCOUNTS_H
#define SERVE_ACCOUNTS_H

#include "base/status.h"
#include "ward/serve.h"

struct accounts;

enum account_verdict {
    ACCOUNT_FINE,
    ACCOUNT_TOO_FAST,  /* over the rate */
    ACCOUNT_SPENT,     /* over the day's budget */
    ACCOUNT_EXHAUSTED, /* over the number of different images, for good */
    ACCOUNT_BROKEN     /* the meter's file cannot be read or written: ward_error_message() */
};

/*
 * meter: folder for the count of different images, made if it is not there; NULL: they are not
 * counted. Nobody else may count there meanwhile: WARD_ERR_BUSY. Owned: accounts_free().
 */
WARD_CHECK ward_status accounts_new(struct accounts **out, const char *meter);
void accounts_free(struct accounts *accounts);

/*
 * Charge a user with count images of len bytes each, all of them or none.
 *
 *   terms   the limits that hold
 *   images  for the meter; may be NULL without one
 *   wait    receives how many seconds to wait after ACCOUNT_TOO_FAST and ACCOUNT_SPENT
 *   day     receives after ACCOUNT_FINE on whose budget the charge is: for accounts_refund()
 *
 * A rate may be overdrawn by one request, whatever its size, and is then waited for.
 */
enum account_verdict accounts_charge(struct accounts *accounts, const ward_token *terms,
                                     size_t count, const void *images, size_t len, unsigned *wait,
                                     int64_t *day);
/* Take a charge back that was not served; different images stay counted. */
void accounts_refund(struct accounts *accounts, const char *user, size_t count, int64_t day);
/* What a user had used today before this process started. */
WARD_CHECK ward_status accounts_add(struct accounts *accounts, const char *user, uint64_t count);
/* Bring the meters to the disk; a power failure costs what came after the last call. */
void accounts_sync(struct accounts *accounts);

#endif
