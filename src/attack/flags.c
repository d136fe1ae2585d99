/*
 * The flags of a verdict. Each is a function of what was measured, and says where it was raised.
 * docs/redteam.md says what each means.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attack/verdict.h"

/* Thresholds of docs/redteam.md; accuracies are fractions. */
static const double clearly = 0.02;    /* a difference that is no accident */
static const double of_chance = 0.2;   /* clearly, where chance is small */
static const double zero_share = 0.5;  /* of images without any gradient */
static const double jump = 0.30;       /* between neighbouring amounts, beyond scratch */
static const double seed_range = 0.10; /* between adversaries */
static const double masked = 0.05;     /* without F's gradient, by who knows labels */

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

/* F knows the class and avoids it: what it hides can be read off. Standard errors are of guesses
 * that do not depend on each other; but F may give whole classes one answer that a hair decides,
 * and is then off by a point or so either way without knowing anything. */
static void flag_below_chance(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    double error = sqrt(v->chance * (1 - v->chance) / (double)r->test_count);
    double tolerated = fmin(clearly, of_chance * v->chance);

    if (v->unauthorised < v->chance - fmax(3 * error, tolerated))
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
        white = cells_find(r, raid_universal.name, c->knows, c->amount);
        if (white &&
            cells_mean(r, c).accuracy > fmax(cells_mean(r, white).accuracy, v->chance) + clearly)
            raise(v, "black-box-better", "at %ju: %.1f %% without gradients, %.1f %% with",
                  (uintmax_t)c->amount, percent(cells_mean(r, c).accuracy),
                  percent(cells_mean(r, white).accuracy));
    }
}

/* The next larger amount at which the same attack was done. */
static const ward_redteam_cell *neighbour(const ward_redteam_result *r, const ward_redteam_cell *of)
{
    const ward_redteam_cell *next = NULL;

    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];

        if (cell_is_of(c, of->attack, of->knows, c->amount) && c->amount > of->amount &&
            (!next || c->amount < next->amount))
            next = c;
    }
    return next;
}

/* What training without F gives who holds so much of a kind: a pair or an answer of the service is
 * a label, too. NULL: not known, or nothing, as images alone teach nothing. */
static const ward_redteam_cell *without_f(const ward_redteam_result *r, ward_knowledge knows,
                                          uint64_t amount)
{
    return knows == WARD_KNOWS_UNLABELLED ? NULL : cells_scratch(r, amount);
}

/* From one amount to the next: what an attack rises by, and how much of that needs no F. */
struct rise {
    double before, after;
    double scratch_before, scratch_after; /* NaN: not both are known */
};

static struct rise rise_of(const ward_redteam_result *r, const ward_redteam_cell *c,
                           const ward_redteam_cell *next)
{
    const ward_redteam_cell *from = without_f(r, c->knows, c->amount);
    const ward_redteam_cell *to = without_f(r, c->knows, next->amount);
    bool is_known = from && to;

    return (struct rise){
        .before = cells_mean(r, c).accuracy,
        .after = cells_mean(r, next).accuracy,
        .scratch_before = is_known ? cells_mean(r, from).accuracy : (double)NAN,
        .scratch_after = is_known ? cells_mean(r, to).accuracy : (double)NAN,
    };
}

/* fmax() takes the number if the other is none. */
static double beyond_scratch(const struct rise *rise)
{
    return rise->after - rise->before - fmax(0, rise->scratch_after - rise->scratch_before);
}

static void raise_jump(const ward_redteam_cell *c, const ward_redteam_cell *next,
                       const struct rise *rise, ward_redteam_verdict *v)
{
    char scratch[48] = "";

    if (!isnan(rise->scratch_before))
        snprintf(scratch, sizeof scratch, "; scratch %.1f and %.1f %%",
                 percent(rise->scratch_before), percent(rise->scratch_after));
    raise(v, "jump", "%s: %.1f %% at %ju, %.1f %% at %ju%s", c->attack, percent(rise->before),
          (uintmax_t)c->amount, percent(rise->after), (uintmax_t)next->amount, scratch);
}

/* F opens somewhere between two amounts; what more images teach anybody is no sign of that. */
static void flag_jump(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i], *next;
        struct rise rise;

        if (!c->is_done || c->knows == WARD_KNOWS_NOTHING || cell_is_control(c))
            continue;
        next = neighbour(r, c);
        if (!next)
            continue;
        rise = rise_of(r, c, next);
        if (beyond_scratch(&rise) > jump)
            raise_jump(c, next, &rise, v);
    }
}

/* What an architecture learned from nothing, in a cell of scratch; NaN: it was not tried. */
static double best_of_arch(const ward_redteam_cell *c, const char *arch)
{
    double best = (double)NAN;

    for (size_t i = 0; i < c->try_count; i++)
        if (scratch_is_of(&c->tries[i], arch))
            best = fmax(best, c->tries[i].accuracy);
    return best;
}

