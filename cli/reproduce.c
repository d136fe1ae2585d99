/* ward reproduce: the paper's tables and figure, planned, made and put beside its numbers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "progress.h"
#include "stop.h"

enum option_key {
    OPT_RECIPE = CLI_LONG,
    OPT_SEEDS,
    OPT_BUDGET,
    OPT_STATE,
    OPT_PLAN,
    OPT_SKIP_MISSING,
    OPT_ONLY,
    OPT_ITERATIONS,
    OPT_TRIALS
};

static const struct cli_option options[] = {
    {OPT_RECIPE, "recipe", "NAME", "how to train: paper, fast or demo [fast]"},
    {OPT_SEEDS, "seeds", "N",
     "seeds of each network, 1 .. N [Fashion-MNIST: simple-cnn 3,\n"
     "resnet20 2; otherwise 1]"},
    {OPT_BUDGET, "budget", "TIME",
     "end after so long, such as 45s, 90m or 2h; a next call goes on"},
    {OPT_STATE, "state", "DIR",
     "where all of it is kept [ward/reproduce in the user's data folder]"},
    {OPT_PLAN, "plan", NULL, "only print what is to be done, and about how long it takes"},
    {OPT_SKIP_MISSING, "skip-missing", NULL, "leave out what needs a data set that is missing"},
    {OPT_ONLY, "only", "TEXT",
     "only runs that have it in their names, such as mnist-simple-cnn or\n"
     "fashion-mnist-resnet20-learned-1"},
    {OPT_ITERATIONS, "iterations", "N",
     "shorten trainings to N steps, and fitting in attacks to at most\n"
     "as many: for trying out, and marked as such"},
    {OPT_TRIALS, "trials", "N", "shorten repeated attacks to N trials, likewise [100]"},
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "reproduce",
    .operands = "table2|table3|figure2|all [options]",
    .text =
        "Train, evaluate and attack what the paper's tables and figure need, and print the tables\n"
        "beside the paper's. What is done already is not done again; what was stopped or killed\n"
        "goes on. Ctrl-C stops it. The directory also gets tables, figures and a report. Networks\n"
        "may be deleted afterwards: what was found of them stays done.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

/* ---- the command line ---- */

static bool take_target(const struct cli *cli, unsigned *out)
{
    static const struct {
        const char *name;
        unsigned target;
    } targets[] = {{"table2", WARD_REPRODUCE_TABLE2},
                   {"table3", WARD_REPRODUCE_TABLE3},
                   {"figure2", WARD_REPRODUCE_FIGURE2},
                   {"all", WARD_REPRODUCE_ALL}};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        if (strcmp(cli->operands[0], targets[i].name) == 0) {
            *out = targets[i].target;
            return true;
        }
    cli_usage(cli, "'%s' is none of table2, table3, figure2, all", cli->operands[0]);
    return false;
}

/* "90m": seconds. */
static bool take_budget(const struct cli *cli, double *out)
{
    const char *text = cli_text(cli, OPT_BUDGET);
    double value, unit = 0;
    char *end;

    if (!text)
        return true;
    value = strtod(text, &end);
    if (*end && !end[1])
        unit = *end == 's' ? 1 : *end == 'm' ? 60 : *end == 'h' ? 3600 : 0;
    if (end == text + strspn(text, "0123456789.") && value > 0 && value < 1e9 && unit > 0) {
        *out = value * unit;
        return true;
    }
    cli_usage(cli, "--budget '%s' is not a time such as 45s, 90m or 2h", text);
    return false;
}

static bool take_config(const struct cli *cli, ward_reproduce_config *config)
{
    static const char *const recipes[] = {"fast", "paper", "demo", NULL};
    size_t recipe = 0;

    if (cli_has(cli, OPT_STATE) && !*cli_text(cli, OPT_STATE)) {
        cli_usage(cli, "--state is empty");
        return false;
    }
    if (cli_has(cli, OPT_ONLY) && !*cli_text(cli, OPT_ONLY)) {
        cli_usage(cli, "--only is empty");
        return false;
    }
    if (!take_target(cli, &config->targets) || !cli_word(cli, OPT_RECIPE, recipes, &recipe) ||
        !cli_count(cli, OPT_SEEDS, 1, 100, &config->seeds) ||
        !cli_count(cli, OPT_ITERATIONS, 1, UINT32_MAX, &config->iterations) ||
        !cli_count(cli, OPT_TRIALS, 1, 100000, &config->trials))
        return false;
    config->recipe = recipes[recipe];
    config->state = cli_text(cli, OPT_STATE);
    config->skips_missing = cli_has(cli, OPT_SKIP_MISSING);
    config->only = cli_text(cli, OPT_ONLY);
    return true;
}

