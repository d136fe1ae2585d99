/*
 * A14, black-box: one pattern for all images, found by asking F and nothing else: an evolution
 * strategy (antithetic samples, weighted by rank), and random squares that are kept where they
 * help (after the Square attack, Andriushchenko et al. 2020). If these do better than gradients,
 * gradients are masked.
 */
#include <math.h>
#include <stdio.h>

#include "attack/v1/query.h"
#include "base/mem.h"
#include "base/util.h"

enum { SAMPLES = 8, OFFERS = 4, BATCH = 64 };

static const double momentum = 0.9;

struct strategy {
    struct query query;
    struct transform pattern, changed;
    size_t len;
    float range;
    struct rng rng;
};

static ward_status strategy_open(struct strategy *s, struct thief *t, uint32_t use)
{
    const struct net_spec *image = &t->network->spec;
    const struct transform_spec spec = thief_pattern(t, 0);
    ward_status st;

    *s = (struct strategy){.len = image->channels * image->height * image->width,
                           .range = t->high - t->low};
    thief_rng(t, use, &s->rng);
    st = query_open(&s->query, t, &spec, BATCH);
    if (!st)
        st = thief_transform(t, &spec, use, &s->pattern);
    return st ? st : thief_transform(t, &spec, use, &s->changed);
}

static void strategy_close(struct strategy *s)
{
    transform_release(&s->changed);
    transform_release(&s->pattern);
    query_close(&s->query);
}

static float *values_of(struct transform *pattern)
{
    return pattern->params.items[0].data;
}

static ward_status loss_of(struct strategy *s, struct transform *pattern, double *out)
{
    return query_loss(&s->query, &pattern->params, out);
}

/* ---- evolution ---- */

struct evolution {
    struct strategy s;
    float *draws;   /* [SAMPLES, len]: directions, of which both ends are asked */
    double *moving; /* [len] */
    size_t tile;    /* directions are constant within tiles of so many pixels */
    double spread, rate;
};

/* A direction that is constant within tiles. */
static void draw_direction(struct evolution *e, float *out)
{
    const struct net_spec *image = &e->s.query.classifier.net;
    size_t height = image->height, width = image->width;

    for (size_t at = 0; at < e->s.len; at++) {
        size_t i = at / width % height, j = at % width;
        size_t first = at - i % e->tile * width - j % e->tile;

        out[at] = first == at ? rng_normal(&e->s.rng) : out[first];
    }
}

static ward_status ask(struct evolution *e, const float *draw, double sign, double *out)
{
    const float *base = values_of(&e->s.pattern);
    float *changed = values_of(&e->s.changed);

    for (size_t i = 0; i < e->s.len; i++)
        changed[i] = base[i] + (float)(sign * e->spread) * draw[i];
    return loss_of(&e->s, &e->s.changed, out);
}

/* From -1/2 for the largest loss to 1/2 for the smallest; equal losses share a rank. */
static double rank(const double *losses, size_t count, size_t of)
{
    double above = 0;

    for (size_t i = 0; i < count; i++)
        above += losses[i] > losses[of] ? 1 : losses[i] < losses[of] ? 0 : 0.5;
    return above / (double)count - 0.5;
}

static void move(struct evolution *e, const double *losses)
{
    float *base = values_of(&e->s.pattern);
    double length = 1e-12;

    for (size_t i = 0; i < e->s.len; i++) {
        double step = 0;

        for (size_t n = 0; n < SAMPLES; n++)
            step += (rank(losses, 2 * SAMPLES, 2 * n) - rank(losses, 2 * SAMPLES, 2 * n + 1)) *
                    (double)e->draws[n * e->s.len + i];
        e->moving[i] = momentum * e->moving[i] + (1 - momentum) * step;
        length += e->moving[i] * e->moving[i];
    }
    for (size_t i = 0; i < e->s.len; i++)
        base[i] += (float)(e->rate * e->moving[i] / sqrt(length / (double)e->s.len));
}

