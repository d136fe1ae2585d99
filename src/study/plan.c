/* Names and order: see plan.h. */
#include "study/plan.h"

#include <stdio.h>

#include "attack/attack.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"

enum { MAX_SEEDS = 100, MAX_TRIALS = 100000 };

/* ---- settings ---- */

bool study_is_shortened(const struct study *study)
{
    return study->iterations > 0 || study->trials > 0;
}

/* A reproduction is for everyone to repeat, so its secrets are none: they follow from names. */
static void derive_secret(const char *name, uint8_t out[TRANSFORM_SEED_LEN])
{
    static const char label[] = "ward/reproduce/v1/";
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, label, sizeof label - 1);
    sha256_update(&sha, name, strlen(name));
    sha256_finish(&sha, out);
}

ward_status study_settings(const struct study *study, const struct study_run *run,
                           uint8_t secret[TRANSFORM_SEED_LEN], ward_train_config *out)
{
    ward_status st = ward_train_defaults(out, study->recipe, run->network->data, run->network->arch,
                                         run->method);

    if (st)
        return st;
    out->seed = run->seed;
    if (study->iterations)
        out->iterations = study->iterations;
    if (run->method != WARD_METHOD_BASELINE) {
        derive_secret(run->name, secret);
        out->secret_seed = secret;
    }
    return WARD_OK;
}

ward_status study_attack_settings(const struct study *study, const struct study_trials *trials,
                                  ward_attack_settings *out)
{
    ward_status st = attack_defaults(out, trials->attack->attack, trials->run->method);

    if (st)
        return st;
    out->trials = trials->wanted;
    if (out->uses & WARD_ATTACK_USES_PAIRS)
        out->pairs = trials->attack->pairs;
    if (study->iterations && out->uses & WARD_ATTACK_USES_FIT && study->iterations < out->steps)
        out->steps = study->iterations;
    return WARD_OK;
}

static ward_status check_config(const ward_reproduce_config *c)
{
    ward_train_config unused;

    if (!c->targets || c->targets & ~(unsigned)WARD_REPRODUCE_ALL)
        return ward_fail(WARD_ERR_ARG, "nothing to reproduce, or something unknown");
    if (c->seeds > MAX_SEEDS)
        return ward_fail(WARD_ERR_ARG, "%ju seeds: more than %d", (uintmax_t)c->seeds, MAX_SEEDS);
    if (c->trials > MAX_TRIALS)
        return ward_fail(WARD_ERR_ARG, "%ju trials: more than %d", (uintmax_t)c->trials,
                         MAX_TRIALS);
    return ward_train_defaults(&unused, c->recipe, NULL, "simple-cnn", WARD_METHOD_GENERATOR);
}

static ward_status name_state(const char *given, char **out)
{
    return given ? mem_strdup(out, given) : file_user_path(out, "reproduce");
}

/* ---- runs, attacks, figures ---- */

static ward_status add_run(struct study *s, const struct study_network *network, ward_method method,
                           uint64_t seed)
{
    struct study_run *run;
    char *path = NULL;
    ward_status st = mem_resize(&s->runs, s->run_count, s->run_count + 1, sizeof *s->runs);

    if (st)
        return st;
    run = &s->runs[s->run_count++];
    run->network = network;
    run->method = method;
    run->seed = seed;
    st = mem_printf(&run->name, "%s-%s-%s-%s-%ju", s->recipe, network->data, network->arch,
                    ward_method_name(method), (uintmax_t)seed);
    if (!st)
        st = file_join(&path, s->state, run->name);
    if (!st)
        st = run_dir_init(&run->dir, path);
    mem_free(path);
    return st;
}

/* First seeds first, so that every cell has a number before one gets a spread. */
static ward_status add_runs(struct study *s, uint64_t seeds)
{
    const struct study_network *network;
    ward_status st = WARD_OK;

    for (uint64_t seed = 1; seed <= MAX_SEEDS && !st; seed++)
        for (size_t i = 0; (network = study_network(i)) && !st; i++)
            for (int m = 0; m < STUDY_METHODS && seed <= (seeds ? seeds : network->seeds) && !st;
                 m++)
                st = add_run(s, network, (ward_method)m, seed);
    return st;
}

static const struct study_run *first_seed(const struct study *s,
                                          const struct study_network *network, ward_method method)
{
    const struct study_run *run = s->runs;

    while (run->network != network || run->method != method)
        run++;
    return run;
}

static ward_status add_attack(struct study *s, const struct study_network *network,
                              ward_method method, const struct study_attack *attack)
{
    uint64_t repeated = s->trials ? s->trials : STUDY_TRIALS;
    ward_status st =
        mem_resize(&s->attacks, s->trials_count, s->trials_count + 1, sizeof *s->attacks);

    if (st)
        return st;
    s->attacks[s->trials_count++] =
        (struct study_trials){.run = first_seed(s, network, method),
                              .attack = attack,
                              .wanted = attack->is_repeated ? repeated : 1};
    return WARD_OK;
}

static ward_status add_attacks(struct study *s, const struct study_network *network)
{
    const struct study_attack *attack;
    ward_status st = WARD_OK;

    for (size_t i = 0; (attack = study_attack(i)) && !st; i++)
        for (int m = 0; m < STUDY_METHODS && !st; m++)
            if (attack->methods & 1u << m)
                st = add_attack(s, network, (ward_method)m, attack);
    return st;
}

