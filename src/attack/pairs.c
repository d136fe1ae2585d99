/* Pairs of raw and processed training images: see attack.h. */
#include <math.h>

#include "attack/attack.h"
#include "base/mem.h"
#include "base/util.h"
#include "model/run.h"

enum { BATCH = 128 };

struct pairs {
    const struct split *raw;
    ward_session *session; /* G */
};

size_t pairs_count(double share, size_t images)
{
    size_t count = (size_t)llround(share * (double)images);

    return max_size(2, min_size(count, images));
}

ward_status pairs_choose(struct split *out, const ward_dataset *data, size_t count, uint64_t seed)
{
    struct split split = {data, WARD_SPLIT_TRAIN, NULL, (uint32_t)count};
    uint32_t all = (uint32_t)ward_dataset_get_info(data)->train_count;
    struct rng rng;
    ward_status st;

    if (count < 1 || count > all)
        return ward_fail(WARD_ERR_ARG, "'%s' has %u training images, too few for %zu pairs",
                         ward_dataset_get_info(data)->name, all, count);
    st = mem_new(&split.index, all, sizeof *split.index);
    if (st)
        return st;
    rng_init(&rng, seed, RNG_SPLIT, 0, 0);
    rng_permutation(&rng, all, split.index);
    *out = split;
    return WARD_OK;
}

ward_status pairs_open(struct pairs **out, const ward_run *run, ward_device *device,
                       const struct split *raw)
{
    struct pairs *pairs = NULL;
    ward_status st = mem_new(&pairs, 1, sizeof *pairs);

    if (st)
        return st;
    pairs->raw = raw;
    st = ward_session_new(&pairs->session, run, device, min_size(raw->count, BATCH));
    if (st)
        pairs_close(pairs);
    else
        *out = pairs;
    return st;
}

void pairs_close(struct pairs *pairs)
{
    if (!pairs)
        return;
    ward_session_free(pairs->session);
    mem_free(pairs);
}

const struct split *pairs_raw(const struct pairs *pairs)
{
    return pairs->raw;
}

ward_status pairs_process(struct pairs *pairs, size_t n, const float *x, float *y)
{
    return session_run(pairs->session, PASS_TRANSFORM, n, x, y);
}