static ward_status generation(struct evolution *e, uint64_t number)
{
    double losses[2 * SAMPLES];
    ward_status st = WARD_OK;

    query_images(&e->s.query, number);
    for (size_t n = 0; n < SAMPLES && !st; n++) {
        float *draw = e->draws + n * e->s.len;

        draw_direction(e, draw);
        st = ask(e, draw, 1, &losses[2 * n]);
        if (!st)
            st = ask(e, draw, -1, &losses[2 * n + 1]);
    }
    if (!st)
        move(e, losses);
    return st;
}

static ward_status evolve(struct thief *t, size_t tile, uint32_t use)
{
    struct evolution e = {.tile = tile};
    uint64_t generations = max_size(OFFERS, (size_t)t->budget->steps / SAMPLES);
    char what[WARD_REDTEAM_WORDS];
    ward_status st = strategy_open(&e.s, t, use);

    e.spread = 0.05 * (double)e.s.range;
    e.rate = 0.02 * (double)e.s.range;
    if (!st)
        st = mem_new(&e.draws, SAMPLES * e.s.len, sizeof *e.draws);
    if (!st)
        st = mem_new(&e.moving, e.s.len, sizeof *e.moving);
    for (uint64_t i = 0; i < generations && !st; i++) {
        st = generation(&e, i);
        if (st || (i + 1) % (generations / OFFERS) != 0)
            continue;
        snprintf(what, sizeof what, "evolution, tiles of %zu, %ju generations", tile,
                 (uintmax_t)i + 1);
        st = query_offer(&e.s.query, &e.s.pattern.params, what);
    }
    mem_free(e.draws);
    mem_free(e.moving);
    strategy_close(&e.s);
    return st;
}

/* ---- squares ---- */

/* Smaller ones as time goes by. */
static void add_square(struct strategy *s, double left)
{
    const struct net_spec *image = &s->query.classifier.net;
    size_t most = min_size(image->height, image->width);
    size_t side = max_size(1, (size_t)(left * 0.5 * (double)most));
    size_t top = rng_below(&s->rng, (uint32_t)(image->height - side + 1));
    size_t start = rng_below(&s->rng, (uint32_t)(image->width - side + 1));
    float *values = values_of(&s->changed);

    for (size_t c = 0; c < image->channels; c++) {
        float change = (rng_below(&s->rng, 2) ? 0.3f : -0.3f) * s->range;

        for (size_t i = top; i < top + side; i++)
            for (size_t j = start; j < start + side; j++)
                values[(c * image->height + i) * image->width + j] += change;
    }
}

static ward_status try_square(struct strategy *s, double left, double *least)
{
    size_t bytes = s->len * sizeof(float);
    double loss = INFINITY;
    ward_status st;

    memcpy(values_of(&s->changed), values_of(&s->pattern), bytes);
    add_square(s, left);
    st = loss_of(s, &s->changed, &loss);
    if (!st && loss <= *least) {
        *least = loss;
        memcpy(values_of(&s->pattern), values_of(&s->changed), bytes);
    }
    return st;
}

static ward_status throw_squares(struct thief *t, uint32_t use)
{
    uint64_t throws = t->budget->steps;
    struct strategy s;
    double least = INFINITY;
    ward_status st = strategy_open(&s, t, use);

    for (uint64_t i = 0; i < throws && !st; i++) {
        if (i % (throws / OFFERS + 1) == 0) { /* other images, whose loss is another */
            query_images(&s.query, i);
            st = loss_of(&s, &s.pattern, &least);
        }
        if (!st)
            st = try_square(&s, 1 - (double)i / (double)throws, &least);
    }
    if (!st)
        st = query_offer(&s.query, &s.pattern.params, "squares");
    strategy_close(&s);
    return st;
}

/* ---- all of them ---- */

static ward_status attempt(struct thief *t)
{
    static const size_t tiles[] = {4, 1, 2};
    ward_status st = throw_squares(t, 0);

    for (uint32_t i = 0; i < t->budget->effort && !st; i++)
        st = evolve(t, tiles[i], i + 1);
    return st;
}

const struct raid raid_black_box = {
    .name = "black-box",
    .id = "A14",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
