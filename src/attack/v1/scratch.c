/*
 * C0, scratch: what the same labels are worth without F. The thief's best network, not only the
 * lock's, tried as often as the attacks are; everything else is measured against this. Which that
 * is depends on how many images there are, so of colour images a deep one is tried besides.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/search.h"

static const char behind_arch[] = ", rate "; /* in the words of a try, which begin with it */

static const struct variant {
    unsigned effort; /* from which on */
    double rate;
    bool augments;
    enum thief_net net;
} variants[] = {
    {1, 1e-3, true, NET_USUAL},  {1, 1e-3, false, NET_USUAL}, {1, 3e-4, true, NET_USUAL},
    {1, 1e-3, true, NET_OWN},    {1, 1e-3, true, NET_DEEP},   {2, 3e-3, true, NET_USUAL},
    {2, 3e-4, false, NET_USUAL}, {2, 3e-3, true, NET_OWN},    {2, 3e-4, true, NET_OWN},
    {2, 3e-3, true, NET_DEEP},   {3, 1e-4, true, NET_USUAL},  {3, 3e-3, false, NET_USUAL},
    {3, 1e-3, false, NET_OWN},   {3, 1e-2, true, NET_OWN},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

static ward_status try_variant(struct thief *t, const struct variant *v)
{
    const struct net_spec spec = thief_net_spec(t, v->net);
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
    ward_status st = WARD_OK;

    for (size_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort && thief_has_net(t, variants[i].net))
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
    .is_control = true,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
