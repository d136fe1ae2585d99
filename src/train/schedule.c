/* Learning rates: see schedule.h. */
#include "train/schedule.h"

#include <assert.h>
#include <math.h>

static const double pi = 3.14159265358979323846;

/* Division, not a power of 0.1, so that the rates are the ones that are printed. */
static double step_rate(const ward_train_config *config, uint64_t step)
{
    double rate = config->rate;

    for (uint64_t drops = step / config->rate_drop_every; drops > 0 && rate > 0; drops--)
        rate /= 10;
    return rate;
}

static double onecycle_rate(const ward_train_config *config, uint64_t step)
{
    uint64_t warm = (uint64_t)llround(config->warmup * (double)config->iterations);

    if (step < warm)
        return config->rate * (double)(step + 1) / (double)warm;
    return config->rate *
           (1 + cos(pi * (double)(step - warm) / (double)(config->iterations - warm))) / 2;
}

bool schedule_warms_raw(const ward_train_config *config, uint64_t step)
{
    return (double)step < config->raw_warmup * (double)config->iterations;
}

double schedule_rate(const ward_train_config *config, uint64_t step)
{
    assert(step < config->iterations);
    return config->schedule == WARD_SCHEDULE_STEP ? step_rate(config, step)
                                                  : onecycle_rate(config, step);
}
