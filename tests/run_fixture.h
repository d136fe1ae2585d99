/* A run's settings and checkpoint, another value in every place. Include after cmocka.h. */
#ifndef RUN_FIXTURE_H
#define RUN_FIXTURE_H

#include "model_fixture.h"

/* A value of its own in every field; 0.1 and its like have no short binary form. */
static inline ward_train_config every_setting(void)
{
    return (ward_train_config){.data = "fashion-mnist:/tmp/\xc3\xa4 \"x\"",
                               .arch = "resnet20",
                               .method = WARD_METHOD_GENERATOR,
                               .recipe = "fast",
                               .iterations = 8000,
                               .batch = 128,
                               .schedule = WARD_SCHEDULE_ONECYCLE,
                               .rate = 0.1,
                               .rate_drop_every = 10000,
                               .warmup = 1.0 / 3,
                               .momentum = 0.9,
                               .nesterov = true,
                               .weight_decay = 5e-4,
                               .decays_all = true,
                               .transform_rate_factor = 0.7,
                               .transform_decay = 1e-300,
                               .clip_norm = 0.3,
                               .alpha = 1.1,
                               .beta = 1.2,
                               .gamma = 0.01,
                               .raw_share = 0.5,
                               .raw_warmup = 0.15,
                               .separates_bn = true,
                               .sigma = 0.3,
                               .p = 0.2,
                               .generator_width = 64,
                               .start = 0.05,
                               .is_clamped = true,
                               .validation = 5000,
                               .validate_every = 500,
                               .seed = INT64_MAX,
                               .secret_seed = test_seed,
                               .checkpoint_seconds = 120.5};
}

static inline void checkpoint_fill(struct checkpoint *c, ward_method method)
{
    struct model m = model_of("resnet8", method);

    *c = (struct checkpoint){.net = m.net, .step = 300, .metrics_len = 2081};
    m.net = (struct net){.params = {NULL, 0}};
    assert_ok(net_velocities(&c->velocity, &c->net.spec));
    c->velocity.items[0].data[5] = 0.5f;
    if (method != WARD_METHOD_BASELINE) {
        m.net.spec = c->net.spec;
        c->transform = transform_for(&m);
        c->has_transform = true;
        assert_ok(transform_velocities(&c->transform_velocity, &c->transform.spec));
        if (c->transform_velocity.count > 0)
            c->transform_velocity.items[0].data[0] = -0.25f;
    }
    c->is_reproducible = true;
    c->state = json_pack("{s:f, s:[i, i]}", "loss", 0.1, "seen", 1, 2);
    model_release(&m);
}

#endif
