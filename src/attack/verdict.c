/*
 * What the cells come to: advantages, the labels that are needed, the flags. Each flag is a
 * function of what was measured, and says where it was raised.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attack/record.h"

/* Thresholds of docs/redteam.md; accuracies are fractions. */
static const double clearly = 0.02;      /* a difference that is no accident */
static const double zero_share = 0.5;    /* of images without any gradient */
static const double jump = 0.30;         /* between neighbouring amounts */
static const double seed_range = 0.10;   /* between adversaries */
static const double masked = 0.05;       /* without F's gradient, by who knows labels */
static const double close_enough = 0.01; /* to the authorised accuracy */

enum { FEW_LABELS = 100 };

/* ---- what is known of an attack at an amount ---- */

struct mean {
    double accuracy, choice, low, high, images; /* low, high: the range of the accuracies */
    size_t count;
};

static bool is_of(const ward_redteam_cell *c, const char *attack, ward_knowledge knows,
                  uint64_t amount)
{
    return c->is_done && c->knows == knows && c->amount == amount && strcmp(c->attack, attack) == 0;
}

static struct mean mean_of(const ward_redteam_result *r, const ward_redteam_cell *like)
{
    struct mean m = {.low = INFINITY, .high = -INFINITY};

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        if (!is_of(c, like->attack, like->knows, like->amount))
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

static bool is_control(const ward_redteam_cell *c)
{
    const struct raid *raid = suite_raid_of(c);

    return !raid || raid->is_control;
}

static const ward_redteam_cell *find(const ward_redteam_result *r, const char *attack,
                                     ward_knowledge knows, uint64_t amount)
{
    for (size_t i = 0; i < r->cell_count; i++)
        if (is_of(&r->cells[i], attack, knows, amount))
            return &r->cells[i];
    return NULL;
}

static const ward_redteam_cell *find_scratch(const ward_redteam_result *r, uint64_t amount)
{
    return find(r, raid_scratch.name, WARD_KNOWS_LABELLED, amount);
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

/* The attack that a thief would keep: the best where choices are made. NULL if none was done. */
static const ward_redteam_cell *best_within(const ward_redteam_result *r, ward_knowledge knows,
                                            uint64_t amount)
{
    const ward_redteam_cell *best = NULL;
    double choice = -1;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];
        double found;

        if (!c->is_done || is_control(c) || !is_within(c, knows, amount))
            continue;
        found = mean_of(r, c).choice;
        if (found > choice) {
            choice = found;
            best = c;
        }
    }
    return best;
}

/* Student's t for 95 %, two-sided. */
static double student(size_t trials)
{
    static const double t[] = {12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26};

    return trials < 2 ? 0 : trials - 2 < sizeof t / sizeof t[0] ? t[trials - 2] : 1.96;
}

/* Half of the interval of a difference: adversaries differ, and test images are a sample. */
static double half_interval(const ward_redteam_result *r, const ward_redteam_cell *a,
                            const ward_redteam_cell *b)
{
    double sum = 0, squares = 0, p = mean_of(r, a).accuracy, q = mean_of(r, b).accuracy, n = 0;
    double sample = (p * (1 - p) + q * (1 - q)) / (double)r->test_count, spread = 0;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        for (size_t j = 0; j < r->cell_count && is_of(c, a->attack, a->knows, a->amount); j++) {
            const ward_redteam_cell *d = &r->cells[j];

            if (!is_of(d, b->attack, b->knows, b->amount) || c->trial != d->trial)
                continue;
            sum += c->accuracy - d->accuracy;
            squares += (c->accuracy - d->accuracy) * (c->accuracy - d->accuracy);
            n++;
        }
    }
    if (n > 1)
        spread = student((size_t)n) * sqrt(fmax(0, squares / n - sum / n * (sum / n)) / (n - 1));
    return spread + 1.96 * sqrt(sample);
}

