/* What a training makes of a lock key: docs/formats.md, section 2.3. */
#ifndef TRAIN_LOCK_H
#define TRAIN_LOCK_H

#include "model/run_dir.h"
#include "nn/net.h"
#include "protect/transform.h"

/*
 * Note in the settings which lock key it is, if one is given.
 *
 *   lock        whose first key file is the lock key; NULL: none
 *   config      resolved; the fingerprint becomes its own
 *   is_resumed  it is a run's that is there: then it names a lock key, or there must be none
 *
 * WARD_ERR_ARG if the settings go with no lock key; WARD_ERR_AUTH if it cannot be opened, is no
 * lock key, or is another than the settings name; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status lock_note(ward_keys *lock, struct run_config *config, bool is_resumed);

/*
 * The key of the transform for a network that is trained with settings, of which this is the
 * digest (settings_digest()). WARD_ERR_AUTH as above, or if lock is NULL, for settings that name a
 * lock key.
 */
WARD_CHECK ward_status lock_derive(ward_keys *lock, const struct net_spec *net,
                                   const char *settings, uint8_t key[TRANSFORM_SEED_LEN]);

#endif
