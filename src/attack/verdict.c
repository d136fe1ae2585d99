/* What the cells come to: advantages, the labels that are needed. See verdict.h. */
#include "attack/verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double close_enough = 0.01; /* to the authorised accuracy */

/* ---- what is known of an attack at an amount ---- */

bool cell_is_of(const ward_redteam_cell *c, const char *attack, ward_knowledge knows,
                uint64_t amount)
{
    return c->is_done && c->knows == knows && c->amount == amount && strcmp(c->attack, attack) == 0;
}

struct mean cells_mean(const ward_redteam_result *r, const ward_redteam_cell *like)
{
    struct mean m = {.low = INFINITY, .high = -INFINITY};

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        if (!cell_is_of(c, like->attack, like->knows, like->amount))
            continue;
        m.accuracy += c->accuracy;
        m.choice += c->choice;
        m.images += (double)c->images;
        m.low = fmin(m.low, c->accuracy);
        m.high = fmax(m.high, c->accuracy);
        m.count++;
    }
    if (m.count > 0) {
        m.accuracy /= (double)m.count;
        m.choice /= (double)m.count;
        m.images /= (double)m.count;
    }
    return m;
}

/* Of the accuracies, the sample's; NaN of one. */
static double deviation_of(const ward_redteam_result *r, const ward_redteam_cell *like,
                           const struct mean *m)
{
    double squares = 0;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];
        double off = c->accuracy - m->accuracy;

        if (cell_is_of(c, like->attack, like->knows, like->amount))
            squares += off * off;
    }
    return m->count > 1 ? sqrt(squares / (double)(m->count - 1)) : (double)NAN;
}

bool cell_is_control(const ward_redteam_cell *c)
{
    const struct raid *raid = suite_raid_of(c);

    return !raid || raid->is_control;
}

const ward_redteam_cell *cells_find(const ward_redteam_result *r, const char *attack,
                                    ward_knowledge knows, uint64_t amount)
{
    for (size_t i = 0; i < r->cell_count; i++)
        if (cell_is_of(&r->cells[i], attack, knows, amount))
            return &r->cells[i];
    return NULL;
}

const ward_redteam_cell *cells_scratch(const ward_redteam_result *r, uint64_t amount)
{
    return cells_find(r, raid_scratch.name, WARD_KNOWS_LABELLED, amount);
}

/* ---- advantages ---- */

/* Whether somebody with so much knowledge of a kind can do what the cell is of: images with labels,
 * and the raw halves of pairs, are images without labels, too. */
static bool is_within(const ward_redteam_cell *c, ward_knowledge knows, uint64_t amount)
{
    if (c->knows == WARD_KNOWS_NOTHING)
        return true;
    if (c->knows == WARD_KNOWS_UNLABELLED)
        return c->amount <= amount;
    return c->knows == knows && c->amount == amount;
}

const ward_redteam_cell *cells_best(const ward_redteam_result *r, ward_knowledge knows,
                                    uint64_t amount)
{
    const ward_redteam_cell *best = NULL;
    double choice = -1;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];
        double found;

        if (!c->is_done || cell_is_control(c) || !is_within(c, knows, amount))
            continue;
        found = cells_mean(r, c).choice;
        if (found > choice) {
            choice = found;
            best = c;
        }
    }
    return best;
}

/* Student's t for 95 %, two-sided: after the table by Cornish and Fisher's expansion. */
static double student(size_t trials)
{
    static const double t[] = {12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26};
    double freedom = (double)trials - 1;

    if (trials < 2)
        return 0;
    return trials - 2 < sizeof t / sizeof t[0] ? t[trials - 2]
                                               : 1.96 + (2.372 + 2.823 / freedom) / freedom;
}

/* Half of the interval of a difference: adversaries differ, and test images are a sample. NaN of
 * one adversary, who says nothing of others. */
static double half_interval(const ward_redteam_result *r, const ward_redteam_cell *a,
                            const ward_redteam_cell *b)
{
    double sum = 0, squares = 0, p = cells_mean(r, a).accuracy, q = cells_mean(r, b).accuracy,
           n = 0;
    double sample = (p * (1 - p) + q * (1 - q)) / (double)r->test_count, spread;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        for (size_t j = 0; j < r->cell_count && cell_is_of(c, a->attack, a->knows, a->amount);
             j++) {
            const ward_redteam_cell *d = &r->cells[j];

            if (!cell_is_of(d, b->attack, b->knows, b->amount) || c->trial != d->trial)
                continue;
            sum += c->accuracy - d->accuracy;
            squares += (c->accuracy - d->accuracy) * (c->accuracy - d->accuracy);
            n++;
        }
    }
    if (n < 2)
        return (double)NAN;
    spread = student((size_t)n) * sqrt(fmax(0, squares / n - sum / n * (sum / n)) / (n - 1));
    return spread + 1.96 * sqrt(sample);
}