static bool gain_at(const ward_redteam_result *r, ward_knowledge knows, uint64_t amount,
                    ward_redteam_gain *out)
{
    const ward_redteam_cell *best = best_within(r, knows, amount);
    const ward_redteam_cell *scratch = find_scratch(r, amount);
    ward_redteam_gain gain = {.amount = amount,
                              .best = (double)NAN,
                              .scratch = (double)NAN,
                              .advantage = (double)NAN,
                              .low = (double)NAN,
                              .high = (double)NAN};

    if (!best)
        return false;
    gain.attack = best->attack;
    gain.best = mean_of(r, best).accuracy;
    if (scratch) {
        double half = half_interval(r, best, scratch);

        gain.scratch = mean_of(r, scratch).accuracy;
        gain.advantage = gain.best - gain.scratch;
        gain.low = gain.advantage - half;
        gain.high = gain.advantage + half;
    }
    *out = gain;
    return true;
}

/* At every amount of a kind for which an attack was done, ascending. */
static size_t gains_of(const ward_redteam_result *r, ward_knowledge knows, ward_redteam_gain *out)
{
    uint64_t last = 0;
    size_t count = 0;

    while (count < WARD_REDTEAM_AMOUNTS) {
        uint64_t next = UINT64_MAX;

        for (size_t i = 0; i < r->cell_count; i++) {
            const ward_redteam_cell *c = &r->cells[i];

            if (c->is_done && c->knows == knows && !is_control(c) && c->amount > last &&
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

/* Interpolated in the logarithm of the amount; infinite if it is not reached. */
static double needed(const ward_redteam_gain *gains, size_t count, bool of_scratch, double wanted)
{
    double last_k = 0, last = 0;

    for (size_t i = 0; i < count; i++) {
        double k = (double)gains[i].amount;
        double accuracy = of_scratch ? gains[i].scratch : gains[i].best;

        if (isnan(accuracy))
            continue;
        if (accuracy >= wanted)
            return last_k > 0 ? last_k * pow(k / last_k, (wanted - last) / (accuracy - last)) : k;
        last_k = k;
        last = accuracy;
    }
    return INFINITY;
}

static void find_needs(ward_redteam_verdict *v)
{
    double wanted = v->authorised - close_enough;
    double largest = v->gain_count > 0 ? (double)v->gains[v->gain_count - 1].amount : 0;

    v->needs_attack = needed(v->gains, v->gain_count, false, wanted);
    v->needs_scratch = needed(v->gains, v->gain_count, true, wanted);
    v->ratio_is_bound = isinf(v->needs_scratch);
    v->needs_ratio = isinf(v->needs_attack)    ? (double)NAN
                     : isinf(v->needs_scratch) ? v->needs_attack / largest
                                               : v->needs_attack / v->needs_scratch;
}

/* ---- flags ---- */

BASE_PRINTF(3, 4)
static void raise(ward_redteam_verdict *v, const char *name, const char *format, ...)
{
    ward_redteam_flag *flag = &v->flags[v->flag_count];
    va_list arguments;

    for (size_t i = 0; i < v->flag_count; i++)
        if (strcmp(v->flags[i].name, name) == 0)
            return;
    if (v->flag_count == WARD_REDTEAM_FLAGS)
        return;
    flag->name = name;
    va_start(arguments, format);
    vsnprintf(flag->detail, sizeof flag->detail, format, arguments);
    va_end(arguments);
    v->flag_count++;
}

static double percent(double fraction)
{
    return 100 * fraction;
}

/* F knows the class and avoids it: what it hides can be read off. */
static void flag_below_chance(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    double error = sqrt(v->chance * (1 - v->chance) / (double)r->test_count);

    if (v->unauthorised < v->chance - 3 * error)
        raise(v, "below-chance", "%.2f %% on raw images, where guessing gives %.2f %%",
              percent(v->unauthorised), percent(v->chance));
}

static void flag_no_gradient(const struct record_facts *facts, ward_redteam_verdict *v)
{
    if (facts->zero_gradients > zero_share)
        raise(v, "no-gradient", "F's input gradient is zero on %.0f %% of raw images",
              percent(facts->zero_gradients));
}

static bool is_black_box(const ward_redteam_cell *c)
{
    return strcmp(c->attack, raid_black_box.name) == 0;
}

static void flag_black_box(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i], *white;

        if (!c->is_done || !is_black_box(c))
            continue;
        white = find(r, raid_universal.name, c->knows, c->amount);
        if (white && mean_of(r, c).accuracy > fmax(mean_of(r, white).accuracy, v->chance) + clearly)
            raise(v, "black-box-better", "at %ju: %.1f %% without gradients, %.1f %% with",
                  (uintmax_t)c->amount, percent(mean_of(r, c).accuracy),
                  percent(mean_of(r, white).accuracy));
    }
}

/* The next larger amount at which the same attack was done. */
static const ward_redteam_cell *neighbour(const ward_redteam_result *r, const ward_redteam_cell *of)
{
    const ward_redteam_cell *next = NULL;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        if (is_of(c, of->attack, of->knows, c->amount) && c->amount > of->amount &&
            (!next || c->amount < next->amount))
            next = c;
    }
    return next;
}

static void flag_jump(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i], *next;
        double before, after;

        if (!c->is_done || c->knows == WARD_KNOWS_NOTHING || is_control(c))
            continue;
        next = neighbour(r, c);
        before = mean_of(r, c).accuracy;
        after = next ? mean_of(r, next).accuracy : before;
        if (after - before > jump)
            raise(v, "jump", "%s: %.1f %% at %ju, %.1f %% at %ju", c->attack, percent(before),
                  (uintmax_t)c->amount, percent(after), (uintmax_t)next->amount);
    }
}

