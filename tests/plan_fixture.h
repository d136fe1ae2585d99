/*
 * What the tests of plans share: a graph on a device, what goes in, what should come out. Include
 * after cmocka.h.
 */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include <math.h>
#include <string.h>

#include "base/util.h"
#include "compute/device.h"

struct fixture {
    ward_device *device;
    struct graph graph;
    struct plan_options options;
    struct plan *plan;
    int x;
};

static inline void setup(struct fixture *f, const char *device, struct dims dims)
{
    memset(f, 0, sizeof *f);
    assert_int_equal(ward_device_open(&f->device, device), WARD_OK);
    graph_init(&f->graph);
    f->x = graph_input(&f->graph, dims);
}

static inline void compile(struct fixture *f)
{
    ward_status st = plan_compile(&f->plan, f->device, &f->graph, &f->options);

    if (st)
        fail_msg("%s: %s", ward_device_name(f->device), ward_error_message());
}

static inline void keep(struct fixture *f, int node)
{
    f->options.outputs[f->options.output_count++] = node;
}

static inline void fill(struct fixture *f, const float *values)
{
    memcpy(plan_input(f->plan, f->x), values,
           dims_count(graph_dims(&f->graph, f->x)) * sizeof *values);
}

static inline void teardown(struct fixture *f)
{
    plan_free(f->plan);
    graph_release(&f->graph);
    ward_device_close(f->device);
}

static inline void assert_near(const char *what, const float *is, const float *should, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(is[i] - should[i]) <= 1e-5f))
            fail_msg("%s[%zu]: expected %g, got %g", what, i, (double)should[i], (double)is[i]);
}

/* Runs a property on every device of this build. */
static inline void on_every_device(void (*property)(const char *device))
{
    for (size_t i = 0; ward_device_list(i); i++)
        property(ward_device_list(i));
}

#endif
