/* Who may open a run, beside what ward/key.h has of it. */
#ifndef MODEL_RUN_KEYS_H
#define MODEL_RUN_KEYS_H

#include "key/grants.h"

/* Whom a run is sealed to besides its owner, and on what terms. */
struct run_users {
    struct grant_list list;
    struct terms terms;
};

/* out is all zero; grants_release() of its list. Errors as ward_run_grants(). */
WARD_CHECK ward_status run_users_read(const char *run, ward_keys *keys, struct run_users *out);

/*
 * As ward_run_seal() of a sealed run whose users were another's when it was begun: they get the
 * names, the days and the terms that they had there. Whoever is not on the other's list any more
 * loses this one as well, unless that list cannot be read now. Both are the owner's. A run that is
 * signed already keeps what its owner has given it since. Errors as ward_run_seal().
 */
WARD_CHECK ward_status run_seal_like(const char *run, const char *other,
                                     const struct run_users *users, ward_keys *keys);

#endif
