/* Doing a suite: what adversaries hold, the file, the crew. See redteam.h. */
#include "attack/redteam.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attack/crew.h"
#include "attack/holdings.h"
#include "attack/score.h"
#include "attack/search.h"
#include "attack/verdict.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/util.h"
#include "model/run.h"
#include "ward/version.h"

enum { MAX_FILE = 1 << 28, MAX_TRIALS = 1000, BATCH = 128 };

static const uint64_t max_seed = UINT64_C(1) << 53;

struct redteam {
    const ward_run *run;
    ward_device *device;
    const ward_dataset *data;
    const ward_redteam_options *options;
    struct budget budget;
    struct record_subject subject;
    struct record_facts facts;
    struct split pool, choice;
    char *path; /* of its file; NULL: none */
    int lock;   /* of the directory; -1: none */
    ward_redteam_result result;
    ward_redteam_cell *suite; /* all cells of the budget, whatever was asked for */
    size_t suite_count;

    /* While the crew works: */
    bool *is_taken; /* [cell_count] */
    size_t workers;
    const ward_redteam_cell *last;
    double work;    /* of the cells that it has finished: see work_of() */
    double seconds; /* that those took, together, of a clock on the wall */
};

/* ---- settings ---- */

static ward_status settings_check(const ward_redteam_settings *s)
{
    if (!s->budget || !suite_budget(s->budget))
        return ward_fail(WARD_ERR_ARG, "unknown budget '%s'", s->budget ? s->budget : "");
    if (s->trials > MAX_TRIALS)
        return ward_fail(WARD_ERR_ARG, "%ju trials: not within 1 .. %d", (uintmax_t)s->trials,
                         MAX_TRIALS);
    if (s->seed > max_seed)
        return ward_fail(WARD_ERR_ARG, "seed %ju: larger than 2^53", (uintmax_t)s->seed);
    for (size_t i = 1; i < WARD_REDTEAM_LABELLED; i++)
        if (s->labelled[i] && (!s->labelled[i - 1] || s->labelled[i] <= s->labelled[i - 1]))
            return ward_fail(WARD_ERR_ARG, "amounts of labels that do not ascend: %ju, %ju",
                             (uintmax_t)s->labelled[i - 1], (uintmax_t)s->labelled[i]);
    return WARD_OK;
}

/* With time to spare, a thief may train as long as the owner did. */
static void take_budget(struct redteam *r, const ward_redteam_settings *settings)
{
    const struct budget *named = suite_budget(settings->budget);

    r->budget = *named;
    if (named->effort == 3 && r->run->training.is_known) {
        r->budget.images = r->run->training.images;
        if (r->budget.images / BATCH > named->steps)
            r->budget.steps = r->budget.images / BATCH;
    }
    if (settings->labelled[0])
        memcpy(r->budget.amounts[WARD_KNOWS_LABELLED], settings->labelled,
               sizeof settings->labelled);
    r->result.settings = *settings;
    r->result.settings.budget = named->name;
    r->result.settings.only = NULL;
    if (!settings->trials)
        r->result.settings.trials = named->trials;
}

static void describe(struct redteam *r)
{
    const ward_dataset_info *info = ward_dataset_get_info(r->data);
    const struct model *m = &r->run->model;

    r->subject = (struct record_subject){.model_id = m->id,
                                         .arch = m->net.spec.arch,
                                         .data = info->name,
                                         .device = ward_device_name(r->device),
                                         .method = m->method};
    r->facts.chance = 1.0 / (double)info->classes;
    r->facts.training = r->run->training.is_known ? (double)r->run->training.images : (double)NAN;
    r->result.test_count = info->test_count;
}

/* ---- images ---- */

/* Count of them, evenly spread: a data set may be stored class by class. */
static void thin_out(struct split *split, size_t count)
{
    for (size_t i = 0; i < count; i++)
        split->index[i] = split->index[i * split->count / count];
    split->count = (uint32_t)count;
}

/* Where the owner has kept nothing from F, adversaries hold images that it was trained on. */
static ward_status open_shares(struct redteam *r)
{
    const struct run_training *training = &r->run->training;
    bool is_divided = training->is_known && training->has_shares;
    uint64_t seed = is_divided ? training->seed : 0;
    ward_status st;

    r->result.is_disjoint = is_divided && !r->result.settings.holds_own;
    st = split_share(&r->pool, r->data, r->result.is_disjoint ? SHARE_POOL : SHARE_OWNER, seed);
    if (!st)
        st = split_share(&r->choice, r->data, SHARE_CHOICE, seed);
    if (st)
        return st;
    thin_out(&r->choice, min_size(r->choice.count, r->budget.choice));
    r->result.pool_count = r->pool.count;
    r->result.choice_count = r->choice.count;
    return WARD_OK;
}

