/*
 * What takes every stride-th pixel: the parameter-free shortcut, and the pixels of blocks that
 * become channels. All go between a fine value with few channels and a coarse one with many.
 */
#include "compute/cpu/cpu.h"

#include <string.h>

#include "base/parallel.h"
#include "base/util.h"

struct strided {
    const struct value *fine, *coarse;
    size_t stride;
    const float *from;
    float *to;
    bool is_to_fine;
};

static size_t value_at(const struct value *v, size_t n, size_t c, size_t pixel)
{
    size_t hw = v->dims.h * v->dims.w;

    return ((n * (v->dims.c / v->lanes) + c / v->lanes) * hw + pixel) * v->lanes + c % v->lanes;
}

/* A run of channels that lie side by side in both layouts, of all pixels of the coarse value;
 * `fine` and `coarse` are where its first one lies. */
static void copy_run(const struct strided *j, size_t fine, size_t coarse, size_t run)
{
    const struct dims *in = &j->fine->dims, *out = &j->coarse->dims;

    for (size_t oh = 0; oh < out->h; oh++)
        for (size_t ow = 0; ow < out->w; ow++) {
            size_t f = fine + (oh * in->w + ow) * j->stride * j->fine->lanes;
            size_t c = coarse + (oh * out->w + ow) * j->coarse->lanes;
            float *to = j->to + (j->is_to_fine ? f : c);
            const float *from = j->from + (j->is_to_fine ? c : f);

            if (run == 8) /* the usual cases: a constant size spares a call */
                memcpy(to, from, 8 * sizeof *to);
            else if (run == 1)
                *to = *from;
            else
                memcpy(to, from, run * sizeof *to);
        }
}

/* All channels of the fine value of image n, from one pixel on, are those of the coarse one from
 * `first` on. */
static void copy_channels(const struct strided *j, size_t n, size_t pixel, size_t first)
{
    size_t channels = j->fine->dims.c;

    for (size_t c = 0, run; c < channels; c += run) {
        run = min_size(j->fine->lanes - c % j->fine->lanes,
                       j->coarse->lanes - (c + first) % j->coarse->lanes);
        run = min_size(run, channels - c);
        copy_run(j, value_at(j->fine, n, c, pixel), value_at(j->coarse, n, c + first, 0), run);
    }
}

/* ---- the shortcut ---- */

static void shortcut_rows(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct strided *j = context;
    const struct dims *in = &j->fine->dims, *out = &j->coarse->dims;
    size_t image = (j->is_to_fine ? j->fine : j->coarse)->len / in->n;

    (void)thread;
    for (size_t n = begin; n < end; n++) {
        memset(j->to + n * image, 0, image * sizeof *j->to);
        copy_channels(j, n, 0, (out->c - in->c) / 2);
    }
}

ward_status shortcut_step_forward(struct cpu_plan *p, struct step *s)
{
    struct strided job = {&p->values[s->in[0]],  &p->values[s->out],  s->desc->stride,
                          value_of(p, s->in[0]), value_of(p, s->out), false};

    parallel_for(job.fine->dims.n, shortcut_rows, &job);
    return WARD_OK;
}

ward_status shortcut_step_backward(struct cpu_plan *p, struct step *s)
{
    struct strided job = {&p->values[s->in[0]], &p->values[s->out], s->desc->stride,
                          dy_of(p, s),          dx_of(p, s, 0),     true};

    parallel_for(job.fine->dims.n, shortcut_rows, &job);
    return WARD_OK;
}

/* ---- blocks of pixels and channels ---- */

static void blocks_rows(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct strided *j = context;
    const struct dims *fine = &j->fine->dims;

    (void)thread;
    for (size_t n = begin; n < end; n++)
        for (size_t i = 0; i < j->stride * j->stride; i++)
            copy_channels(j, n, i / j->stride * fine->w + i % j->stride, i * fine->c);
}

static ward_status blocks_run(struct cpu_plan *p, const struct step *s, const float *from,
                              float *to, bool is_to_fine)
{
    bool is_back = s->desc->kind == OP_DEPTH_TO_SPACE;
    struct strided job = {&p->values[is_back ? s->out : s->in[0]],
                          &p->values[is_back ? s->in[0] : s->out],
                          s->desc->stride,
                          from,
                          to,
                          is_to_fine};

    parallel_for(job.fine->dims.n, blocks_rows, &job);
    return WARD_OK;
}

ward_status blocks_step_forward(struct cpu_plan *p, struct step *s)
{
    return blocks_run(p, s, value_of(p, s->in[0]), value_of(p, s->out),
                      s->desc->kind == OP_DEPTH_TO_SPACE);
}

ward_status blocks_step_backward(struct cpu_plan *p, struct step *s)
{
    return blocks_run(p, s, dy_of(p, s), dx_of(p, s, 0), s->desc->kind == OP_SPACE_TO_DEPTH);
}
