/*
 * A6, fine-tuning: F is only a start. All layers at several rates, with and without augmentation;
 * the last layer anew, then all.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/search.h"

static const float leak = 0.1f;

static const struct variant {
    unsigned effort; /* from which on */
    double rate;
    bool has_new_head, augments, is_leaky;
} variants[] = {
    {1, 1e-3, false, true, false},  {1, 1e-3, false, true, true},   {1, 1e-3, true, true, false},
    {1, 3e-4, false, true, false},  {1, 1e-3, false, false, false}, {2, 3e-4, true, true, false},
    {2, 3e-4, false, true, true},   {3, 1e-4, false, true, false},  {3, 3e-3, false, true, false},
    {3, 1e-4, false, false, false}, {3, 1e-3, true, false, false},  {3, 1e-4, true, true, false},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

static ward_status renew_head(struct thief *t, const char *head, struct tensor_list *params)
{
    struct net fresh = {.params = {NULL, 0}};
    ward_status st = net_init(&fresh, &t->network->spec, t->seed);

    for (size_t i = 0; i < fresh.params.count && !st; i++) {
        const struct tensor *from = &fresh.params.items[i];

        if (strncmp(from->name, head, strlen(head)) == 0)
            memcpy(tensor_list_find(params, from->name)->data, from->data,
                   shape_count(&from->shape) * sizeof *from->data);
    }
    net_release(&fresh);
    return st;
}

static double head_rate(const struct search *all)
{
    return 10 * all->rate;
}

static void describe_head(const struct search *all, char *out, size_t len)
{
    snprintf(out, len, "a new head, rate %g", head_rate(all));
}

/* Until the new head fits, the other layers stay what they are. */
static ward_status train_head(const struct search *all, struct tensor_list *params)
{
    char head[TENSOR_MAX_NAME];
    struct search s = *all;
    ward_status st = search_head(&s.classifier.net, head, sizeof head);

    s.trained = head;
    s.trains_network = false;
    s.rate = head_rate(all);
    describe_head(all, s.what, sizeof s.what);
    if (!st)
        st = renew_head(s.thief, head, params);
    return st ? st : search_run(&s, params);
}

static ward_status try_variant(struct thief *t, const struct variant *v)
{
    struct tensor_list params = {NULL, 0};
    struct search s = {
        .thief = t,
        .classifier = classifier_of(&t->network->spec, NULL),
        .loss = &search_labels,
        .trained = "",
        .rate = v->rate,
        .bound = (double)NAN,
        .trains_network = true,
        .augments = v->augments,
        .leak = v->is_leaky ? leak : 0,
    };
    ward_status st = thief_network(t, &params);

    if (v->has_new_head)
        describe_head(&s, s.what, sizeof s.what);
    snprintf(s.what + strlen(s.what), sizeof s.what - strlen(s.what), "%s, rate %g%s%s",
             v->has_new_head ? ", then all" : "all", v->rate, v->augments ? ", augmented" : "",
             v->is_leaky ? ", leaky backward" : "");
    if (!st && v->has_new_head)
        st = train_head(&s, &params);
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status attempt(struct thief *t)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort)
            st = try_variant(t, &variants[i]);
    return st;
}

const struct raid raid_fine_tune = {
    .name = "fine-tune",
    .id = "A6",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
