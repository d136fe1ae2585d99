/*
 * One attack on one run under way:
 *
 *   campaign.c  everything around the trials: settings, the file, the accuracies to compare with
 *   workers.c   the trials, side by side
 *   result.c    what is known of an attack, as numbers and as JSON text
 */
#ifndef ATTACK_CAMPAIGN_H
#define ATTACK_CAMPAIGN_H

#include "attack/attack.h"

enum { ATTACK_MAX_TRIALS = 100000 };

/* What an attack is made against: all strings are borrowed. */
struct subject {
    const char *model_id, *arch, *data, *device;
    ward_method method;
    size_t count, classes; /* test images; classes */
};

struct campaign {
    const ward_run *run;
    ward_device *device;
    const ward_dataset *data;
    const ward_attack_options *options;
    const struct attack *attack;
    struct subject subject;
    char *path;                /* of its file; NULL: none */
    int lock;                  /* of the directory; -1: none */
    ward_attack_result result; /* of the trials that are finished, in order of their numbers */
};

/* The seed of a trial's draws: below 2^53, so that every reader of JSON gets it whole. */
uint64_t trial_seed(uint64_t seed, uint64_t number);
void trial_release(ward_attack_trial *trial);

/* Whether a trial is finished. */
bool result_has(const ward_attack_result *result, uint64_t number);
/* Put in a trial that is not there yet; on success it is the result's. */
WARD_CHECK ward_status result_add(ward_attack_result *result, ward_attack_trial *trial);
/* Leave out trials from a number on. */
void result_cut(ward_attack_result *result, uint64_t number);
/* Work out mean, sd, best and chosen; there is at least one trial. */
void result_finish(ward_attack_result *result);

/* The text of docs/formats.md, section 6, owned: mem_free(). For a finished result. */
WARD_CHECK ward_status result_to_json(const ward_attack_result *result,
                                      const struct subject *subject, int indent, char **out);
/*
 * The other way. On input result has the settings and the number of pairs that are expected, and
 * no trials; on success it has what the text says of trials and accuracies. WARD_ERR_EXISTS if the
 * text is of another subject or of other settings (their number of trials may differ);
 * WARD_ERR_FORMAT if it is not what this build writes. Messages are without a file's name.
 */
WARD_CHECK ward_status result_from_json(ward_attack_result *result, const struct subject *subject,
                                        const char *text, size_t len);

/*
 * Make all trials of result.settings that are not finished, and write the file after each. Stopped
 * or failed, finished ones are kept.
 */
WARD_CHECK ward_status campaign_work(struct campaign *c);
/* Write the file, if there is one. */
WARD_CHECK ward_status campaign_save(struct campaign *c);

#endif
