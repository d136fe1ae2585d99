/* Settings of a training: their ranges, and what they come to for a data set. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include "nn/net.h"
#include "nn/sgd.h"
#include "protect/objective.h"
#include "protect/transform.h"
#include "train/origin.h"
#include "ward/data.h"
#include "ward/train.h"

/* WARD_ERR_ARG names the first setting that is out of range. What only the network, the transform
 * or the data can tell is checked there. */
WARD_CHECK ward_status settings_check(const ward_train_config *config);

/* Fill in what depends on the data set or another setting: the width of the generator; no warm-up
 * with objective chance. */
void settings_resolve(ward_train_config *config, const ward_dataset_info *data);

/*
 * WARD_ERR_ARG names the first setting in which two resolved configurations differ; how often a
 * checkpoint is written may. A secret seed counts only if `given` has one.
 */
WARD_CHECK ward_status settings_match(const ward_train_config *given,
                                      const ward_train_config *stored);

/*
 * The SHA-256, in hex, of what resolved settings say about what is learned (docs/formats.md,
 * section 2.3): equal for two trainings that make the same of the same lock key. The digests of
 * `from` and of the teacher must be known.
 */
WARD_CHECK ward_status settings_digest(const ward_train_config *config,
                                       const ward_dataset_info *data,
                                       char digest[ORIGIN_DIGEST_LEN + 1]);

/* The network, the transform (not for a baseline) and the objective that checked settings name. */
void settings_net(const ward_train_config *config, const ward_dataset_info *data,
                  struct net_spec *out);
void settings_transform(const ward_train_config *config, const ward_dataset_info *data,
                        struct transform_spec *out);
void settings_objective(const ward_train_config *config, struct objective_config *out);
/* How F (sgd) and the transform (group) are updated in a step of a rate. */
void settings_sgd(const ward_train_config *config, double rate, struct sgd_config *sgd,
                  struct sgd_group *group);

#endif