/* A dead network is not a locked one. */
static void flag_dead(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i], *scratch;

        if (!c->is_done || strcmp(c->attack, raid_fine_tune.name) != 0 || c->amount > FEW_LABELS)
            continue;
        scratch = find_scratch(r, c->amount);
        if (scratch && mean_of(r, c).accuracy < mean_of(r, scratch).accuracy - clearly)
            raise(v, "dead-network", "at %ju labels fine-tuning gives %.1f %%, scratch %.1f %%",
                  (uintmax_t)c->amount, percent(mean_of(r, c).accuracy),
                  percent(mean_of(r, scratch).accuracy));
    }
}

/* The best merit of a cell's tries that are (not) leaky and have (no) finite bound. */
static double best_try(const ward_redteam_cell *c, int is_leaky, int is_bounded)
{
    double best = (double)NAN;

    for (size_t i = 0; i < c->try_count; i++) {
        const ward_redteam_try *t = &c->tries[i];

        if ((is_leaky >= 0 && t->is_leaky != (is_leaky > 0)) ||
            (is_bounded >= 0 && (isnan(t->bound) || isfinite(t->bound) != (is_bounded > 0))))
            continue;
        best = fmax(best, t->accuracy);
    }
    return best;
}

/* More room can only help who knows the labels, unless gradients mislead. */
static void flag_bound(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];
        double bounded = best_try(c, -1, 1), unbounded = best_try(c, -1, 0);

        if (c->is_done && c->knows == WARD_KNOWS_LABELLED && bounded > unbounded + clearly)
            raise(v, "bound", "%s at %ju: %.1f %% within a bound, %.1f %% without", c->attack,
                  (uintmax_t)c->amount, percent(bounded), percent(unbounded));
    }
}

static bool is_called(const ward_redteam_cell *c, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(c->attack, names[i]) == 0)
            return true;
    return false;
}

/* Whether the attack does again, without F's own gradient, what another does by it. */
static bool does_again(const ward_redteam_cell *c, const ward_redteam_cell *other)
{
    static const char *const searches[] = {"universal", "infomax", "learned-transform",
                                           "fine-tune"};

    if (is_black_box(c))
        return is_called(other, searches, 1); /* it looks for a pattern, too */
    return strcmp(c->attack, raid_another_backward_labelled.name) == 0 &&
           is_called(other, searches, sizeof searches / sizeof searches[0]);
}

/* What F's own gradient gave the adversary of a cell: there, and in the attacks that it does
 * again. NaN: he has not gone by it. */
static double best_by_gradient(const ward_redteam_result *r, const ward_redteam_cell *c)
{
    double best = is_black_box(c) ? (double)NAN : best_try(c, 0, -1);

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *other = &r->cells[i];

        if (other->is_done && other->knows == c->knows && other->amount == c->amount &&
            other->trial == c->trial && does_again(c, other))
            best = fmax(best, best_try(other, 0, -1));
    }
    return best;
}

/* By another backward pass, or without any gradient. Below chance nothing is better than anything,
 * and who chooses without labels may choose badly, which is no sign either. */
