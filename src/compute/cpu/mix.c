/*
 * What mixes the values of an image: an order, factors, Hadamard's matrix. All but the factors go
 * by the order c, h, w, whatever the layouts; plain ones, and single pixels, already lie in it.
 */
#include "compute/cpu/cpu.h"

#include <string.h>

#include "base/parallel.h"

struct mix {
    const struct value *in, *out;
    const int32_t *order; /* NULL: as it is */
    const float *factors;
    const struct plane_kernels *kernels;
    const float *from;
    float *to;
    bool is_back;
};

static bool lies_in_order(const struct value *v)
{
    return v->lanes == 1 || v->dims.h * v->dims.w == 1;
}

/* Where value i of an image lies in it. */
static size_t place(const struct value *v, size_t i)
{
    size_t hw = v->dims.h * v->dims.w, c = i / hw;

    if (lies_in_order(v))
        return i;
    return (c / v->lanes * hw + i % hw) * v->lanes + c % v->lanes;
}

/* ---- an order ---- */

static void permute_plain(const struct mix *j, const float *from, float *to, size_t len)
{
    if (!j->order)
        memcpy(to, from, len * sizeof *to);
    else if (j->is_back)
        for (size_t i = 0; i < len; i++)
            to[j->order[i]] = from[i];
    else
        for (size_t i = 0; i < len; i++)
            to[i] = from[j->order[i]];
}

static void permute_rows(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct mix *j = context;
    size_t len = j->in->len / j->in->dims.n;

    (void)thread;
    if (lies_in_order(j->in) && lies_in_order(j->out)) {
        for (size_t n = begin; n < end; n++)
            permute_plain(j, j->from + n * len, j->to + n * len, len);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        size_t in = place(j->in, j->order ? (size_t)j->order[i] : i), out = place(j->out, i);
        size_t from = j->is_back ? out : in, to = j->is_back ? in : out;

        for (size_t n = begin; n < end; n++)
            j->to[n * len + to] = j->from[n * len + from];
    }
}

static ward_status permute(struct cpu_plan *p, const struct step *s, const float *from, float *to,
                           bool is_back)
{
    struct mix job = {.in = &p->values[s->in[0]],
                      .out = &p->values[s->out],
                      .order = (const int32_t *)(const void *)param_of(p, s, 0),
                      .from = from,
                      .to = to,
                      .is_back = is_back};

    parallel_for(job.in->dims.n, permute_rows, &job);
    return WARD_OK;
}

ward_status permute_step_forward(struct cpu_plan *p, struct step *s)
{
    return permute(p, s, value_of(p, s->in[0]), value_of(p, s->out), false);
}

ward_status permute_step_backward(struct cpu_plan *p, struct step *s)
{
    return permute(p, s, dy_of(p, s), dx_of(p, s, 0), true);
}

/* ---- factors, which lie as the value does ---- */

static void multiply_rows(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct mix *j = context;
    size_t len = j->in->len / j->in->dims.n;

    (void)thread;
    for (size_t n = begin; n < end; n++)
        for (size_t i = 0; i < len; i++)
            j->to[n * len + i] = j->factors[i] * j->from[n * len + i];
}

static ward_status multiply(struct cpu_plan *p, const struct step *s, const float *from, float *to)
{
    struct mix job = {
        .in = &p->values[s->in[0]], .factors = param_of(p, s, 0), .from = from, .to = to};

    parallel_for(job.in->dims.n, multiply_rows, &job);
    return WARD_OK;
}

ward_status multiply_step_forward(struct cpu_plan *p, struct step *s)
{
    return multiply(p, s, value_of(p, s->in[0]), value_of(p, s->out));
}

ward_status multiply_step_backward(struct cpu_plan *p, struct step *s)
{
    return multiply(p, s, dy_of(p, s), dx_of(p, s, 0));
}

/* ---- Hadamard ---- */

/* An item is a block; blocks of one image follow those of another. */
static void hadamard_blocks(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct mix *j = context;
    size_t len = j->in->len / j->in->dims.n;

    (void)thread;
    if (lies_in_order(j->in)) {
        j->kernels->hadamard(end - begin, j->from + begin * HADAMARD_BLOCK,
                             j->to + begin * HADAMARD_BLOCK);
        return;
    }
    for (size_t item = begin; item < end; item++) {
        size_t at = item * HADAMARD_BLOCK, row = at / len * len;
        float block[HADAMARD_BLOCK];

        for (size_t i = 0; i < HADAMARD_BLOCK; i++)
            block[i] = j->from[row + place(j->in, at - row + i)];
        j->kernels->hadamard(1, block, block);
        for (size_t i = 0; i < HADAMARD_BLOCK; i++)
            j->to[row + place(j->in, at - row + i)] = block[i];
    }
}

static ward_status hadamard(struct cpu_plan *p, const struct step *s, const float *from, float *to)
{
    struct mix job = {
        .in = &p->values[s->in[0]], .kernels = p->kernels->plane, .from = from, .to = to};

    parallel_for(job.in->len / HADAMARD_BLOCK, hadamard_blocks, &job);
    return WARD_OK;
}

ward_status hadamard_step_forward(struct cpu_plan *p, struct step *s)
{
    return hadamard(p, s, value_of(p, s->in[0]), value_of(p, s->out));
}

/* The matrix is symmetric. */
ward_status hadamard_step_backward(struct cpu_plan *p, struct step *s)
{
    return hadamard(p, s, dy_of(p, s), dx_of(p, s, 0));
}