/* ---- the plan ---- */

struct left {
    size_t count, all;
    double seconds;
    bool is_measured; /* an estimate does not come from the state directory */
};

static bool is_left(const ward_reproduce_item *item)
{
    return !item->is_done && !item->is_missing;
}

static struct left sum_up(const ward_reproduction *r)
{
    struct left left = {.all = ward_reproduction_count(r)};
    ward_reproduce_item item;

    for (size_t i = 0; i < left.all; i++) {
        ward_reproduction_item(r, i, &item);
        if (!is_left(&item))
            continue;
        left.count++;
        left.seconds += item.seconds;
        left.is_measured = left.is_measured || item.basis == WARD_REPRODUCE_FROM_MEASUREMENT;
    }
    return left;
}

/* "12 of 40 left, about 3:20:00 by a short measurement" */
static void format_left(char *text, size_t len, const struct left *left)
{
    char time[32];

    progress_time(time, sizeof(time), left->seconds);
    if (left->count == 0)
        snprintf(text, len, "nothing of %zu left", left->all);
    else
        snprintf(text, len, "%zu of %zu left, about %s by %s", left->count, left->all, time,
                 left->is_measured ? "a short measurement" : "what was done here");
}

static void format_item(char *text, size_t len, const ward_reproduce_item *item)
{
    snprintf(text, len, "%s %s%s%s", ward_reproduce_kind_name(item->kind), item->run,
             item->attack ? ": " : "", item->attack ? item->attack : "");
}

static void print_item(const ward_reproduce_item *item)
{
    char name[160], left[32], state[16];

    format_item(name, sizeof(name), item);
    progress_time(left, sizeof(left), item->seconds);
    snprintf(state, sizeof(state), "%.0f %%", 100 * item->share);
    printf("%-8s %-72s %9s\n",
           item->is_done      ? "done"
           : item->is_missing ? "missing"
           : item->share > 0  ? state
                              : "to do",
           name, item->is_done ? "" : left);
}

static void print_plan(const ward_reproduction *r)
{
    struct left left = sum_up(r);
    ward_reproduce_item item;
    char text[128];

    for (size_t i = 0; i < left.all; i++) {
        ward_reproduction_item(r, i, &item);
        print_item(&item);
    }
    format_left(text, sizeof(text), &left);
    printf("%s: %s\n", ward_reproduction_state(r), text);
}

static void print_plan_json(const ward_reproduction *r)
{
    struct left left = sum_up(r);
    ward_reproduce_item item;
    const char *data;
    struct js js;

    js_begin(&js, stdout);
    js_text(&js, "state", ward_reproduction_state(r));
    js_count(&js, "left", left.count);
    js_real(&js, "seconds", left.seconds);
    js_array(&js, "missing");
    for (size_t i = 0; (data = ward_reproduction_missing(r, i)); i++)
        js_text(&js, NULL, data);
    js_end(&js);
    js_array(&js, "items");
    for (size_t i = 0; i < left.all; i++) {
        ward_reproduction_item(r, i, &item);
        js_object(&js, NULL);
        js_text(&js, "kind", ward_reproduce_kind_name(item.kind));
        js_text(&js, "run", item.run);
        js_text(&js, "attack", item.attack);
        js_bool(&js, "is_done", item.is_done);
        js_bool(&js, "is_missing", item.is_missing);
        js_real(&js, "share", item.share);
        js_real(&js, "seconds", item.seconds);
        js_text(&js, "basis", item.basis == WARD_REPRODUCE_FROM_STATE ? "state" : "measurement");
        js_end(&js);
    }
    js_finish(&js);
}

/* ---- while it runs ---- */

struct watch {
    const ward_reproduction *reproduction;
    struct progress progress;
    size_t item; /* that was told of last, from 1; 0: none */
};