static void flag_masked(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];
        double by = c->knows == WARD_KNOWS_UNLABELLED ? 2 * masked : masked;
        double plain = best_by_gradient(r, c);
        double other = is_black_box(c) ? best_try(c, -1, -1) : best_try(c, 1, -1);

        if (c->is_done && !isnan(plain) && other > fmax(plain, v->chance) + by)
            raise(v, "masked-gradient", "%s at %ju: %.1f %% by F's gradient, %.1f %% by %s",
                  c->attack, (uintmax_t)c->amount, percent(plain), percent(other),
                  is_black_box(c) ? "none" : "another");
    }
}

/* Of the attacks that figures are taken from. */
static void flag_seed(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < v->gain_count; i++) {
        const ward_redteam_cell *best = best_within(r, WARD_KNOWS_LABELLED, v->gains[i].amount);
        struct mean m = mean_of(r, best);

        if (m.count > 1 && m.high - m.low > seed_range)
            raise(v, "seed", "%s at %ju: from %.1f to %.1f %% over %zu adversaries", best->attack,
                  (uintmax_t)best->amount, percent(m.low), percent(m.high), m.count);
    }
}

static void raise_flags(const ward_redteam_result *r, const struct record_facts *facts,
                        ward_redteam_verdict *v)
{
    flag_below_chance(r, v);
    flag_no_gradient(facts, v);
    flag_black_box(r, v);
    flag_jump(r, v);
    flag_dead(r, v);
    flag_bound(r, v);
    flag_masked(r, v);
    flag_seed(r, v);
}

/* ---- the rest ---- */

/* The largest amount of at most FEW_LABELS; 0: none. */
static uint64_t few_labels(const ward_redteam_result *r, const char *attack)
{
    uint64_t amount = 0;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        if (is_of(c, attack, WARD_KNOWS_LABELLED, c->amount) && c->amount <= FEW_LABELS &&
            c->amount > amount)
            amount = c->amount;
    }
    return amount;
}

static double reading(const ward_redteam_result *r, const char *attack)
{
    const ward_redteam_cell *c = find(r, attack, WARD_KNOWS_LABELLED, few_labels(r, attack));

    return c ? mean_of(r, c).accuracy : (double)NAN;
}

static void find_without_labels(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    const ward_redteam_cell *best = best_within(r, WARD_KNOWS_NOTHING, UINT32_MAX);

    v->without_labels = (ward_redteam_gain){.scratch = (double)NAN,
                                            .advantage = (double)NAN,
                                            .low = (double)NAN,
                                            .high = (double)NAN,
                                            .best = (double)NAN};
    if (!best)
        return;
    v->without_labels.attack = best->attack;
    v->without_labels.amount = best->amount;
    v->without_labels.best = mean_of(r, best).accuracy;
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
    char *at = v->sentence;
    size_t room = sizeof v->sentence;
    int len;

    if (!g) {
        snprintf(at, room, "Not enough was measured to say what the lock is worth.");
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
    if (v->flag_count > 0)
        snprintf(at, room, " %zu flag%s below: read them before you rely on a figure.",
                 v->flag_count, v->flag_count == 1 ? "" : "s");
}

static void find_cost(const ward_redteam_result *r, const struct record_facts *facts,
                      ward_redteam_verdict *v)
{
    const ward_redteam_gain *g = main_gain(v);
    const ward_redteam_cell *best = g ? best_within(r, WARD_KNOWS_LABELLED, g->amount) : NULL;

    v->cost = best ? mean_of(r, best).images / facts->training : (double)NAN;
}

void verdict_make(const ward_redteam_result *r, const struct record_facts *facts,
                  ward_redteam_verdict *out)
{
    ward_redteam_verdict v = {.authorised = facts->authorised,
                              .unauthorised = facts->unauthorised,
                              .chance = facts->chance,
                              .from_chance = fabs(facts->unauthorised - facts->chance)};

    v.gain_count = gains_of(r, WARD_KNOWS_LABELLED, v.gains);
    v.pair_gain_count = gains_of(r, WARD_KNOWS_PAIRS, v.pair_gains);
    find_needs(&v);
    find_without_labels(r, &v);
    find_cost(r, facts, &v);
    v.readout = reading(r, raid_readout.name);
    v.readout_control = reading(r, raid_readout_control.name);
    raise_flags(r, facts, &v);
    write_sentence(r, &v);
    *out = v;
}
