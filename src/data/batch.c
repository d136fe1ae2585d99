#include "data/batch.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "data/dataset.h"

static const struct part *split_part(const struct split *split)
{
    return &split->data->part[split->kind == WARD_SPLIT_TEST ? WARD_SPLIT_TEST : WARD_SPLIT_TRAIN];
}

/* Marks held_out of the n training images. */
static ward_status choose_held_out(uint8_t *is_held, uint32_t n, size_t held_out, uint64_t seed)
{
    uint32_t *order = NULL;
    struct rng rng;
    ward_status st;

    st = mem_new(&order, n, sizeof *order);
    if (st)
        return st;
    rng_init(&rng, seed, RNG_SPLIT, 0, 0);
    rng_permutation(&rng, n, order);
    for (size_t i = 0; i < held_out; i++)
        is_held[order[i]] = 1;
    mem_free(order);
    return WARD_OK;
}

/* Lists in ascending order the training images that are held out, or those that are not. */
static ward_status list_index(struct split *split, uint64_t seed, size_t held_out)
{
    uint32_t n = (uint32_t)split_part(split)->count, at = 0;
    bool want = split->kind == WARD_SPLIT_VALIDATION;
    uint8_t *is_held = NULL;
    ward_status st;

    st = mem_new(&is_held, n, 1);
    if (!st)
        st = choose_held_out(is_held, n, held_out, seed);
    if (!st)
        st = mem_new(&split->index, split->count, sizeof *split->index);
    for (uint32_t i = 0; !st && i < n; i++)
        if ((is_held[i] != 0) == want)
            split->index[at++] = i;
    mem_free(is_held);
    return st;
}

ward_status split_init(struct split *out, const ward_dataset *data, ward_split kind, uint64_t seed,
                       size_t held_out)
{
    struct split split = {data, kind, NULL, 0};
    size_t n = split_part(&split)->count;
    ward_status st = WARD_OK;

    if (kind == WARD_SPLIT_TEST) {
        split.count = (uint32_t)n;
    } else {
        if (held_out >= n)
            return ward_fail(WARD_ERR_ARG, "cannot hold out %zu of %zu training images", held_out,
                             n);
        if (kind == WARD_SPLIT_VALIDATION && held_out == 0)
            return ward_fail(WARD_ERR_ARG, "no images are held out for validation");
        split.count = (uint32_t)(kind == WARD_SPLIT_VALIDATION ? held_out : n - held_out);
        if (held_out > 0)
            st = list_index(&split, seed, held_out);
    }
    if (!st)
        *out = split;
    return st;
}

/* ---- shares ---- */

enum { MAX_CHOICE = 4000 };

/* Draws of their own: step 0 says which images are held out for validation. */
enum { SHARE_STEP = 1 };

/* Where a share lies in a permutation of n images: the adversary's choices, his pool, the rest. */
static void share_range(enum share share, uint32_t n, uint32_t *first, uint32_t *count)
{
    uint32_t choice = (uint32_t)min_size(n / 10, MAX_CHOICE), pool = n / 4;

    *first = share == SHARE_CHOICE ? 0 : share == SHARE_POOL ? choice : choice + pool;
    *count = share == SHARE_CHOICE ? choice : share == SHARE_POOL ? pool : n - choice - pool;
}

