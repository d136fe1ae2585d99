/* ward attack: what somebody without the transform reaches. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "images.h"
#include "keys.h"
#include "progress.h"
#include "redteam.h"
#include "stop.h"

enum option_key {
    OPT_SUITE = CLI_LONG,
    OPT_ATTACK,
    OPT_BUDGET,
    OPT_ONLY,
    OPT_LABELS,
    OPT_OWN_IMAGES,
    OPT_TRIALS,
    OPT_PAIRS,
    OPT_SIGMA,
    OPT_P,
    OPT_STEPS,
    OPT_RATE,
    OPT_SEED,
    OPT_DATA
};

static const struct cli_option options[] = {
    {OPT_SUITE, "suite", "NAME", "all attacks of a suite: v1 or paper [v1]"},
    {OPT_BUDGET, "budget", "NAME",
     "v1: quick, standard or full: for simple-cnn on two cores\n"
     "within 8 minutes, or by estimate 70 minutes, or a day or\n"
     "more [quick]"},
    {OPT_ONLY, "only", "NAMES", "v1: these attacks, separated by commas, and the control"},
    {OPT_LABELS, "labels", "N,...",
     "v1: how many labelled images adversaries hold, ascending [by\n"
     "the budget]"},
    {OPT_OWN_IMAGES, "own-images", NULL,
     "v1: adversaries hold images that F was trained on, although\n"
     "others were set apart for them"},
    {OPT_ATTACK, "attack", "NAME", "one attack of the paper: direct, input-only or pair"},
    {OPT_TRIALS, "trials", "N",
     "how often, each time with draws of its own [100; v1: by the\n"
     "budget]"},
    {OPT_PAIRS, "pairs", "X",
     "pair: share of the training images whose processed\n"
     "image is known [0.1, 0.5 and 1]"},
    {OPT_SIGMA, "sigma", "X", "input-only: strength of the patterns [0.1]"},
    {OPT_P, "p", "X", "input-only: share of entries with either sign [0.2]"},
    {OPT_STEPS, "steps", "N", "pair: steps of fitting, at most [8000]"},
    {OPT_RATE, "rate", "X", "pair: learning rate of fitting [0.01]"},
    {OPT_SEED, "seed", "N", "of all draws of the adversary, public [1]"},
    {OPT_DATA, "data", "DATA", "the data set [what the run was trained on]"},
    {'o', "out", "DIR", "where finished trials are kept [RUN/attacks; v1: RUN/redteam]"},
    {CLI_FORCE, "force", NULL, "start afresh where trials are kept already"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    {CLI_JSON, "json", NULL, "print one JSON object; paper: a line, an attack each"},
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "attack",
    .operands = "RUN [--suite NAME] [options]\n"
                "       ward attack RUN --attack NAME [options]",
    .text =
        "Attack a run's network without its transform, and measure what that reaches on the test\n"
        "images. Ctrl-C stops it; the same command goes on after the last finished trial.\n"
        "Suite v1 measures what the lock is worth, and ends with a sentence that says so.\n"
        "RUN may also be a bare model.safetensors: then pairs cannot be made, and trials are\n"
        "kept only with --out.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

/* ---- settings ---- */

static const struct {
    int key;
    unsigned use;
} needs[] = {
    {OPT_TRIALS, WARD_ATTACK_USES_TRIALS}, {OPT_PAIRS, WARD_ATTACK_USES_PAIRS},
    {OPT_SIGMA, WARD_ATTACK_USES_PATTERN}, {OPT_P, WARD_ATTACK_USES_PATTERN},
    {OPT_STEPS, WARD_ATTACK_USES_FIT},     {OPT_RATE, WARD_ATTACK_USES_FIT},
    {OPT_SEED, WARD_ATTACK_USES_SEED},
};

enum { NEEDS = sizeof(needs) / sizeof(needs[0]) };

/* An option that the attack does not use would only look as if it did something. In a suite, those
 * that some attacks use are for these. */
