/* Runs for a guard, images for it, and what it has to answer. Include after cmocka.h. */
#ifndef GUARD_FIXTURE_H
#define GUARD_FIXTURE_H

#include "base/rng.h"
#include "guard/guard.h"
#include "guard/process.h"
#include "model/run.h"
#include "model_fixture.h"

/* What a run is to be. One of the method keyed has every part. */
struct wanted {
    const char *arch;
    ward_method method;
    size_t channels, side, width; /* width: of a generator; of a keyed front and residual */
    bool is_clamped;
    float gain; /* factor on the last layer's weights; 0: none */
};

static const struct wanted small = {"simple-cnn", WARD_METHOD_LEARNED, 1, 8, 0, false, 0};

static inline void start_model(struct model *m, const struct wanted *w)
{
    const char *const names[] = {"left", "right", "up"};
    struct net_spec spec = {
        .channels = w->channels, .height = w->side, .width = w->side, .classes = 3};
    struct tensor *last;

    *m = (struct model){.method = w->method};
    snprintf(spec.arch, sizeof spec.arch, "%s", w->arch);
    assert_ok(net_init(&m->net, &spec, 7));
    last = &m->net.params.items[m->net.params.count - 2];
    for (size_t i = 0; w->gain > 0 && i < shape_count(&last->shape); i++)
        last->data[i] *= w->gain;
    assert_ok(model_describe(m, "arrows", 0.0f, 1.0f, names, 3));
    model_identify(m);
}

static inline void start_transform(struct transform *t, const struct model *m,
                                   const struct wanted *w)
{
    struct transform_spec spec = {.method = w->method,
                                  .channels = w->channels,
                                  .height = w->side,
                                  .width = w->side,
                                  .sigma = 0.1f,
                                  .p = 0.2f,
                                  .generator_width = w->width,
                                  .start = 0.3f,
                                  .is_clamped = w->is_clamped,
                                  .low = m->low,
                                  .high = m->high,
                                  .keyed = {.has_front = w->width > 0,
                                            .front_width = w->width,
                                            .coordinates = WARD_COORDINATES_CASCADE,
                                            .rounds = 4,
                                            .shuffle = w->side / 2,
                                            .negative = 0.25f,
                                            .has_residual = w->width > 0}};

    *t = (struct transform){.params = {NULL, 0}};
    assert_ok(transform_init(t, &spec, test_seed));
}

/* A run in the folder, plain or sealed; valid until four calls of in_folder() later. */
static inline const char *make_run(const char *name, const struct wanted *w,
                                   const struct seal *seal)
{
    const char *path = in_folder(name);
    struct run_dir dir;
    struct model m;
    struct transform t;
    struct transform_owner owner;

    assert_ok(file_make_directory(path));
    assert_ok(run_dir_init(&dir, path));
    start_model(&m, w);
    assert_ok(model_write(dir.model, &m));
    if (w->method != WARD_METHOD_BASELINE) {
        start_transform(&t, &m, w);
        owner = owner_of(&m);
        assert_ok(transform_file_write(dir.transform, &t, &owner, seal));
        transform_release(&t);
    }
    model_release(&m);
    run_dir_release(&dir);
    return path;
}

/* n images of values in [0, 1). */
static inline float *make_images(size_t n, size_t len)
{
    float *x = NULL;
    struct rng rng;

    assert_ok(mem_new(&x, n * len, sizeof *x));
    rng_init(&rng, 1, RNG_TEST, 0, 0);
    for (size_t i = 0; i < n * len; i++)
        x[i] = rng_uniform(&rng);
    return x;
}

static inline struct guard_config config_of(const char *run, size_t batch)
{
    return (struct guard_config){.run = run, .passphrase = -1, .batch = batch, .threads = 1};
}

#endif
