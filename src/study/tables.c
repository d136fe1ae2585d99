/* Tables as numbers, and what is asked of them: see tables.h. */
#include "study/tables.h"

#include <math.h>
#include <stdio.h>

#include "base/util.h"
#include "report/paper.h"

/* What is asked of the results, as fractions: how far an accuracy may lie below another, how large
 * it may be, and from which distance on it wants an explanation. */
static const double bar_below_paper = 0.005, bar_below_baseline = 0.003, bar_unauthorised = 0.03,
                    bar_standard_errors = 2, bar_explain = 0.05;

/* ---- means ---- */

/* Mean and standard deviation of numbers that come one by one (Welford). */
struct series {
    size_t n;
    double mean, squares;
};

static void series_add(struct series *s, double value)
{
    double before = value - s->mean;

    s->n++;
    s->mean += before / (double)s->n;
    s->squares += before * (value - s->mean);
}

static struct study_number series_number(const struct series *s, double paper)
{
    return (struct study_number){
        .mean = s->n > 0 ? s->mean : (double)NAN,
        .sd = s->n > 1 ? sqrt(s->squares / (double)(s->n - 1)) : (double)NAN,
        .paper = paper,
    };
}

double study_difference(const struct study_number *number)
{
    return number->mean - number->paper;
}

struct study_cell study_cell_of(const struct study *study, const struct study_network *network,
                                ward_method method)
{
    struct paper_cell paper = paper_accuracy(network->data, network->arch, method);
    struct study_cell cell = {.network = network, .method = method};
    struct series authorised = {.n = 0}, unauthorised = {.n = 0};

    for (size_t i = 0; i < study->run_count; i++) {
        const struct study_run *run = &study->runs[i];

        if (run->network != network || run->method != method)
            continue;
        cell.wanted++;
        if (!run->is_evaluated)
            continue;
        cell.n++;
        series_add(&authorised, run->evaluation.authorised);
        if (method != WARD_METHOD_BASELINE)
            series_add(&unauthorised, run->evaluation.unauthorised);
    }
    cell.authorised = series_number(&authorised, paper.authorised);
    cell.unauthorised = series_number(&unauthorised, paper.unauthorised);
    return cell;
}

struct study_row study_row_of(const struct study_trials *trials)
{
    const struct study_network *network = trials->run->network;
    const struct study_attack *attack = trials->attack;
    struct paper_attack paper =
        paper_attack(network->data, network->arch, trials->run->method, attack->attack,
                     attack->pairs > 0 ? attack->pairs : (double)NAN);
    struct study_row row = {
        .trials = trials, .best = (double)NAN, .paper_best = paper.best, .chosen = (double)NAN};
    struct series accuracy = {.n = 0};

    row.n = min_size(trials->scores.trial_count, (size_t)trials->wanted);
    for (size_t i = 0; i < row.n; i++) {
        series_add(&accuracy, trials->scores.accuracy[i]);
        row.best = fmax(row.best, trials->scores.accuracy[i]);
    }
    if (row.n > 0 && row.n == trials->scores.trial_count)
        row.chosen = trials->scores.chosen;
    row.accuracy = series_number(&accuracy, paper.mean);
    row.is_far = fabs(study_difference(&row.accuracy)) > bar_explain;
    return row;
}

/* ---- bars ---- */

enum study_verdict study_bar_verdict(const struct study_bar *bar)
{
    if (bar->held < bar->known)
        return STUDY_FAILS;
    return bar->known == bar->count ? STUDY_HOLDS : STUDY_UNKNOWN;
}

/* One more number that has to meet a bar: slack >= 0 does, NaN is not known. */
static void bar_add(struct study_bar *bar, double slack, const struct study_network *network,
                    ward_method method, const char *attack)
{
    bar->count++;
    if (isnan(slack))
        return;
    bar->known++;
    bar->held += slack >= 0;
    if (bar->slack <= slack)
        return;
    bar->slack = slack;
    snprintf(bar->where, sizeof bar->where, "%s %s %s%s%s", network->data, network->arch,
             ward_method_name(method), attack ? ", " : "", attack ? attack : "");
}

static double when_whole(const struct study_cell *cell, double slack)
{
    return cell->n == cell->wanted ? slack : (double)NAN;
}

/* The standard error of the difference of two means, by the spread over seeds; 0 where a spread is
 * not known. */
static double standard_error(const struct study_cell *a, const struct study_cell *b)
{
    double square = a->authorised.sd * a->authorised.sd / (double)a->n +
                    b->authorised.sd * b->authorised.sd / (double)b->n;

    return isfinite(square) ? sqrt(square) : 0;
}