static int check_uses(const struct cli *cli, const ward_attack_settings *settings)
{
    for (size_t i = 0; i < NEEDS; i++)
        if (cli_has(cli, needs[i].key) && !(settings->uses & needs[i].use))
            return cli_usage(cli, "--%s means nothing with '%s' on this run",
                             cli_name(cli, needs[i].key), settings->attack);
    return CLI_RUN;
}

static bool take_settings(const struct cli *cli, ward_attack_settings *s)
{
    bool is_repeated =
        s->uses & WARD_ATTACK_USES_TRIALS && (s->trials > 1 || cli_has(cli, OPT_ATTACK));

    return (!is_repeated || cli_count(cli, OPT_TRIALS, 1, 100000, &s->trials)) &&
           cli_count(cli, OPT_SEED, 0, UINT64_C(1) << 53, &s->seed) &&
           cli_count(cli, OPT_STEPS, 1, 10000000, &s->steps) && cli_real(cli, OPT_RATE, &s->rate) &&
           cli_real(cli, OPT_PAIRS, &s->pairs) && cli_real(cli, OPT_SIGMA, &s->sigma) &&
           cli_real(cli, OPT_P, &s->p);
}

/* Suite v1, which is also what is done without saying what. */
static bool is_redteam(const struct cli *cli)
{
    return !cli_has(cli, OPT_ATTACK) &&
           (!cli_has(cli, OPT_SUITE) || strcmp(cli_text(cli, OPT_SUITE), "v1") == 0);
}

static int check_command_line(const struct cli *cli)
{
    static const int single[] = {OPT_PAIRS, OPT_SIGMA, OPT_P, OPT_STEPS, OPT_RATE};
    static const int of_v1[] = {OPT_BUDGET, OPT_ONLY, OPT_LABELS, OPT_OWN_IMAGES};

    if (cli_has(cli, OPT_SUITE) && cli_has(cli, OPT_ATTACK))
        return cli_usage(cli, "say either --suite or --attack");
    for (size_t i = 0; i < sizeof(of_v1) / sizeof(of_v1[0]); i++)
        if (cli_has(cli, of_v1[i]) && !is_redteam(cli))
            return cli_usage(cli, "--%s goes with suite v1 only", cli_name(cli, of_v1[i]));
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        if (!cli_has(cli, OPT_ATTACK) && cli_has(cli, single[i]))
            return cli_usage(cli, "--%s goes with --attack only: a suite has its own",
                             cli_name(cli, single[i]));
    return CLI_RUN;
}

/* ---- while it runs ---- */

/* "pair, 10 % of pairs" */
static void format_name(char *text, size_t len, const ward_attack_settings *s)
{
    if (s->uses & WARD_ATTACK_USES_PAIRS)
        snprintf(text, len, "%s, %g %% of pairs", s->attack, 100 * s->pairs);
    else
        snprintf(text, len, "%s", s->attack);
}

static bool on_progress(void *context, const ward_attack_progress *p)
{
    struct progress *progress = context;
    char name[64], left[32];

    if (p->event) {
        progress_note(progress, p->event);
    } else if (progress_is_due(progress)) {
        format_name(name, sizeof(name), p->settings);
        progress_time(left, sizeof(left), p->seconds_left);
        if (isfinite(p->seconds_a_trial))
            progress_draw(progress,
                          "%s: %" PRIu64 " of %" PRIu64 " trials  %.1f s a trial  %s left", name,
                          p->done, p->trials, p->seconds_a_trial, left);
        else
            progress_draw(progress, "%s: %" PRIu64 " of %" PRIu64 " trials", name, p->done,
                          p->trials);
    }
    return !stop_is_asked();
}

/* ---- results ---- */

static void print_cell(double fraction)
{
    if (isfinite(fraction))
        printf(" %8.2f", 100 * fraction);
    else
        printf(" %8s", "-");
}

