/* Suite v1 on the command line: see redteam.h. */
#include "redteam.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "stop.h"

/* ---- while it runs ---- */

static bool on_progress(void *context, const ward_redteam_progress *p)
{
    struct progress *progress = context;
    char line[160], left[32];

    if (p->event)
        progress_note(progress, p->event);
    if (p->last) {
        snprintf(line, sizeof(line), "%s %s, %" PRIu64 ": %.2f %% (%s)", p->last->id,
                 p->last->attack, p->last->amount, 100 * p->last->accuracy, p->last->chosen);
        progress_note(progress, line);
    }
    if (progress_is_due(progress)) {
        progress_time(left, sizeof(left), p->seconds_left);
        if (isfinite(p->seconds_left))
            progress_draw(progress, "%" PRIu64 " of %" PRIu64 " adversaries  about %s left",
                          p->done, p->count, left);
        else
            progress_draw(progress, "%" PRIu64 " of %" PRIu64 " adversaries", p->done, p->count);
    }
    return !stop_is_asked();
}

/* ---- a table ---- */

enum { COLUMNS = 12, NAME_WIDTH = 30 };

struct table {
    const ward_redteam_result *result;
    ward_knowledge knows;
    uint64_t amounts[COLUMNS];
    size_t count;
};

/* Amounts of one kind of knowledge, ascending. */
static void find_columns(struct table *t)
{
    for (size_t i = 0; i < t->result->cell_count; i++) {
        const ward_redteam_cell *c = &t->result->cells[i];
        size_t at = t->count;

        if (!c->is_done || c->knows != t->knows)
            continue;
        while (at > 0 && t->amounts[at - 1] > c->amount)
            at--;
        if ((at > 0 && t->amounts[at - 1] == c->amount) || t->count == COLUMNS)
            continue;
        memmove(&t->amounts[at + 1], &t->amounts[at], (t->count - at) * sizeof(t->amounts[0]));
        t->amounts[at] = c->amount;
        t->count++;
    }
}

/* NaN if there was none. */
static double mean_at(const struct table *t, const char *attack, uint64_t amount)
{
    double sum = 0, count = 0;

    for (size_t i = 0; i < t->result->cell_count; i++) {
        const ward_redteam_cell *c = &t->result->cells[i];

        if (c->is_done && c->knows == t->knows && c->amount == amount &&
            strcmp(c->attack, attack) == 0) {
            sum += c->accuracy;
            count++;
        }
    }
    return sum / count;
}

static void print_cell(double fraction)
{
    if (isfinite(fraction))
        printf(" %8.2f", 100 * fraction);
    else
        printf(" %8s", "-");
}

static void print_name(const char *id, const char *name)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%s%s", id, *id ? "  " : "", name);
    printf("%-*s", NAME_WIDTH, text);
}

static bool is_first_row(const struct table *t, size_t at)
{
    const ward_redteam_cell *cells = t->result->cells;

    if (!cells[at].is_done || cells[at].knows != t->knows)
        return false;
    for (size_t i = 0; i < at; i++)
        if (cells[i].is_done && cells[i].knows == t->knows &&
            strcmp(cells[i].attack, cells[at].attack) == 0)
            return false;
    return true;
}

static void print_rows(const struct table *t)
{
    for (size_t i = 0; i < t->result->cell_count; i++) {
        const ward_redteam_cell *c = &t->result->cells[i];

        if (!is_first_row(t, i))
            continue;
        print_name(c->id, c->attack);
        for (size_t k = 0; k < t->count; k++)
            print_cell(mean_at(t, c->attack, t->amounts[k]));
        putchar('\n');
    }
}

static const ward_redteam_gain *gain_at(const ward_redteam_gain *gains, size_t count, uint64_t k)
{
    for (size_t i = 0; i < count; i++)
        if (gains[i].amount == k)
            return &gains[i];
    return NULL;
}

typedef double gain_value(const ward_redteam_gain *gain);

static double advantage_of(const ward_redteam_gain *g)
{
    return g->advantage;
}

static double deviation_of(const ward_redteam_gain *g)
{
    return g->deviation;
}

static double highest_of(const ward_redteam_gain *g)
{
    return g->highest;
}

static void print_values(const struct table *t, const ward_redteam_gain *gains, size_t count,
                         const char *name, gain_value *value)
{
    print_name("", name);
    for (size_t k = 0; k < t->count; k++) {
        const ward_redteam_gain *g = gain_at(gains, count, t->amounts[k]);

        print_cell(g ? value(g) : (double)NAN);
    }
    putchar('\n');
}

