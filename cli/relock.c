/* ward relock: a new transform for a run whose old one has leaked. */
#include <inttypes.h>

#include "cli.h"
#include "json.h"
#include "keys.h"
#include "progress.h"
#include "stop.h"

enum option_key { OPT_ITERATIONS = CLI_LONG, OPT_RATE, OPT_WITHOUT };

static const struct cli_option options[] = {
    {'o', "out", "NEW", "the directory to write the new run to"},
    {OPT_ITERATIONS, "iterations", "N",
     "steps [a quarter of the run's own, or all if it was relocked]"},
    {OPT_RATE, "rate", "X", "learning rate [the run's own]"},
    {OPT_WITHOUT, "without", "USER",
     "a user, by public key or name, who does not get the new\n"
     "transform [all users do]"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "relock",
    .operands = "RUN --out NEW [options]",
    .text =
        "Draw a new transform and train the network on with it for a short while, into a run\n"
        "of its own, sealed and signed; then measure what the old transform is still worth with\n"
        "the new network. Whoever has the old network and the old transform keeps both.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

static bool on_progress(void *context, const ward_train_progress *p)
{
    struct progress *progress = context;
    char left[32];

    if (p->event) {
        progress_note(progress, p->event);
    } else if (p->iteration && progress_is_due(progress)) {
        progress_time(left, sizeof(left), p->seconds_left);
        progress_draw(progress, "%" PRIu64 "/%" PRIu64 "  accuracy %.1f/%.1f %%  %s left",
                      p->iteration, p->iterations, 100 * p->accuracy_processed,
                      100 * p->accuracy_raw, left);
    }
    return !stop_is_asked();
}

static void print(const struct cli *cli, const ward_relock_result *r)
{
    struct js js;

    if (!cli_has(cli, CLI_JSON)) {
        printf("%s: sealed and signed; on %zu test images\n", cli_text(cli, 'o'), r->count);
        printf("authorised, with the new transform   %6.2f %%\n", 100 * r->authorised);
        printf("with the old transform               %6.2f %%\n", 100 * r->old_transform);
        printf("without any                          %6.2f %%\n", 100 * r->unauthorised);
        printf("chance                               %6.2f %%\n", 100 * r->chance);
        return;
    }
    js_begin(&js, stdout);
    js_text(&js, "run", cli_text(cli, 'o'));
    js_count(&js, "count", r->count);
    js_real(&js, "authorised", r->authorised);
    js_real(&js, "old_transform", r->old_transform);
    js_real(&js, "unauthorised", r->unauthorised);
    js_real(&js, "chance", r->chance);
    js_finish(&js);
}

static int relock(const struct cli *cli, ward_device *device, ward_relock_options *wanted)
{
    ward_relock_result result;
    struct progress progress;
    ward_status st;

    wanted->progress = on_progress;
    wanted->context = &progress;
    progress_init(&progress, cli);
    stop_catch_signals();
    st = ward_relock(device, wanted, &result);
    progress_finish(&progress);
    if (st == WARD_ERR_STOPPED)
        return cli_error(cli, "stopped; the same command goes on");
    if (st)
        return cli_failed(cli, st);
    print(cli, &result);
    return CLI_DONE;
}

int cmd_relock(int argc, char **argv)
{
    struct cli cli;
    ward_relock_options wanted = {.iterations = 0};
    ward_device *device = NULL;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    wanted.run = cli.operands[0];
    wanted.out = cli_text(&cli, 'o');
    wanted.without = cli_text(&cli, OPT_WITHOUT);
    if (!wanted.out)
        return cli_usage(&cli, "--out is missing");
    if (!cli_count(&cli, OPT_ITERATIONS, 1, UINT32_MAX, &wanted.iterations) ||
        !cli_real(&cli, OPT_RATE, &wanted.rate))
        return CLI_USAGE;
    if (cli_has(&cli, OPT_RATE) && wanted.rate <= 0)
        return cli_usage(&cli, "--rate %s is not above 0", cli_text(&cli, OPT_RATE));
    code = keys_open(&cli, &wanted.keys);
    if (code == CLI_RUN)
        code = cli_open_device(&cli, &device);
    if (code == CLI_RUN)
        code = relock(&cli, device, &wanted);
    ward_device_close(device);
    ward_keys_free(wanted.keys);
    return code;
}
