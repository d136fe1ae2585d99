/*
 * What a transform makes of images on a device. Include after cmocka.h.
 */
#ifndef TRANSFORM_FIXTURE_H
#define TRANSFORM_FIXTURE_H

#include <string.h>

#include "nn/net.h"
#include "protect/transform.h"
#include "ward/device.h"

/* y = G(x) of n images; batch norm by running statistics. */
static inline void apply(const char *device_name, const struct transform *t, size_t n,
                         const float *x, float *y)
{
    const struct transform_spec *s = &t->spec;
    const struct tensor_list *list = &t->params;
    struct plan_options options = {.bn = BN_RUNNING, .output_count = 1};
    size_t len = n * s->channels * s->height * s->width;
    ward_device *device = NULL;
    struct plan *plan = NULL;
    struct graph g;
    int input;

    graph_init(&g);
    assert_int_equal(ward_device_open(&device, device_name), WARD_OK);
    input = graph_input(&g, (struct dims){n, s->channels, s->height, s->width});
    options.outputs[0] = transform_build(s, &g, input, true);
    if (graph_finish(&g) || plan_compile(&plan, device, &g, &options) ||
        params_load(plan, &list, 1))
        fail_msg("%s", ward_error_message());
    memcpy(plan_input(plan, input), x, len * sizeof *x);
    assert_int_equal(plan_forward(plan), WARD_OK);
    memcpy(y, plan_output(plan, options.outputs[0]), len * sizeof *y);
    plan_free(plan);
    graph_release(&g);
    ward_device_close(device);
}

#endif
