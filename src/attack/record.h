/* Results of the red team, to and from JSON: docs/formats.md. */
#ifndef ATTACK_RECORD_H
#define ATTACK_RECORD_H

#include "attack/redteam.h"

/* Of suite v1: the next one wherever an attack, a budget or a draw changes what a cell measures. */
enum { SUITE_REVISION = 2 };

/* What a suite was done on: all strings are borrowed. */
struct record_subject {
    const char *model_id, *arch, *data, *device;
    ward_method method;
};

/* What is measured before any cell. */
struct record_facts {
    double authorised, unauthorised, chance; /* as in the verdict */
    double zero_gradients; /* share of images on which F's input gradient is all zero */
    double training;       /* images shown in the owner's training; NaN: not known */
    bool is_partial;       /* as in the verdict; not read from a text */
};

/* The verdict included; owned: mem_free(). */
WARD_CHECK ward_status record_to_json(const ward_redteam_result *result,
                                      const struct record_subject *subject,
                                      const struct record_facts *facts, int indent, char **out);

/*
 * The other way: fill in the cells of result that are done, append those that it has not, and set
 * facts. On input result has its settings and counts. WARD_ERR_EXISTS if the text is of another
 * subject or of other settings (which attacks, and how many trials, may differ); WARD_ERR_FORMAT if
 * it is not what this build writes. Messages are without a file's name.
 */
WARD_CHECK ward_status record_from_json(ward_redteam_result *result,
                                        const struct record_subject *subject,
                                        struct record_facts *facts, const char *text, size_t len);

/* Work out what the cells that are done come to. */
void verdict_make(const ward_redteam_result *result, const struct record_subject *subject,
                  const struct record_facts *facts, ward_redteam_verdict *out);

#endif