static void take_best(const ward_redteam_result *r, const ward_redteam_cell *best,
                      ward_redteam_gain *gain)
{
    struct mean m = cells_mean(r, best);

    gain->attack = best->attack;
    gain->best = m.accuracy;
    gain->deviation = deviation_of(r, best, &m);
    gain->highest = m.high;
}

static bool gain_at(const ward_redteam_result *r, ward_knowledge knows, uint64_t amount,
                    ward_redteam_gain *out)
{
    const ward_redteam_cell *best = cells_best(r, knows, amount);
    const ward_redteam_cell *scratch = cells_scratch(r, amount);
    ward_redteam_gain gain = {.amount = amount,
                              .scratch = (double)NAN,
                              .advantage = (double)NAN,
                              .low = (double)NAN,
                              .high = (double)NAN};

    if (!best)
        return false;
    take_best(r, best, &gain);
    if (scratch) {
        double half = half_interval(r, best, scratch);

        gain.scratch = cells_mean(r, scratch).accuracy;
        gain.advantage = gain.best - gain.scratch;
        gain.low = gain.advantage - half;
        gain.high = gain.advantage + half;
    }
    *out = gain;
    return true;
}

/* At every amount of a kind for which an attack was done, ascending: the smallest ones, if there
 * are more than there is room for. */
static size_t gains_of(const ward_redteam_result *r, ward_knowledge knows, ward_redteam_gain *out)
{
    uint64_t last = 0;
    size_t count = 0;

    while (count < WARD_REDTEAM_AMOUNTS) {
        uint64_t next = UINT64_MAX;

        for (size_t i = 0; i < r->cell_count; i++) {
            const ward_redteam_cell *c = &r->cells[i];

            if (c->is_done && c->knows == knows && !cell_is_control(c) && c->amount > last &&
                c->amount < next)
                next = c->amount;
        }
        if (next == UINT64_MAX)
            break;
        count += gain_at(r, knows, next, &out[count]);
        last = next;
    }
    return count;
}

/* ---- the labels that are needed ---- */

/* Interpolated in the logarithm of the amount; infinite if it is not reached. Where the smallest
 * amount is enough already, that amount, of which it is not known how much less would do. */
static double needed(const ward_redteam_gain *gains, size_t count, bool of_scratch, double wanted,
                     bool *is_at_most)
{
    double last_k = 0, last = 0;

    for (size_t i = 0; i < count; i++) {
        double k = (double)gains[i].amount;
        double accuracy = of_scratch ? gains[i].scratch : gains[i].best;

        if (isnan(accuracy))
            continue;
        *is_at_most = accuracy >= wanted && last_k <= 0;
        if (accuracy >= wanted)
            return last_k > 0 ? last_k * pow(k / last_k, (wanted - last) / (accuracy - last)) : k;
        last_k = k;
        last = accuracy;
    }
    return INFINITY;
}

static void find_needs(ward_redteam_verdict *v)
{
    double wanted = v->authorised - close_enough; /* NaN if nobody can say */
    double largest = v->gain_count > 0 ? (double)v->gains[v->gain_count - 1].amount : 0;
    bool attack_is_at_most = false, scratch_is_at_most = false;

    v->needs_attack = v->needs_scratch = v->needs_ratio = (double)NAN;
    if (isnan(wanted))
        return;
    v->needs_attack = needed(v->gains, v->gain_count, false, wanted, &attack_is_at_most);
    v->needs_scratch = needed(v->gains, v->gain_count, true, wanted, &scratch_is_at_most);
    if (v->without_labels.best >= wanted) {
        v->needs_attack = 0;
        attack_is_at_most = false;
    }
    v->ratio_is_bound = attack_is_at_most || isinf(v->needs_scratch);
    v->needs_ratio = isinf(v->needs_attack) || scratch_is_at_most ? (double)NAN
                     : isinf(v->needs_scratch)                    ? v->needs_attack / largest
                                               : v->needs_attack / v->needs_scratch;
}

/* ---- the rest ---- */

/* The largest amount of at most FEW_LABELS; 0: none. */
static uint64_t few_labels(const ward_redteam_result *r, const char *attack)
{
    uint64_t amount = 0;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        if (cell_is_of(c, attack, WARD_KNOWS_LABELLED, c->amount) && c->amount <= FEW_LABELS &&
            c->amount > amount)
            amount = c->amount;
    }
    return amount;
}