/* A keyed transform may be all learned. */
static bool is_keyless(const ward_run *run)
{
    return run->has_transform && run->transform.spec.method == WARD_METHOD_KEYED &&
           !transform_has_tables(&run->transform.spec);
}

/* The budget's own are those of a thief who holds what they need, at hand or not; one each. */
static ward_status open_cells(struct redteam *r, const char *only)
{
    struct suite_plan plan = {.budget = &r->budget,
                              .trials = r->result.settings.trials,
                              .only = only,
                              .method = r->run->model.method,
                              .has_service = r->run->has_transform,
                              .is_keyless = is_keyless(r->run),
                              .pool = r->pool.count};
    ward_status st = suite_cells(&plan, &r->result.cells, &r->result.cell_count);

    plan.budget = suite_budget(r->budget.name);
    plan.trials = 1;
    plan.only = NULL;
    plan.has_service = plan.has_service || plan.method != WARD_METHOD_BASELINE;
    return st ? st : suite_cells(&plan, &r->suite, &r->suite_count);
}

/* ---- the verdict ---- */

static bool is_done(const ward_redteam_result *result, const ward_redteam_cell *cell)
{
    for (size_t i = 0; i < result->cell_count; i++)
        if (cell_is_of(&result->cells[i], cell->attack, cell->knows, cell->amount) &&
            result->cells[i].trial == cell->trial)
            return true;
    return false;
}

static void judge(struct redteam *r)
{
    r->facts.is_partial = false;
    for (size_t i = 0; i < r->suite_count && !r->facts.is_partial; i++)
        r->facts.is_partial = !is_done(&r->result, &r->suite[i]);
    verdict_make(&r->result, &r->subject, &r->facts, &r->result.verdict);
}

/* ---- the file ---- */

static ward_status read_file(struct redteam *r)
{
    uint8_t *text = NULL;
    size_t len = 0;
    ward_status st = file_read(r->path, MAX_FILE, &text, &len);

    if (st)
        return st;
    st = record_from_json(&r->result, &r->subject, &r->facts, (const char *)text, len);
    if (st)
        st = ward_fail_within(st, "'%s'", r->path);
    mem_free(text);
    return st;
}

static ward_status open_file(struct redteam *r)
{
    const char *directory = r->options->directory;
    ward_status st;

    if (!directory)
        return WARD_OK;
    st = mem_printf(&r->path, "%s/%s%s.json", directory, r->budget.name,
                    r->result.settings.holds_own ? "-own" : "");
    if (!st)
        st = file_make_directory(directory);
    if (!st)
        st = file_lock(directory, &r->lock);
    return st ? st : file_sweep(r->path);
}

static ward_status save(void *context)
{
    struct redteam *r = context;
    char *text = NULL;
    size_t len;
    ward_status st;

    if (!r->path)
        return WARD_OK;
    judge(r);
    st = record_to_json(&r->result, &r->subject, &r->facts, 1, &text);
    if (st)
        return st;
    len = strlen(text);
    text[len] = '\n'; /* in place of the NUL, so that the file ends as a text file does */
    st = file_write(r->path, text, len + 1, FILE_REPLACE);
    mem_free(text);
    return st;
}

/* ---- talking ---- */

static uint64_t count_done(const ward_redteam_result *result)
{
    uint64_t done = 0;

    for (size_t i = 0; i < result->cell_count; i++)
        done += result->cells[i].is_done;
    return done;
}

/* The cell whose choice another one repeats; NULL: it tries everything. */
static const ward_redteam_cell *first_of(const struct redteam *r, const ward_redteam_cell *cell)
{
    return r->budget.repeats && cell->trial > 0 ? cell - cell->trial : NULL;
}

/* What a cell takes beside others, roughly: what its searches go through. */
static double work_of(const struct redteam *r, const ward_redteam_cell *cell)
{
    static const double repeating = 0.4; /* of trying everything; by `standard` on Fashion */
    size_t amount = max_size(min_size((size_t)cell->amount, r->pool.count), 1);

    return (double)search_images(&r->budget, amount) * (first_of(r, cell) ? repeating : 1);
}

static double seconds_left(const struct redteam *r)
{
    double work = 0;

    for (size_t i = 0; i < r->result.cell_count; i++)
        if (!r->result.cells[i].is_done)
            work += work_of(r, &r->result.cells[i]);
    return r->work > 0 ? r->seconds / r->work * work / (double)max_size(r->workers, 1)
                       : (double)NAN;
}

static bool tell(struct redteam *r, const char *event)
{
    ward_redteam_progress progress = {
        .done = count_done(&r->result),
        .count = r->result.cell_count,
        .last = r->last,
        .seconds_left = seconds_left(r),
        .event = event,
    };

    r->last = NULL;
    return !r->options->progress || r->options->progress(r->options->context, &progress);
}