static void check_accuracies(const struct study *study, const struct study_network *network,
                             struct study_bar *paper, struct study_bar *baseline,
                             struct study_bar *unauthorised)
{
    struct study_cell base = study_cell_of(study, network, WARD_METHOD_BASELINE);

    for (int m = 0; m < STUDY_METHODS; m++) {
        struct study_cell cell = study_cell_of(study, network, (ward_method)m);
        double below = bar_standard_errors * standard_error(&cell, &base);

        bar_add(paper, when_whole(&cell, study_difference(&cell.authorised) + bar_below_paper),
                network, cell.method, NULL);
        if (m == WARD_METHOD_LEARNED || m == WARD_METHOD_GENERATOR)
            bar_add(
                baseline,
                when_whole(&base, when_whole(&cell, cell.authorised.mean - base.authorised.mean +
                                                        fmax(bar_below_baseline, below))),
                network, cell.method, NULL);
        if (m != WARD_METHOD_BASELINE)
            bar_add(unauthorised, when_whole(&cell, bar_unauthorised - cell.unauthorised.mean),
                    network, cell.method, NULL);
    }
}

/* By the seconds of trials on one thread, what so many take on two cores. Only whether that is
 * fast enough is kept: a time is never the same twice. */
static void check_time(struct study_bar *bar, const struct study_row *row, double minutes)
{
    const struct attack_scores *s = &row->trials->scores;
    double took = s->seconds / (double)s->trial_count * STUDY_TRIALS / 2 / 60;
    double slack = s->trial_count == 0 ? (double)NAN : took <= minutes ? 0 : -1;

    bar_add(bar, slack, row->trials->run->network, row->trials->run->method,
            row->trials->attack->title);
}

static void check_attacks(const struct study *study, struct study_bar *direct,
                          struct study_bar *repeated, struct study_bar *input_time,
                          struct study_bar *pair_time)
{
    const double input_minutes = 12, pair_minutes = 90;

    for (size_t i = 0; i < study->trials_count; i++) {
        struct study_row row = study_row_of(&study->attacks[i]);
        const struct study_run *run = row.trials->run;
        const struct study_attack *attack = row.trials->attack;
        double missing = row.n < row.trials->wanted ? (double)NAN : (double)row.n - STUDY_TRIALS;

        if (!attack->is_repeated && attack->methods & 1u << WARD_METHOD_GENERATOR)
            bar_add(direct, bar_unauthorised - row.accuracy.mean, run->network, run->method, NULL);
        if (!attack->is_repeated)
            continue;
        bar_add(repeated, missing, run->network, run->method, attack->title);
        if (attack->pairs > 0)
            check_time(pair_time, &row, pair_minutes);
        else
            check_time(input_time, &row, input_minutes);
    }
}

static void check_figures(const struct study *study, struct study_bar *bar)
{
    for (size_t i = 0; i < study->figure_count; i++) {
        const struct study_figure *f = &study->figures[i];

        for (int j = 1; j < STUDY_PROTECTED; j++)
            bar_add(bar, f->is_done ? f->rms[0] - f->rms[j] : (double)NAN, f->network,
                    f->runs[j]->method, NULL);
    }
}

void study_bars(const struct study *study, struct study_bar bars[STUDY_BARS])
{
    static const char *const texts[STUDY_BARS] = {
        "authorised: at most 0.5 points below the paper",
        "learned, generator: at most 0.3 points or 2 standard errors below our baseline",
        "unauthorised: at most 3 %",
        "direct attack: at most 3 %",
        "repeated attacks: 100 trials each",
        "100 input-only trials: at most 12 minutes on 2 cores",
        "100 pair trials: at most 90 minutes on 2 cores",
        "learned, generator: smaller perturbations than fixed (root mean square)",
    };
    const struct study_network *network;

    for (int i = 0; i < STUDY_BARS; i++)
        bars[i] = (struct study_bar){.text = texts[i], .slack = INFINITY};
    for (size_t i = 0; (network = study_network(i)); i++)
        check_accuracies(study, network, &bars[0], &bars[1], &bars[2]);
    check_attacks(study, &bars[3], &bars[4], &bars[5], &bars[6]);
    check_figures(study, &bars[7]);
    for (int i = 0; i < STUDY_BARS; i++)
        if (isinf(bars[i].slack))
            bars[i].slack = (double)NAN;
}
