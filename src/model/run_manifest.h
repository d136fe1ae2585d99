/*
 * A run's manifest.ward: which files its owner vouches for. The text and its signature are
 * key/manifest.h's.
 */
#ifndef MODEL_RUN_MANIFEST_H
#define MODEL_RUN_MANIFEST_H

#include "key/identity.h"
#include "model/run_dir.h"

/* Sign what is there now; replaces an earlier manifest. The run must have a model. */
WARD_CHECK ward_status run_manifest_sign(const struct run_dir *dir, const struct identity *owner);

/* WARD_ERR_ARG names a file that would have to be signed, if its name is one that no manifest can
 * have. */
WARD_CHECK ward_status run_manifest_check_names(const struct run_dir *dir);

/*
 * Before anything is signed again: that all is as the owner signed it last; nothing to say where no
 * manifest is. WARD_ERR_AUTH if it is not, as somebody may have exchanged files or added users.
 * Where the transform has just been handed over to him, `former` is who owned it before, else NULL:
 * a manifest of his still has to fit all other files.
 */
WARD_CHECK ward_status run_manifest_check(const struct run_dir *dir, const struct identity *owner,
                                          const struct identity *former);

#endif
