/* What of the settings changes with the step: the learning rate, and what raw images are for. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "ward/train.h"

/*
 * The rate of F in a step, counted from 0; step < config->iterations.
 *
 *   step      rate / 10^floor(step / rate_drop_every): with 10,000 the steps 0 .. 9,999 take the
 *             full rate and step 10,000, the 10,001st iteration, is the first to take a tenth
 *   onecycle  with w = round(warmup * iterations): rate * (step + 1) / w while step < w, then
 *             rate * (1 + cos(pi * (step - w) / (iterations - w))) / 2
 */
double schedule_rate(const ward_train_config *config, uint64_t step);

/* Whether this step is one of the first raw_warmup * iterations. */
bool schedule_warms_raw(const ward_train_config *config, uint64_t step);

#endif