static int compare_places(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

ward_status split_share(struct split *out, const ward_dataset *data, enum share share,
                        uint64_t seed)
{
    struct split split = {data, WARD_SPLIT_TRAIN, NULL, 0};
    uint32_t n = (uint32_t)split_part(&split)->count, first;
    struct rng rng;
    ward_status st;

    share_range(share, n, &first, &split.count);
    if (split.count == 0)
        return ward_fail(WARD_ERR_ARG, "%u training images are too few to be divided", n);
    st = mem_new(&split.index, n, sizeof *split.index);
    if (st)
        return st;
    rng_init(&rng, seed, RNG_SPLIT, SHARE_STEP, 0);
    rng_permutation(&rng, n, split.index);
    memmove(split.index, split.index + first, split.count * sizeof *split.index);
    qsort(split.index, split.count, sizeof *split.index, compare_places);
    *out = split;
    return WARD_OK;
}

void split_release(struct split *split)
{
    if (!split)
        return;
    mem_free(split->index);
    *split = (struct split){.data = NULL};
}

/* Where in the stored image the input is cut out, and whether it is mirrored. */
struct cut {
    unsigned top, left;
    bool flip;
};

static struct cut centre(const ward_input *in)
{
    struct cut cut = {(in->stored_height - in->height) / 2, (in->stored_width - in->width) / 2,
                      false};

    return cut;
}

/* All three numbers are always drawn, so that one setting does not change another's draws. */
static struct cut draw_cut(const struct batch_source *source, uint64_t step, uint32_t row)
{
    const ward_input *in = &source->split->data->info.input;
    struct cut cut = centre(in);
    unsigned top, left;
    struct rng rng;

    rng_init(&rng, source->seed, RNG_AUGMENT, step, row);
    top = rng_below(&rng, in->stored_height - in->height + 1);
    left = rng_below(&rng, in->stored_width - in->width + 1);
    cut.flip = rng_below(&rng, 2) && source->random_flip;
    if (source->random_crop) {
        cut.top = top;
        cut.left = left;
    }
    return cut;
}

static void copy_image(const struct split *split, uint32_t at, struct cut cut, float *x)
{
    const ward_dataset *data = split->data;
    const ward_input *in = &data->info.input;
    size_t plane = (size_t)in->stored_height * in->stored_width;
    const uint8_t *pixels = split_part(split)->pixels + at * plane * in->channels;

    for (unsigned c = 0; c < in->channels; c++)
        for (unsigned row = 0; row < in->height; row++) {
            const uint8_t *from =
                pixels + c * plane + (size_t)(cut.top + row) * in->stored_width + cut.left;

            for (unsigned i = 0; i < in->width; i++)
                *x++ = data->value[from[cut.flip ? in->width - 1 - i : i]];
        }
}

static size_t input_len(const struct split *split)
{
    const ward_input *in = &split->data->info.input;

    return (size_t)in->channels * in->height * in->width;
}

static uint32_t stored_at(const struct split *split, uint32_t i)
{
    return split->index ? split->index[i] : i;
}

ward_status batch_read(const struct split *split, size_t first, size_t count, float *x, int32_t *y)
{
    struct cut cut = centre(&split->data->info.input);

    if (first > split->count || count > split->count - first)
        return ward_fail(WARD_ERR_ARG, "images %zu to %zu of %u were asked for", first,
                         first + count, split->count);
    for (size_t i = 0; i < count; i++) {
        uint32_t at = stored_at(split, (uint32_t)(first + i));

        if (x)
            copy_image(split, at, cut, x + i * input_len(split));
        if (y)
            y[i] = split_part(split)->labels[at];
    }
    return WARD_OK;
}

ward_status epoch_order_init(struct epoch_order *order, const struct split *split)
{
    uint32_t *block = NULL;
    ward_status st = mem_new(&block, split->count, sizeof *block);

    if (!st)
        *order = (struct epoch_order){block, UINT64_MAX};
    return st;
}

void epoch_order_release(struct epoch_order *order)
{
    if (!order)
        return;
    mem_free(order->order);
    *order = (struct epoch_order){NULL, UINT64_MAX};
}

void batch_make(const struct batch_source *source, struct epoch_order *order, uint64_t step,
                float *x, int32_t *y)
{
    const struct split *split = source->split;

    for (uint32_t row = 0; row < source->batch; row++) {
        uint64_t k = step * source->batch + row;
        uint64_t epoch = k / split->count;
        uint32_t at;

        if (order->epoch != epoch) {
            struct rng rng;

            rng_init(&rng, source->seed, RNG_SHUFFLE, epoch, 0);
            rng_permutation(&rng, split->count, order->order);
            order->epoch = epoch;
        }
        at = stored_at(split, order->order[k % split->count]);
        copy_image(split, at, draw_cut(source, step, row), x + row * input_len(split));
        y[row] = split_part(split)->labels[at];
    }
}