static bool report(void *context)
{
    return tell(context, NULL);
}

/* ---- what is measured before any cell ---- */

static bool still_wanted(void *context, size_t done, size_t count)
{
    (void)done;
    (void)count;
    return tell(context, NULL);
}

static ward_status measure(struct redteam *r)
{
    ward_evaluation e;
    ward_status st =
        ward_evaluate(r->run, r->device, r->data, WARD_SPLIT_TEST, false, &e, still_wanted, r);

    if (st)
        return st;
    r->facts.authorised = e.authorised;
    r->facts.unauthorised = e.unauthorised;
    ward_evaluation_release(&e);
    return score_zero_gradients(r->device, &r->run->model.net, &r->choice, r->result.choice_count,
                                &r->facts.zero_gradients);
}

/* ---- one adversary of one cell ---- */

struct piece {
    size_t at;           /* of the cell */
    const char *repeats; /* as a thief has it */
    double seconds;      /* of a clock on the wall */
    ward_redteam_cell cell;
};

static struct transform_spec structure_of(const ward_run *run)
{
    const struct net_spec *image = &run->model.net.spec;

    if (run->has_transform && run->transform.spec.method == WARD_METHOD_GENERATOR)
        return run->transform.spec;
    return (struct transform_spec){.method = WARD_METHOD_GENERATOR,
                                   .channels = image->channels,
                                   .height = image->height,
                                   .width = image->width,
                                   .generator_width = image->channels == 1 ? 16 : 64,
                                   .start = 1,
                                   .low = run->model.low,
                                   .high = run->model.high};
}

static ward_status open_service(const struct redteam *r, struct thief *t)
{
    ward_knowledge knows = t->cell->knows;

    if (knows != WARD_KNOWS_PAIRS && knows != WARD_KNOWS_QUERIES)
        return WARD_OK;
    return service_open(&t->service, r->run, r->device, t->images->count);
}

/* What he has offered and did best, on the test images, once. */
static ward_status score(const struct redteam *r, struct thief *t)
{
    const struct tensor_list *const lists[] = {&t->best_params};
    struct split test = {.data = NULL};
    struct scorer scorer = {.plan = NULL};
    struct score found = {0};
    ward_status st = split_init(&test, r->data, WARD_SPLIT_TEST, 0, 0);

    assert(t->has_offer);
    if (!st)
        st = scorer_open(&scorer, r->device, &t->best, &test, test.count);
    if (!st)
        st = params_load(scorer.plan, lists, 1);
    if (!st)
        st = scorer_run(&scorer, t->is_stopping, &found);
    t->cell->accuracy = found.accuracy;
    scorer_release(&scorer);
    split_release(&test);
    return st;
}

/* What the first adversary has chosen may have other words in the file of another build. */
static ward_status attempt(struct thief *t)
{
    const struct raid *raid = suite_raid_of(t->cell);
    ward_status st = raid->attempt(t);

    if (st || t->has_offer)
        return st;
    t->repeats = NULL;
    return raid->attempt(t);
}

