/*
 * Settings of a training as a page shows them. Two trainings of one data set, architecture and
 * method differ in their seeds at most, and in what has no influence, if their labels are equal.
 * The secret seed is left behind here: what comes out of settings_read() may be shown to everyone.
 */
#ifndef REPORT_SETTINGS_H
#define REPORT_SETTINGS_H

#include "base/bytes.h"
#include "base/json.h"
#include "model/run_dir.h"

struct settings {
    json_t *all;   /* every setting but the secret seed; an object; owned */
    uint64_t seed; /* the public one */
    ward_method method;
    char *changes; /* what differs from the recipe, as options: "--rate 0.1 --gamma 0"; owned */
    char *label;   /* "fast", or "fast --rate 0.1"; owned */
    char *command; /* the command line up to the seed: "ward train --data ..."; owned */
};

/* Of a run whose images have so many channels. *out is all zero. */
WARD_CHECK ward_status settings_read(struct settings *out, const struct run_dir *dir,
                                     size_t channels);
/* "fast" */
const char *settings_recipe(const struct settings *settings);
/* All zero is fine. */
void settings_release(struct settings *settings);

#endif