static double reading(const ward_redteam_result *r, const char *attack)
{
    const ward_redteam_cell *c = cells_find(r, attack, WARD_KNOWS_LABELLED, few_labels(r, attack));

    return c ? cells_mean(r, c).accuracy : (double)NAN;
}

static void find_without_labels(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    const ward_redteam_cell *best = cells_best(r, WARD_KNOWS_NOTHING, UINT32_MAX);

    v->without_labels = (ward_redteam_gain){.scratch = (double)NAN,
                                            .advantage = (double)NAN,
                                            .low = (double)NAN,
                                            .high = (double)NAN,
                                            .best = (double)NAN,
                                            .deviation = (double)NAN,
                                            .highest = (double)NAN};
    if (!best)
        return;
    v->without_labels.amount = best->amount;
    take_best(r, best, &v->without_labels);
}

/* The gain that is spoken of: at 100 labels, or the nearest below, or the smallest. */
static const ward_redteam_gain *main_gain(const ward_redteam_verdict *v)
{
    const ward_redteam_gain *gain = v->gain_count > 0 ? v->gains : NULL;

    for (size_t i = 1; i < v->gain_count; i++)
        if (v->gains[i].amount <= FEW_LABELS)
            gain = &v->gains[i];
    return gain;
}

static void write_sentence(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    const ward_redteam_gain *g = main_gain(v);
    const char *missing = v->is_partial ? " Not all attacks were done: a thief may do better." : "";
    char *at = v->sentence;
    size_t room = sizeof v->sentence;
    int len;

    if (!g) {
        snprintf(at, room, "Not enough was measured to say what the lock is worth.%s", missing);
        return;
    }
    len = isnan(g->scratch)
              ? snprintf(at, room, "A thief with %ju labelled images reaches %.1f %% (%s).",
                         (uintmax_t)g->amount, percent(g->best), g->attack)
              : snprintf(at, room,
                         "A thief with %ju labelled images reaches %.1f %% (%s); without your "
                         "model, %.1f %%.",
                         (uintmax_t)g->amount, percent(g->best), g->attack, percent(g->scratch));
    at += len;
    room -= (size_t)len;
    if (v->without_labels.attack) {
        len = snprintf(at, room, " Without any label he reaches %.1f %%.",
                       percent(v->without_labels.best));
        at += len;
        room -= (size_t)len;
    }
    if (!isnan(v->authorised)) {
        len = snprintf(at, room, " Your users have %.1f %%.", percent(v->authorised));
        at += len;
        room -= (size_t)len;
    }
    if (!r->is_disjoint) {
        len = snprintf(at, room, " His images are among those that you trained on.");
        at += len;
        room -= (size_t)len;
    }
    if (v->flag_count > 0) {
        len = snprintf(at, room, " %zu flag%s: read %s before you rely on a figure.", v->flag_count,
                       v->flag_count == 1 ? " was raised" : "s were raised",
                       v->flag_count == 1 ? "it" : "them");
        at += len;
        room -= (size_t)len;
    }
    snprintf(at, room, "%s", missing);
}

static void find_cost(const ward_redteam_result *r, const struct record_facts *facts,
                      ward_redteam_verdict *v)
{
    const ward_redteam_gain *g = main_gain(v);
    const ward_redteam_cell *best = g ? cells_best(r, WARD_KNOWS_LABELLED, g->amount) : NULL;

    v->cost = best ? cells_mean(r, best).images / facts->training : (double)NAN;
}

void verdict_make(const ward_redteam_result *r, const struct record_subject *subject,
                  const struct record_facts *facts, ward_redteam_verdict *out)
{
    ward_redteam_verdict v = {.authorised = facts->authorised,
                              .unauthorised = facts->unauthorised,
                              .chance = facts->chance,
                              .from_chance = fabs(facts->unauthorised - facts->chance),
                              .is_partial = facts->is_partial};

    v.gain_count = gains_of(r, WARD_KNOWS_LABELLED, v.gains);
    v.pair_gain_count = gains_of(r, WARD_KNOWS_PAIRS, v.pair_gains);
    find_without_labels(r, &v);
    find_needs(&v);
    find_cost(r, facts, &v);
    v.readout = reading(r, raid_readout.name);
    v.readout_control = reading(r, raid_readout_control.name);
    flags_raise(r, subject, facts, &v);
    write_sentence(r, &v);
    *out = v;
}
