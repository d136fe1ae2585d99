/* ward eval: accuracy with the transform and without. */
#include <math.h>

#include "cli.h"
#include "images.h"
#include "keys.h"
#include "progress.h"

enum option_key { OPT_DATA = CLI_LONG, OPT_SPLIT };

static const struct cli_option options[] = {
    {OPT_DATA, "data", "DATA", "the data set [what the run was trained on]"},
    {OPT_SPLIT, "split", "NAME", "test or train [test]"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "eval",
    .operands = "RUN [options]",
    .text = "Measure the accuracy of a run's network on images processed by its secret transform\n"
            "(authorised) and on raw images (unauthorised), with 95 % confidence intervals.\n"
            "RUN may also be a bare model.safetensors.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

static const char *split_name(ward_split split)
{
    return split == WARD_SPLIT_TRAIN ? "train" : "test";
}

static void print_accuracy(const char *name, double accuracy, ward_interval ci)
{
    if (isfinite(accuracy))
        printf("%-14s%6.2f %%   95 %% interval %.2f .. %.2f %%\n", name, 100 * accuracy,
               100 * ci.low, 100 * ci.high);
    else
        printf("%-14s     -\n", name);
}

static void print_table(const ward_run_info *run, const ward_dataset *data, ward_split split,
                        const ward_evaluation *e)
{
    printf("%s, %s; %s %s, %zu images\n", run->arch, ward_method_name(run->method),
           ward_dataset_get_info(data)->name, split_name(split), e->count);
    if (run->method == WARD_METHOD_BASELINE) {
        print_accuracy("accuracy", e->authorised, e->authorised_ci);
    } else {
        print_accuracy("authorised", e->authorised, e->authorised_ci);
        print_accuracy("unauthorised", e->unauthorised, e->unauthorised_ci);
    }
    printf("%-14s%6.2f %%\n", "chance", 100 * e->chance);
}

static int print(const struct cli *cli, const ward_run *run, const ward_run_info *info,
                 const ward_dataset *data, ward_split split, const ward_evaluation *e)
{
    char *json = NULL;
    ward_status st;

    if (!cli_has(cli, CLI_JSON)) {
        print_table(info, data, split, e);
        return CLI_DONE;
    }
    st = ward_evaluation_json(run, data, split, e, &json);
    if (st)
        return cli_failed(cli, st);
    puts(json);
    ward_string_free(json);
    return CLI_DONE;
}

static int evaluate(const struct cli *cli, const ward_run *run, const ward_run_info *info,
                    ward_split split)
{
    ward_device *device = NULL;
    ward_dataset *data = NULL;
    ward_evaluation e = {0};
    struct progress progress;
    ward_status st;
    int code = images_open_data(cli, info, cli_text(cli, OPT_DATA), &data);

    if (code == CLI_RUN)
        code = cli_open_device(cli, &device);
    if (code == CLI_RUN) {
        progress_init(&progress, cli);
        st = ward_evaluate(run, device, data, split, false, &e, progress_images, &progress);
        progress_finish(&progress);
        code = st ? cli_failed(cli, st) : print(cli, run, info, data, split, &e);
    }
    ward_evaluation_release(&e);
    ward_device_close(device);
    ward_dataset_free(data);
    return code;
}

int cmd_eval(int argc, char **argv)
{
    struct cli cli;
    ward_run *run = NULL;
    ward_run_info info;
    ward_split split;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_split(&cli, OPT_SPLIT, &split))
        return CLI_USAGE;
    code = keys_open_run(&cli, cli.operands[0], &run);
    if (code != CLI_RUN)
        return code;
    ward_run_describe(run, &info);
    if (info.is_reproducible)
        cli_talk(&cli, "this run's transform was drawn from a given seed: it is not secret");
    code = evaluate(&cli, run, &info, split);
    ward_run_close(run);
    return code;
}
