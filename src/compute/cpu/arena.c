/*
 * One block of memory for all buffers of a plan. Largest first, each at the lowest place where it
 * meets no buffer that is alive at the same time: not optimal, but easy to see through.
 */
#include "base/mem.h"
#include "compute/cpu/cpu.h"

static bool overlap(const struct buffer *a, const struct buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static size_t padded(size_t len)
{
    return (len + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* The lowest offset at which buffer b meets none of the `count` placed ones (in `order`). */
static size_t lowest_place(const struct buffer *buffers, const size_t *offsets, const size_t *order,
                           size_t count, size_t b)
{
    size_t at = 0;
    bool moved = true;

    while (moved) {
        moved = false;
        for (size_t i = 0; i < count; i++) {
            const struct buffer *other = &buffers[order[i]];
            size_t begin = offsets[order[i]], end = begin + padded(other->len);

            if (overlap(other, &buffers[b]) && at < end && begin < at + padded(buffers[b].len)) {
                at = end;
                moved = true;
            }
        }
    }
    return at;
}

ward_status arena_place(const struct buffer *buffers, size_t count, size_t *offsets, size_t *total)
{
    size_t *order = NULL, placed = 0;
    ward_status st = mem_new(&order, count, sizeof *order);

    if (st)
        return st;
    *total = 0;
    for (size_t i = 0; i < count; i++) { /* insertion into descending length */
        size_t at = placed;

        if (!buffers[i].is_used)
            continue;
        for (; at > 0 && buffers[order[at - 1]].len < buffers[i].len; at--)
            order[at] = order[at - 1];
        order[at] = i;
        placed++;
    }
    for (size_t i = 0; i < placed; i++) {
        size_t b = order[i];

        offsets[b] = lowest_place(buffers, offsets, order, i, b);
        if (offsets[b] + padded(buffers[b].len) > *total)
            *total = offsets[b] + padded(buffers[b].len);
    }
    mem_free(order);
    return WARD_OK;
}