static ward_status add_figure(struct study *s, const struct study_network *network)
{
    struct study_figure *figure;
    ward_status st =
        mem_resize(&s->figures, s->figure_count, s->figure_count + 1, sizeof *s->figures);

    if (st)
        return st;
    figure = &s->figures[s->figure_count++];
    figure->network = network;
    for (int i = 0; i < STUDY_PROTECTED; i++)
        figure->runs[i] = first_seed(s, network, (ward_method)(i + 1));
    st = mem_printf(&figure->name, "%s-figure2%c-%s-%s", s->recipe, network->figure, network->data,
                    network->arch);
    if (!st)
        st = mem_printf(&figure->picture, "%s/%s.png", s->state, figure->name);
    if (!st)
        st = mem_printf(&figure->facts, "%s/%s.json", s->state, figure->name);
    return st;
}

static ward_status add_all(struct study *s, uint64_t seeds)
{
    const struct study_network *network;
    ward_status st = add_runs(s, seeds);

    for (size_t i = 0; (network = study_network(i)) && !st; i++) {
        if (network->is_attacked)
            st = add_attacks(s, network);
        if (!st && network->figure)
            st = add_figure(s, network);
    }
    return st;
}

/* ---- items ---- */

static bool is_chosen(const struct study *s, const struct study_run *run)
{
    return !s->only || strstr(run->name, s->only);
}

static bool is_needed(const struct study *s, const struct study_run *run)
{
    bool is_subject = run->seed == 1 && run->method != WARD_METHOD_BASELINE;

    if (!is_chosen(s, run))
        return false;
    if (s->targets & WARD_REPRODUCE_TABLE2)
        return true;
    return is_subject && ((s->targets & WARD_REPRODUCE_TABLE3 && run->network->is_attacked) ||
                          (s->targets & WARD_REPRODUCE_FIGURE2 && run->network->figure));
}

static ward_status add_item(struct study *s, ward_reproduce_kind kind, size_t at)
{
    ward_status st = mem_resize(&s->items, s->item_count, s->item_count + 1, sizeof *s->items);

    if (!st)
        s->items[s->item_count++] = (struct study_item){.kind = kind, .at = at};
    return st;
}

static ward_status add_trainings(struct study *s, bool is_first)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < s->run_count && !st; i++) {
        if ((s->runs[i].seed == 1) != is_first || !is_needed(s, &s->runs[i]))
            continue;
        st = add_item(s, WARD_REPRODUCE_TRAIN, i);
        if (!st)
            st = add_item(s, WARD_REPRODUCE_EVALUATE, i);
    }
    return st;
}

/* A figure shows all of its runs. */
static bool is_figure_chosen(const struct study *s, const struct study_figure *figure)
{
    bool is_all = true;

    for (int i = 0; i < STUDY_PROTECTED; i++)
        is_all = is_all && is_chosen(s, figure->runs[i]);
    return is_all;
}

/* All that needs first seeds only comes before the others. */
static ward_status add_items(struct study *s)
{
    ward_status st = add_trainings(s, true);

    for (size_t i = 0; s->targets & WARD_REPRODUCE_FIGURE2 && i < s->figure_count && !st; i++)
        if (is_figure_chosen(s, &s->figures[i]))
            st = add_item(s, WARD_REPRODUCE_FIGURE, i);
    for (size_t i = 0; s->targets & WARD_REPRODUCE_TABLE3 && i < s->trials_count && !st; i++)
        if (is_chosen(s, s->attacks[i].run))
            st = add_item(s, WARD_REPRODUCE_ATTACK, i);
    if (!st)
        st = add_trainings(s, false);
    if (!st && s->item_count == 0)
        st = ward_fail(WARD_ERR_ARG, "no run that is needed has '%s' in its name", s->only);
    return st;
}

const struct study_run *study_item_run(const struct study *study, const struct study_item *item)
{
    if (item->kind == WARD_REPRODUCE_ATTACK)
        return study->attacks[item->at].run;
    if (item->kind == WARD_REPRODUCE_FIGURE)
        return study->figures[item->at].runs[0];
    return &study->runs[item->at];
}

/* ---- the plan ---- */

ward_status study_plan(struct study *study, ward_device *device,
                       const ward_reproduce_config *config)
{
    ward_status st = check_config(config);

    study->device = device;
    study->targets = config->targets;
    study->iterations = config->iterations;
    study->trials = config->trials;
    study->skips_missing = config->skips_missing;
    study->only = config->only;
    if (!st)
        st = mem_strdup(&study->recipe, config->recipe);
    if (!st)
        st = name_state(config->state, &study->state);
    if (!st)
        st = add_all(study, config->seeds);
    if (!st)
        st = add_items(study);
    study->only = NULL;
    return st;
}

void study_release(struct study *study)
{
    for (size_t i = 0; i < study->run_count; i++) {
        history_release(&study->runs[i].history);
        run_dir_release(&study->runs[i].dir);
        mem_free(study->runs[i].name);
    }
    for (size_t i = 0; i < study->trials_count; i++)
        attack_scores_release(&study->attacks[i].scores);
    for (size_t i = 0; i < study->figure_count; i++) {
        mem_free(study->figures[i].name);
        mem_free(study->figures[i].picture);
        mem_free(study->figures[i].facts);
    }
    mem_free(study->runs);
    mem_free(study->attacks);
    mem_free(study->figures);
    mem_free(study->items);
    mem_free(study->recipe);
    mem_free(study->state);
    *study = (struct study){.device = NULL};
}