/* That this thread has computed for: what else the machine does costs an adversary nothing. */
static double thread_seconds(void)
{
    struct timespec time = {0};

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static ward_status make(void *context, void *item, const atomic_bool *is_stopping)
{
    const struct redteam *r = context;
    struct piece *piece = item;
    const struct model *m = &r->run->model;
    struct holdings holdings = {.images = {.data = NULL}};
    struct thief t = {
        .device = r->device,
        .network = &m->net,
        .method = m->method,
        .low = m->low,
        .high = m->high,
        .structure = structure_of(r->run),
        .own = r->run->has_transform ? &r->run->transform.spec : NULL,
        .shown = suite_raid_of(&piece->cell)->is_shown ? &r->run->transform : NULL,
        .choice = &r->choice,
        .choice_count = r->result.choice_count,
        .random_flip = ward_dataset_get_info(r->data)->random_flip,
        .budget = &r->budget,
        .repeats = piece->repeats,
        .seed = holdings_seed(r->result.settings.seed, piece->cell.trial),
        .is_stopping = is_stopping,
        .cell = &piece->cell,
    };
    double begin = clock_seconds(), computed = thread_seconds();
    ward_status st = holdings_open(&holdings, &r->pool, &piece->cell, &r->budget, t.seed);

    t.images = &holdings.images;
    t.unlabelled = &holdings.unlabelled;
    if (!st)
        st = open_service(r, &t);
    if (!st)
        st = attempt(&t);
    if (!st)
        st = score(r, &t);
    service_close(t.service);
    tensor_list_release(&t.best_params);
    holdings_release(&holdings);
    piece->cell.seconds = thread_seconds() - computed;
    piece->seconds = clock_seconds() - begin;
    piece->cell.is_done = true;
    snprintf(piece->cell.commit, sizeof piece->cell.commit, "%s", ward_build_info()->commit);
    return st;
}

/* ---- the crew's errands ---- */

static bool is_ready(const struct redteam *r, size_t i)
{
    const ward_redteam_cell *cell = &r->result.cells[i], *first = first_of(r, cell);

    return !cell->is_done && !r->is_taken[i] && (!first || first->is_done);
}

/* The largest amounts first: they take longest, and one of them should not be the last to end. */
static bool take(void *context, void *item)
{
    struct redteam *r = context;
    struct piece *piece = item;
    const ward_redteam_cell *cells = r->result.cells, *first;
    size_t at = r->result.cell_count;

    for (size_t i = 0; i < r->result.cell_count; i++)
        if (is_ready(r, i) && (at == r->result.cell_count || cells[i].amount > cells[at].amount))
            at = i;
    if (at == r->result.cell_count)
        return false;
    r->is_taken[at] = true;
    first = first_of(r, &cells[at]);
    piece->at = at;
    piece->cell = cells[at];
    piece->repeats = first ? first->chosen : NULL;
    return true;
}

static ward_status hand_in(void *context, void *item)
{
    struct redteam *r = context;
    const struct piece *piece = item;
    ward_redteam_cell *cell = &r->result.cells[piece->at];

    *cell = piece->cell;
    r->last = cell;
    r->work += work_of(r, cell);
    r->seconds += piece->seconds;
    return WARD_OK;
}

static void drop(void *item)
{
    (void)item;
}

static ward_status work(struct redteam *r)
{
    uint64_t left = r->result.cell_count - count_done(&r->result);
    struct crew_task task = {
        .context = r,
        .threads_each = 1,
        .piece_len = sizeof(struct piece),
        .take = take,
        .make = make,
        .hand_in = hand_in,
        .drop = drop,
        .save = save,
        .report = report,
    };
    ward_status st;

    if (left == 0)
        return save(r); /* another build may have come to another verdict */
    r->workers = task.workers = min_size(parallel_threads(), (size_t)left);
    st = mem_new(&r->is_taken, r->result.cell_count, sizeof *r->is_taken);
    if (!st)
        st = crew_work(&task);
    mem_free(r->is_taken);
    left = r->result.cell_count - count_done(&r->result);
    if ((!st || st == WARD_ERR_STOPPED) && left > 0)
        return ward_fail(WARD_ERR_STOPPED, "stopped with %ju of %zu cells left", (uintmax_t)left,
                         r->result.cell_count);
    return st;
}

/* ---- a suite ---- */

static ward_status redteam_open(struct redteam *r, const ward_redteam_settings *settings)
{
    ward_status st = settings_check(settings);

    if (!st)
        st = run_fits(r->run, r->data);
    if (!st)
        st = thief_nets_check(&(struct thief){.network = &r->run->model.net});
    if (st)
        return st;
    take_budget(r, settings);
    describe(r);
    st = open_shares(r);
    if (!st)
        st = open_cells(r, settings->only);
    return st ? st : open_file(r);
}

/* Cells that were there before, then those that were not. */
static ward_status redteam_run(struct redteam *r)
{
    bool is_there = r->path && file_exists(r->path) && !r->options->replaces;
    char event[64];
    ward_status st = is_there ? read_file(r) : measure(r);

    if (st)
        return st;
    if (is_there) {
        snprintf(event, sizeof event, "%ju of %zu cells are there already",
                 (uintmax_t)count_done(&r->result), r->result.cell_count);
        if (!tell(r, event))
            return ward_fail(WARD_ERR_STOPPED, "the suite was stopped");
    }
    return work(r);
}

static ward_status redteam_finish(struct redteam *r)
{
    judge(r);
    return record_to_json(&r->result, &r->subject, &r->facts, 0, &r->result.json);
}

ward_status ward_redteam(const ward_run *run, ward_device *device, const ward_dataset *data,
                         const ward_redteam_settings *settings, const ward_redteam_options *options,
                         ward_redteam_result *out)
{
    struct redteam r = {.run = run, .device = device, .data = data, .options = options, .lock = -1};
    ward_status st = redteam_open(&r, settings);

    if (!st)
        st = redteam_run(&r);
    if (!st)
        st = redteam_finish(&r);
    if (!st) {
        *out = r.result;
        r.result = (ward_redteam_result){.cells = NULL};
    }
    ward_redteam_result_release(&r.result);
    mem_free(r.suite);
    split_release(&r.pool);
    split_release(&r.choice);
    file_unlock(r.lock);
    mem_free(r.path);
    return st;
}

void ward_redteam_result_release(ward_redteam_result *result)
{
    mem_free(result->cells);
    mem_free(result->json);
    *result = (ward_redteam_result){.cells = NULL};
}