static void print_reference(const char *name, double accuracy)
{
    printf("%-24s", name);
    print_cell(accuracy);
    putchar('\n');
}

static void print_row(const ward_attack_result *r)
{
    char name[64];

    format_name(name, sizeof(name), &r->settings);
    printf("%-24s", name);
    print_cell(r->mean);
    print_cell(r->sd);
    print_cell(r->best);
    printf(" %8zu\n", r->trial_count);
}

static void print_head(const ward_run_info *run, const ward_dataset *data,
                       const ward_attack_result *r)
{
    printf("%s, %s; %s test, %zu images; accuracy in %%\n", run->arch,
           ward_method_name(run->method), ward_dataset_get_info(data)->name, r->count);
    printf("%-24s %8s %8s %8s %8s\n", "", "mean", "sd", "best", "trials");
    print_reference("authorised", r->authorised);
    print_reference("chance", r->chance);
}

static void print(const struct cli *cli, const ward_run_info *run, const ward_dataset *data,
                  const ward_attack_result *r, bool is_first)
{
    if (cli_has(cli, CLI_JSON)) {
        puts(r->json);
    } else {
        if (is_first)
            print_head(run, data, r);
        print_row(r);
    }
    fflush(stdout); /* the next attack may take an hour */
}

/* ---- the attacks of one call ---- */

struct session {
    const struct cli *cli;
    const ward_run *run;
    ward_run_info info;
    ward_dataset *data;
    ward_device *device;
    char *directory; /* NULL: trials are not kept */
    struct progress progress;
    ward_attack_result last; /* its accuracies without an attack serve the next one */
    bool has_last;
};

static int fail(const struct session *s, ward_status st)
{
    if (st == WARD_ERR_STOPPED)
        return cli_error(s->cli, s->directory ? "%s; the same command goes on" : "%s",
                         ward_error_message());
    if (st == WARD_ERR_EXISTS && !cli_has(s->cli, CLI_FORCE))
        return cli_error(s->cli, "%s (--force starts afresh)", ward_error_message());
    return cli_failed(s->cli, st);
}

static int attack(struct session *s, const ward_attack_settings *settings)
{
    const ward_attack_options how = {.directory = s->directory,
                                     .replaces = cli_has(s->cli, CLI_FORCE),
                                     .reference = s->has_last ? &s->last : NULL,
                                     .progress = on_progress,
                                     .context = &s->progress};
    ward_attack_result result;
    ward_status st = ward_attack(s->run, s->device, s->data, settings, &how, &result);

    progress_finish(&s->progress);
    if (st)
        return fail(s, st);
    print(s->cli, &s->info, s->data, &result, !s->has_last);
    ward_attack_result_release(&s->last);
    s->last = result;
    s->has_last = true;
    return CLI_RUN;
}

static int attack_suite(struct session *s)
{
    ward_attack_settings settings;
    bool is_there = true;
    int code = CLI_RUN;

    for (size_t i = 0; code == CLI_RUN; i++) {
        ward_status st =
            ward_attack_suite(&settings, cli_text(s->cli, OPT_SUITE), i, s->run, &is_there);

        if (st)
            return cli_failed(s->cli, st);
        if (!is_there)
            break;
        code = take_settings(s->cli, &settings) ? attack(s, &settings) : CLI_USAGE;
    }
    return code;
}

/* One attack; without --pairs one for each share of the paper's. */
static int attack_one(struct session *s)
{
    static const double shares[] = {0.1, 0.5, 1};
    const char *name = cli_text(s->cli, OPT_ATTACK);
    ward_attack_settings settings;
    ward_status st = ward_attack_defaults(&settings, name, s->run);
    int code;

    if (st)
        return cli_failed(s->cli, st);
    code = check_uses(s->cli, &settings);
    if (code == CLI_RUN && !take_settings(s->cli, &settings))
        code = CLI_USAGE;
    if (!(settings.uses & WARD_ATTACK_USES_PAIRS) || cli_has(s->cli, OPT_PAIRS))
        return code == CLI_RUN ? attack(s, &settings) : code;
    for (size_t i = 0; code == CLI_RUN && i < sizeof(shares) / sizeof(shares[0]); i++) {
        settings.pairs = shares[i];
        code = attack(s, &settings);
    }
    return code;
}