/* Means where choices are made, over adversaries with so many labels who did both. */
struct starts {
    double from_f, from_nothing;
    size_t count;
};

static void add_start(struct starts *s, const ward_redteam_cell *tuned,
                      const ward_redteam_cell *scratch, const char *arch)
{
    double fresh = best_of_arch(scratch, arch);

    if (tuned->trial != scratch->trial || isnan(fresh))
        return;
    s->from_f += tuned->choice;
    s->from_nothing += fresh;
    s->count++;
}

static bool is_tuned(const ward_redteam_cell *c, uint64_t amount)
{
    return cell_is_of(c, raid_fine_tune.name, WARD_KNOWS_LABELLED, amount);
}

/* Whether the i-th cell is the first of those of its amount that are done. */
static bool is_first_tuned(const ward_redteam_result *r, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (is_tuned(&r->cells[j], r->cells[i].amount))
            return false;
    return is_tuned(&r->cells[i], r->cells[i].amount);
}

static struct starts starts_at(const ward_redteam_result *r, uint64_t amount, const char *arch)
{
    struct starts s = {.count = 0};

    for (size_t i = 0; i < r->cell_count; i++)
        for (size_t j = 0; is_tuned(&r->cells[i], amount) && j < r->cell_count; j++)
            if (cell_is_of(&r->cells[j], raid_scratch.name, WARD_KNOWS_LABELLED, amount))
                add_start(&s, &r->cells[i], &r->cells[j], arch);
    s.from_f /= (double)s.count;
    s.from_nothing /= (double)s.count;
    return s;
}

/* A dead network is not a locked one: it is a worse start than none for the layers that it is made
 * of. Other layers, which scratch may do better with, say nothing of its weights. */
static void flag_dead(const ward_redteam_result *r, const char *arch, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];
        struct starts s;

        if (c->amount > FEW_LABELS || !is_first_tuned(r, i))
            continue;
        s = starts_at(r, c->amount, arch);
        if (s.count > 0 && s.from_f < s.from_nothing - clearly)
            raise(v, "dead-network",
                  "at %ju labels fine-tuning gives %.1f %%, %s from nothing "
                  "%.1f %%, where choices are made",
                  (uintmax_t)c->amount, percent(s.from_f), arch, percent(s.from_nothing));
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

/* Whoever repeats what another has chosen has not gone by every gradient that he compares with. */
static bool has_tried_all(const ward_redteam_result *r, const ward_redteam_cell *c)
{
    return c->trial == 0 || !suite_budget(r->settings.budget)->repeats;
}

/* By another backward pass, or without any gradient. Below chance nothing is better than anything,
 * and who chooses without labels may choose badly, which is no sign either. Who holds pairs goes by
 * what processed images look like, too, and at another rate. */
static void flag_masked(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < r->cell_count; i++) {
        const ward_redteam_cell *c = &r->cells[i];
        double by = c->knows == WARD_KNOWS_UNLABELLED ? 2 * masked : masked;
        double plain = best_by_gradient(r, c);
        double other = is_black_box(c) ? best_try(c, -1, -1) : best_try(c, 1, -1);

        if (c->is_done && c->knows != WARD_KNOWS_PAIRS && has_tried_all(r, c) && !isnan(plain) &&
            other > fmax(plain, v->chance) + by)
            raise(v, "masked-gradient", "%s at %ju: %.1f %% by F's gradient, %.1f %% by %s",
                  c->attack, (uintmax_t)c->amount, percent(plain), percent(other),
                  is_black_box(c) ? "none" : "another");
    }
}

/* Of the attacks that figures are taken from. */
static void flag_seed(const ward_redteam_result *r, ward_redteam_verdict *v)
{
    for (size_t i = 0; i < v->gain_count; i++) {
        const ward_redteam_cell *best = cells_best(r, WARD_KNOWS_LABELLED, v->gains[i].amount);
        struct mean m = cells_mean(r, best);

        if (m.count > 1 && m.high - m.low > seed_range)
            raise(v, "seed", "%s at %ju: from %.1f to %.1f %% over %zu adversaries", best->attack,
                  (uintmax_t)best->amount, percent(m.low), percent(m.high), m.count);
    }
}

void flags_raise(const ward_redteam_result *r, const struct record_subject *subject,
                 const struct record_facts *facts, ward_redteam_verdict *v)
{
    flag_below_chance(r, v);
    flag_no_gradient(facts, v);
    flag_black_box(r, v);
    flag_jump(r, v);
    flag_dead(r, subject->arch, v);
    flag_bound(r, v);
    flag_masked(r, v);
    flag_seed(r, v);
}
