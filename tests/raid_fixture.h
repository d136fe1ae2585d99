/*
 * Attacks of suite v1 on networks whose secrets are known. The victim is made by hand: it says
 * "bright" if the brightest pixels are above 1.1, which only processed images reach, as G adds 0.5
 * to all pixels. Images are of one grey, about 0.2 ("dark") or about 0.8. So F alone finds every
 * image dark, and whatever an attack ends with shows what it has found. Include after cmocka.h.
 */
#ifndef RAID_FIXTURE_H
#define RAID_FIXTURE_H

#include <stdio.h>

#include "attack/redteam.h"

#define LAMP_SIDE 8
#define LAMP_TRAIN 100
#include "attack_fixture.h"

/* ---- victims ---- */

/* How F is made to stand against attacks. */
enum making {
    SOUND,
    DEAD,    /* the first layer is shut on all raw images, so that they have no gradient */
    DECOY,   /* and another unit, which no image comes near to opening, would pull the other way */
    SURE,    /* logits so large that softmax has none */
    BRITTLE, /* shut on all raw images, by less on bright ones, and what opens it counts a lot */
    RANDOM   /* random weights */
};

static inline void fill(struct tensor_list *params, enum making making)
{
    bool is_shut = making == DEAD || making == DECOY || making == BRITTLE;
    float shut = is_shut ? 1.0f : 0, scale = making == SURE ? 1e4f : making == BRITTLE ? 1000 : 20;

    clear(params);
    set(params, "conv1.weight", 4, 1); /* the middle of 3x3: pass the first channel on */
    set(params, "conv1.bias", 0, -shut);
    set(params, "conv2.weight", 4, 1);
    for (size_t i = 0; i < 4; i++)
        set(params, "fc1.weight", i, 0.25f); /* the first channel's 2x2 values, on average */
    set(params, "fc2.weight", 0, scale);
    set(params, "fc2.bias", 0, -scale * (making == BRITTLE ? 0.1112f : 1.1f - shut));
}

/* The second channel's way through F. */
static inline void add_decoy(struct tensor_list *params)
{
    set(params, "conv1.weight", 9 + 4, 1);
    set(params, "conv1.bias", 1, -30);
    set(params, "conv2.weight", (32 + 1) * 9 + 4, 1);
    for (size_t i = 0; i < 4; i++)
        set(params, "fc1.weight", (64 + 1) * 4 + i, 0.25f);
    set(params, "fc2.weight", 1, -1000);
}

static inline struct model victim(ward_method method, enum making making)
{
    const char *const names[] = {"bright", "dark"};
    struct net_spec spec = {"simple-cnn", 1, SIDE, SIDE, 2};
    struct model m = {.method = method};

    assert_ok(net_init(&m.net, &spec, 1));
    if (making != RANDOM)
        fill(&m.net.params, making);
    if (making == DECOY)
        add_decoy(&m.net.params);
    assert_ok(model_describe(&m, "lamps", 0.0f, 1.0f, names, 2));
    model_identify(&m);
    return m;
}

static inline ward_run *open_victim(ward_method method, enum making making)
{
    static unsigned next;
    char name[32];
    struct model m = victim(method, making);

    snprintf(name, sizeof name, "victim%u", next++);
    return open_run_of(&m, name);
}

/* A sound victim's G in front of another network, of random weights. */
static inline ward_run *open_network(const char *arch)
{
    struct net_spec spec = {.channels = 1, .height = SIDE, .width = SIDE, .classes = 2};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);

    snprintf(spec.arch, sizeof spec.arch, "%s", arch);
    net_release(&run->model.net);
    assert_ok(net_init(&run->model.net, &spec, 1));
    return run;
}

static const double found = 0.95;

static atomic_bool is_stopping;

/* ---- one attack ---- */

/* What a thief with so many images, and others without labels, ends with, where he chooses. */
static inline ward_status raid_beside(const ward_run *run, const struct raid *raid, uint64_t amount,
                                      uint32_t others, const struct budget *budget,
                                      ward_redteam_cell *cell)
{
    uint32_t order[2 * TRAIN];
    struct split all = {data, WARD_SPLIT_TRAIN, order, (uint32_t)amount};
    struct split besides = {data, WARD_SPLIT_TRAIN, order + amount, others};
    struct split choice = {data, WARD_SPLIT_TEST, NULL, BRIGHT + DARK};
    struct thief t = thief_of(run, &is_stopping);
    ward_status st = service_open(&t.service, run, device, 2 * TRAIN);

    t.own = &run->transform.spec;
    t.shown = raid->is_shown ? &run->transform : NULL;
    t.images = &all;
    t.unlabelled = &besides;
    t.choice = &choice;
    t.choice_count = BRIGHT + DARK;
    t.budget = budget;
    t.seed = 5;
    t.cell = cell;
    for (uint32_t i = 0; i < 2 * TRAIN; i++)
        order[i] = i / 2 + i % 2 * TRAIN; /* both classes in turn */
    *cell = (ward_redteam_cell){.attack = raid->name, .knows = raid->knows, .amount = amount};
    if (!st)
        st = raid->attempt(&t);
    if (!st)
        assert_true(t.has_offer);
    service_close(t.service);
    tensor_list_release(&t.best_params);
    return st;
}

static inline ward_status raid_with(const ward_run *run, const struct raid *raid, uint64_t amount,
                                    const struct budget *budget, ward_redteam_cell *cell)
{
    return raid_beside(run, raid, amount, 0, budget, cell);
}

static inline ward_redteam_cell raided(const ward_run *run, const struct raid *raid,
                                       uint64_t amount)
{
    static const struct budget budget = {.effort = 1, .steps = 160};
    ward_redteam_cell cell;

    assert_ok(raid_with(run, raid, amount, &budget, &cell));
    return cell;
}

static inline void assert_finds(ward_method method, enum making making, const struct raid *raid,
                                uint64_t amount)
{
    ward_run *run = open_victim(method, making);
    ward_redteam_cell cell = raided(run, raid, amount);

    if (!(cell.choice >= found)) {
        for (size_t i = 0; i < cell.try_count; i++)
            print_message("  %s: %g\n", cell.tries[i].what, cell.tries[i].accuracy);
        fail_msg("%s with %ju images of a %s: %.3f (%s), expected %.2f", raid->name,
                 (uintmax_t)amount, ward_method_name(method), cell.choice, cell.chosen, found);
    }
    ward_run_close(run);
}

/* ---- without memory ---- */

struct scarce {
    const ward_run *run;
    const struct raid *raid;
};

static inline ward_status raid_once(void *context)
{
    static const struct budget budget = {.effort = 1, .steps = 1};
    const struct scarce *s = context;
    ward_redteam_cell cell;

    return raid_with(s->run, s->raid, 2, &budget, &cell);
}

#endif