static int attack_redteam(struct session *s)
{
    const struct redteam call = {.cli = s->cli,
                                 .run = s->run,
                                 .info = &s->info,
                                 .data = s->data,
                                 .device = s->device,
                                 .directory = s->directory,
                                 .progress = &s->progress};
    ward_redteam_settings settings;
    ward_status st;

    ward_redteam_defaults(&settings);
    if (cli_has(s->cli, OPT_BUDGET))
        settings.budget = cli_text(s->cli, OPT_BUDGET);
    settings.only = cli_text(s->cli, OPT_ONLY);
    settings.holds_own = cli_has(s->cli, OPT_OWN_IMAGES);
    if (!cli_count(s->cli, OPT_TRIALS, 1, 1000, &settings.trials) ||
        !cli_count(s->cli, OPT_SEED, 0, UINT64_C(1) << 53, &settings.seed) ||
        !cli_counts(s->cli, OPT_LABELS, 1, 1000000000, settings.labelled, WARD_REDTEAM_LABELLED))
        return CLI_USAGE;
    st = redteam_do(&call, &settings);
    return st ? fail(s, st) : CLI_RUN;
}

/* RUN/attacks or RUN/redteam; a bare model file has no directory of its own. */
static int choose_directory(struct session *s, const char *run)
{
    const char *name = is_redteam(s->cli) ? "/redteam" : "/attacks";
    static const char model[] = "/model.safetensors";
    const char *given = cli_text(s->cli, 'o');
    size_t len = strlen(given ? given : run);
    char *probe = NULL;
    FILE *file;
    int code;

    code = images_allocate(s->cli, len + sizeof(model), 1, &probe);
    if (code != CLI_RUN)
        return code;
    if (given) {
        memcpy(probe, given, len + 1);
        s->directory = probe;
        return CLI_RUN;
    }
    memcpy(probe, run, len);
    memcpy(probe + len, model, sizeof(model));
    file = fopen(probe, "rb");
    if (!file) {
        free(probe);
        return CLI_RUN;
    }
    fclose(file);
    memcpy(probe + len, name, strlen(name) + 1);
    s->directory = probe;
    return CLI_RUN;
}

static int run_attacks(struct session *s)
{
    int code = images_open_data(s->cli, &s->info, cli_text(s->cli, OPT_DATA), &s->data);

    if (code == CLI_RUN)
        code = choose_directory(s, s->cli->operands[0]);
    if (code == CLI_RUN)
        code = cli_open_device(s->cli, &s->device);
    if (code == CLI_RUN) {
        progress_init(&s->progress, s->cli);
        stop_catch_signals();
        code = is_redteam(s->cli)           ? attack_redteam(s)
               : cli_has(s->cli, OPT_SUITE) ? attack_suite(s)
                                            : attack_one(s);
    }
    ward_attack_result_release(&s->last);
    free(s->directory);
    ward_device_close(s->device);
    ward_dataset_free(s->data);
    return code == CLI_RUN ? CLI_DONE : code;
}

int cmd_attack(int argc, char **argv)
{
    struct cli cli;
    struct session s = {.cli = &cli};
    ward_run *run = NULL;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code == CLI_RUN)
        code = check_command_line(&cli);
    if (code != CLI_RUN)
        return code;
    code = keys_open_run(&cli, cli.operands[0], &run);
    if (code != CLI_RUN)
        return code;
    s.run = run;
    ward_run_describe(run, &s.info);
    code = run_attacks(&s);
    ward_run_close(run);
    return code;
}