static bool on_progress(void *context, const ward_reproduce_progress *p)
{
    struct watch *watch = context;
    ward_reproduce_item item;
    char name[160], line[256], left[32];

    ward_reproduction_item(watch->reproduction, p->item, &item);
    format_item(name, sizeof(name), &item);
    if (watch->item != p->item + 1 && is_left(&item)) {
        snprintf(line, sizeof(line), "[%zu/%zu] %s", p->item + 1,
                 ward_reproduction_count(watch->reproduction), name);
        progress_note(&watch->progress, line);
        watch->item = p->item + 1;
    }
    if (p->event) {
        progress_note(&watch->progress, p->event);
    } else if (progress_is_due(&watch->progress)) {
        progress_time(left, sizeof(left), p->seconds_left);
        progress_draw(&watch->progress, "%s: %.1f %%  %s left in all", name, 100 * p->share, left);
    }
    return !stop_is_asked();
}

/* ---- results ---- */

static int print_tables(const struct cli *cli, const ward_reproduction *r)
{
    char *text = NULL;
    ward_status st = cli_has(cli, CLI_JSON) ? ward_reproduction_json(r, &text)
                                            : ward_reproduction_markdown(r, &text);

    if (st)
        return cli_failed(cli, st);
    puts(text);
    ward_string_free(text);
    return CLI_DONE;
}

/* The end of a call that did what it could. */
static int finish(const struct cli *cli, const ward_reproduction *r)
{
    struct left left = sum_up(r);
    char text[128];

    format_left(text, sizeof(text), &left);
    if (left.count > 0)
        cli_talk(cli, "the budget is spent: %s; the same command goes on", text);
    else
        cli_talk(cli, "done: tables and reports are in %s", ward_reproduction_state(r));
    return print_tables(cli, r);
}

static void talk_of_missing(const struct cli *cli, const ward_reproduction *r)
{
    const char *data;

    for (size_t i = 0; (data = ward_reproduction_missing(r, i)); i++)
        cli_talk(cli, "'%s' is not on this machine: ward data fetch %s", data, data);
}

static int refuse_missing(const struct cli *cli, const ward_reproduction *r)
{
    const char *data;

    if (!ward_reproduction_missing(r, 0) || cli_has(cli, OPT_SKIP_MISSING))
        return CLI_RUN;
    for (size_t i = 0; (data = ward_reproduction_missing(r, i)); i++)
        cli_error(cli, "data set '%s' is not on this machine: ward data fetch %s%s", data, data,
                  ward_reproduction_missing(r, i + 1) ? ""
                                                      : ", or leave it out with --skip-missing");
    return CLI_FAILED;
}

static int run(const struct cli *cli, ward_reproduction *r, double budget)
{
    struct watch watch = {.reproduction = r};
    const ward_reproduce_options how = {
        .budget = budget, .progress = on_progress, .context = &watch};
    struct left left = sum_up(r);
    char text[128];
    ward_status st;

    if (refuse_missing(cli, r) != CLI_RUN)
        return CLI_FAILED;
    talk_of_missing(cli, r);
    format_left(text, sizeof(text), &left);
    cli_talk(cli, "%s: %s", ward_reproduction_state(r), text);
    progress_init(&watch.progress, cli);
    stop_catch_signals();
    st = ward_reproduction_run(r, &how);
    progress_finish(&watch.progress);
    if (st == WARD_ERR_STOPPED)
        return cli_error(cli, "stopped; the same command goes on");
    return st ? cli_failed(cli, st) : finish(cli, r);
}

static int plan(const struct cli *cli, const ward_reproduction *r)
{
    talk_of_missing(cli, r);
    if (cli_has(cli, CLI_JSON))
        print_plan_json(r);
    else
        print_plan(r);
    return CLI_DONE;
}

int cmd_reproduce(int argc, char **argv)
{
    struct cli cli;
    ward_reproduce_config config = {.targets = 0};
    ward_reproduction *reproduction = NULL;
    ward_device *device = NULL;
    double budget = 0;
    ward_status st;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!take_config(&cli, &config) || !take_budget(&cli, &budget))
        return CLI_USAGE;
    if (cli_has(&cli, OPT_PLAN) && cli_has(&cli, OPT_BUDGET))
        return cli_usage(&cli, "--budget means nothing with --plan");
    code = cli_open_device(&cli, &device);
    if (code != CLI_RUN)
        return code;
    st = ward_reproduction_open(&reproduction, device, &config);
    if (st)
        code = cli_failed(&cli, st);
    else
        code = cli_has(&cli, OPT_PLAN) ? plan(&cli, reproduction) : run(&cli, reproduction, budget);
    ward_reproduction_close(reproduction);
    ward_device_close(device);
    return code;
}