/* Of one adversary there is no spread. */
static void print_gains(const struct table *t, const ward_redteam_gain *gains, size_t count)
{
    bool has_spread = false;

    for (size_t i = 0; i < count; i++)
        has_spread = has_spread || isfinite(gains[i].deviation);
    print_values(t, gains, count, "best of all, less scratch", advantage_of);
    if (!has_spread)
        return;
    print_values(t, gains, count, "best of all, deviation", deviation_of);
    print_values(t, gains, count, "best of all, the luckiest", highest_of);
}

static void print_table(const ward_redteam_result *r, ward_knowledge knows, const char *head)
{
    const ward_redteam_verdict *v = &r->verdict;
    struct table t = {.result = r, .knows = knows};

    find_columns(&t);
    if (t.count == 0)
        return;
    printf("\n%-*s", NAME_WIDTH, head);
    for (size_t k = 0; k < t.count && knows != WARD_KNOWS_NOTHING; k++)
        printf(" %8" PRIu64, t.amounts[k]);
    putchar('\n');
    print_rows(&t);
    if (knows == WARD_KNOWS_LABELLED)
        print_gains(&t, v->gains, v->gain_count);
    if (knows == WARD_KNOWS_PAIRS)
        print_gains(&t, v->pair_gains, v->pair_gain_count);
}

/* ---- the verdict ---- */

static void print_needs(const char *who, double labels, const ward_redteam_verdict *v)
{
    double smallest = (double)v->gains[0].amount,
           largest = (double)v->gains[v->gain_count - 1].amount;

    if (labels <= 0)
        printf("%s no label", who);
    else if (isfinite(labels))
        printf("%s %s%.0f labels", who, labels <= smallest ? "at most " : "", labels);
    else
        printf("%s more than %.0f labels", who, largest);
}

static void print_figures(const ward_redteam_verdict *v)
{
    putchar('\n');
    if (v->gain_count > 0 && !isnan(v->authorised)) {
        printf("To come within a point of authorised: ");
        print_needs("a thief with F needs", v->needs_attack, v);
        print_needs(", without F", v->needs_scratch, v);
        putchar('\n');
    }
    if (isfinite(v->readout))
        printf("Read off F's own answers: %.2f %% (a random network: %.2f %%)\n", 100 * v->readout,
               100 * v->readout_control);
    if (isfinite(v->cost))
        printf("The best attack showed its networks %.2g times as many images as the owner's "
               "training\n",
               v->cost);
    for (size_t i = 0; i < v->flag_count; i++)
        printf("FLAG %s: %s\n", v->flags[i].name, v->flags[i].detail);
    printf("\n%s\n", v->sentence);
}

static void print(const struct redteam *call, const ward_redteam_result *r)
{
    const ward_redteam_verdict *v = &r->verdict;

    printf("%s, %s; %s test, %zu images; suite v1, %s; accuracy in %%\n", call->info->arch,
           ward_method_name(call->info->method), ward_dataset_get_info(call->data)->name,
           r->test_count, r->settings.budget);
    printf("%-*s", NAME_WIDTH, "authorised");
    print_cell(v->authorised);
    printf("\n%-*s", NAME_WIDTH, "chance");
    print_cell(v->chance);
    putchar('\n');
    print_table(r, WARD_KNOWS_NOTHING, "with F alone");
    print_table(r, WARD_KNOWS_LABELLED, "and labelled images");
    print_table(r, WARD_KNOWS_UNLABELLED, "and images without labels");
    print_table(r, WARD_KNOWS_PAIRS, "and pairs");
    print_table(r, WARD_KNOWS_QUERIES, "and answers of the service");
    print_figures(v);
}

ward_status redteam_do(const struct redteam *call, const ward_redteam_settings *settings)
{
    const ward_redteam_options how = {.directory = call->directory,
                                      .replaces = cli_has(call->cli, CLI_FORCE),
                                      .progress = on_progress,
                                      .context = call->progress};
    ward_redteam_result result;
    ward_status st = ward_redteam(call->run, call->device, call->data, settings, &how, &result);

    progress_finish(call->progress);
    if (st)
        return st;
    if (cli_has(call->cli, CLI_JSON))
        puts(result.json);
    else
        print(call, &result);
    ward_redteam_result_release(&result);
    return WARD_OK;
}
