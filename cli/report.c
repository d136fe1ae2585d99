/* ward report: what trainings and attacks came to, beside the paper's numbers, as one page. */
#include <string.h>

#include "cli.h"
#include "keys.h"
#include "progress.h"

enum option_key { OPT_FORMAT = CLI_LONG, OPT_SECRET, OPT_DATA };

static const struct cli_option options[] = {
    {OPT_FORMAT, "format", "NAME", "html or md [html]"},
    {'o', "out", "FILE", "the file to write [standard output]"},
    {OPT_SECRET, "include-secret", NULL,
     "show perturbations; the file gets mode 0600. Needs --out"},
    {OPT_DATA, "data", "DATA",
     "the data set of the runs that were trained on one of its name\n"
     "[what each run was trained on]"},
    CLI_OPTION_FORCE,
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "report",
    .operands = "RUN... [options]",
    .text =
        "Make one page of runs and of the attacks on them: accuracies beside the paper's, what\n"
        "the locks are worth, training curves, settings and commands. RUN may also be a directory\n"
        "of runs. Runs that differ in their seeds only are shown as one. What was not evaluated\n"
        "yet is, and keeps the result.",
    .options = options,
    .operands_min = 1,
    .operands_max = SIZE_MAX,
};

struct talk {
    const struct cli *cli;
    struct progress progress;
};

static bool on_progress(void *context, const char *run, size_t done, size_t count)
{
    struct talk *talk = context;

    if (progress_is_due(&talk->progress))
        progress_draw(&talk->progress, "%s: %zu of %zu images", run, done, count);
    return true;
}

static void on_note(void *context, const char *text)
{
    struct talk *talk = context;

    progress_finish(&talk->progress);
    cli_talk(talk->cli, "left out: %s", text);
}

static int write_report(const struct cli *cli, const ward_report *report)
{
    const char *out = cli_text(cli, 'o');
    ward_status st;

    if (!out) {
        fputs(ward_report_text(report), stdout);
        return CLI_DONE;
    }
    st = ward_report_write(report, out, cli_has(cli, CLI_FORCE) ? WARD_REPORT_REPLACE : 0);
    if (st == WARD_ERR_EXISTS)
        return cli_error(cli, "'%s' is there already; --force overwrites it", out);
    if (st)
        return cli_failed(cli, st);
    printf("%s\n", out);
    return CLI_DONE;
}

static int report(const struct cli *cli, ward_report_format format)
{
    struct talk talk = {.cli = cli};
    ward_report_options made = {.format = format,
                                .includes_secret = cli_has(cli, OPT_SECRET),
                                .data = cli_text(cli, OPT_DATA),
                                .progress = on_progress,
                                .note = on_note,
                                .context = &talk};
    ward_device *device = NULL;
    ward_report *page = NULL;
    ward_status st;
    int code = cli_open_device(cli, &device);

    if (code == CLI_RUN)
        code = keys_open(cli, &made.keys);
    if (code != CLI_RUN) {
        ward_device_close(device);
        return code;
    }
    progress_init(&talk.progress, cli);
    st = ward_report_new(&page, device, (const char *const *)cli->operands, cli->operand_count,
                         &made);
    progress_finish(&talk.progress);
    code = st ? cli_failed(cli, st) : write_report(cli, page);
    ward_report_free(page);
    ward_keys_free(made.keys);
    ward_device_close(device);
    return code;
}

int cmd_report(int argc, char **argv)
{
    static const char *const formats[] = {"html", "md", NULL};
    struct cli cli;
    size_t format = 0;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_word(&cli, OPT_FORMAT, formats, &format))
        return CLI_USAGE;
    if (cli_has(&cli, OPT_SECRET) && !cli_has(&cli, 'o'))
        return cli_usage(&cli, "--include-secret needs --out: a secret file has mode 0600");
    return report(&cli, format ? WARD_REPORT_MARKDOWN : WARD_REPORT_HTML);
}
