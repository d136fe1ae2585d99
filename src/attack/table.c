/* The table of attacks, and what follows from it: names, defaults, suites. */
#include <string.h>

#include "attack/attack.h"
#include "model/run.h"

static const struct attack *const attacks[] = {
    &attack_direct,
    &attack_input_only,
    &attack_pair_fit,
    &attack_pair_subtract,
};

enum { ATTACKS = sizeof attacks / sizeof attacks[0] };

/* ---- names ---- */

/* Whether an earlier attack has the same name. */
static bool is_repeated(size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(attacks[i]->name, attacks[j]->name) == 0)
            return true;
    return false;
}

const char *ward_attack_name(size_t i)
{
    for (size_t j = 0; j < ATTACKS; j++)
        if (!is_repeated(j) && i-- == 0)
            return attacks[j]->name;
    return NULL;
}

static bool name_is_known(const char *name)
{
    for (size_t i = 0; i < ATTACKS; i++)
        if (strcmp(attacks[i]->name, name) == 0)
            return true;
    return false;
}

static const struct attack *find(const char *name, ward_method method)
{
    for (size_t i = 0; i < ATTACKS; i++)
        if (strcmp(attacks[i]->name, name) == 0 && attacks[i]->methods & 1u << method)
            return attacks[i];
    return NULL;
}

static ward_status find_against(const struct attack **out, const char *name, ward_method method)
{
    const struct attack *attack = find(name, method);

    if (!name_is_known(name))
        return ward_fail(WARD_ERR_ARG, "unknown attack '%s'", name);
    if (!attack)
        return ward_fail(WARD_ERR_ARG, "attack '%s' makes no sense on a run of method '%s'", name,
                         ward_method_name(method));
    *out = attack;
    return WARD_OK;
}

ward_status attack_find(const struct attack **out, const char *name, const ward_run *run)
{
    const struct attack *attack;
    ward_status st = find_against(&attack, name, run->model.method);

    if (st)
        return st;
    if (attack->holds && !run->has_transform)
        return ward_fail(WARD_ERR_ARG,
                         "attack '%s' needs the run's transform, to make what its adversary holds",
                         name);
    *out = attack;
    return WARD_OK;
}

/* ---- defaults ---- */

ward_status attack_defaults(ward_attack_settings *settings, const char *name, ward_method method)
{
    const struct attack *attack;
    ward_status st = find_against(&attack, name, method);

    if (st)
        return st;
    *settings = (ward_attack_settings){
        .attack = attack->name,
        .uses = attack->uses,
        .trials = attack->trials,
        .seed = 1,
        .sigma = 0.1,
        .p = 0.2,
        .pairs = 1,
        .steps = 8000,
        .rate = 0.01,
    };
    return WARD_OK;
}

ward_status ward_attack_defaults(ward_attack_settings *settings, const char *name,
                                 const ward_run *run)
{
    const struct attack *attack;
    ward_status st = attack_find(&attack, name, run);

    return st ? st : attack_defaults(settings, name, run->model.method);
}

/* ---- suites ---- */

static const struct {
    const char *name;
    double pairs; /* 0: not asked for; an attack that uses none comes once */
} paper[] = {{"direct", 0}, {"input-only", 0}, {"pair", 0.1}, {"pair", 0.5}, {"pair", 1}};

enum { PAPER = sizeof paper / sizeof paper[0] };

const char *ward_attack_suite_name(size_t i)
{
    return i == 0 ? "paper" : NULL;
}

/* Whether the j-th line of the suite is one to make on this run. */
static bool takes_part(size_t j, const ward_run *run)
{
    const struct attack *attack = find(paper[j].name, run->model.method);

    if (!attack || (attack->holds && !run->has_transform))
        return false;
    return attack->uses & WARD_ATTACK_USES_PAIRS || paper[j].pairs == 0 || paper[j].pairs == 1;
}

ward_status ward_attack_suite(ward_attack_settings *settings, const char *suite, size_t i,
                              const ward_run *run, bool *is_there)
{
    ward_status st;

    if (strcmp(suite, ward_attack_suite_name(0)) != 0)
        return ward_fail(WARD_ERR_ARG, "unknown suite '%s'", suite);
    for (size_t j = 0; j < PAPER; j++) {
        if (!takes_part(j, run) || i-- > 0)
            continue;
        st = ward_attack_defaults(settings, paper[j].name, run);
        if (!st && settings->uses & WARD_ATTACK_USES_PAIRS)
            settings->pairs = paper[j].pairs;
        if (!st)
            *is_there = true;
        return st;
    }
    *is_there = false;
    return WARD_OK;
}
