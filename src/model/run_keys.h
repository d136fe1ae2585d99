/* Who may open a run, beside what ward/key.h has of it. */
#ifndef MODEL_RUN_KEYS_H
#define MODEL_RUN_KEYS_H

#include "ward/key.h"

/*
 * As ward_run_seal() of a sealed run whose users all are another's, too: they get the names, the
 * days and the terms that they have there. Both are the owner's. Errors as ward_run_seal().
 */
WARD_CHECK ward_status run_seal_like(const char *run, const char *other, ward_keys *keys);

#endif
