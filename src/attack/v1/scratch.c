/*
 * C0, scratch: what the same labels are worth without F. The thief's best network, not only the
 * lock's, tried as often as the attacks are; everything else is measured against this.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/search.h"

static const char usual[] = "simple-cnn";
static const char behind_arch[] = ", rate "; /* in the words of a try, which begin with it */

static const struct variant {
    unsigned effort; /* from which on */
    double rate;
    bool augments;
    bool is_own; /* the lock's architecture, where that is another */
} variants[] = {
    {1, 1e-3, true, false}, {1, 1e-3, false, false}, {1, 3e-4, true, false}, {1, 1e-3, true, true},
    {2, 3e-3, true, false}, {2, 3e-4, false, false}, {2, 3e-3, true, true},  {2, 3e-4, true, true},
    {3, 1e-4, true, false}, {3, 3e-3, false, false}, {3, 1e-3, false, true}, {3, 1e-2, true, true},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

static ward_status try_variant(struct thief *t, const struct variant *v)
{
    struct net_spec spec = t->network->spec;
    struct net net = {.params = {NULL, 0}};
    struct search s = {
        .thief = t,
        .loss = &search_labels,
        .trained = "",
        .rate = v->rate,
        .bound = (double)NAN,
        .trains_network = true,
        .augments = v->augments,
    };
    ward_status st;

    if (!v->is_own)
        memcpy(spec.arch, usual, sizeof usual);
    s.classifier = classifier_of(&spec, NULL);
    snprintf(s.what, sizeof s.what, "%s%s%g%s", spec.arch, behind_arch, v->rate,
             v->augments ? ", augmented" : "");
    st = net_init(&net, &spec, t->seed);
    if (!st)
        st = search_run(&s, &net.params);
    net_release(&net);
    return st;
}

static ward_status attempt(struct thief *t)
{
    bool has_other = strcmp(t->network->spec.arch, usual) != 0;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort && (has_other || !variants[i].is_own))
            st = try_variant(t, &variants[i]);
    return st;
}

bool scratch_is_of(const ward_redteam_try *tried, const char *arch)
{
    size_t len = strlen(arch);

    return strncmp(tried->what, arch, len) == 0 &&
           strncmp(tried->what + len, behind_arch, strlen(behind_arch)) == 0;
}

const struct raid raid_scratch = {
    .name = "scratch",
    .id = "C0",
    .knows = WARD_KNOWS_LABELLED,
    .is_cheap = true,
    .is_control = true,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
