/* ward eval: accuracy with the transform and without. */
#include <math.h>

#include "cli.h"
#include "images.h"
#include "json.h"
#include "progress.h"

enum option_key { OPT_DATA = CLI_LONG, OPT_SPLIT };

static const struct cli_option options[] = {
    {OPT_DATA, "data", "DATA", "the data set [what the run was trained on]"},
    {OPT_SPLIT, "split", "NAME", "test or train [test]"},
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

/* What an evaluation was made of. */
struct subject {
    const ward_run_info *run;
    const ward_dataset_info *data;
    ward_split split;
};

static const char *split_name(ward_split split)
{
    return split == WARD_SPLIT_TRAIN ? "train" : "test";
}

static void add_interval(struct js *js, const char *key, double accuracy, ward_interval ci)
{
    if (!isfinite(accuracy)) {
        js_null(js, key);
        return;
    }
    js_array(js, key);
    js_real(js, NULL, ci.low);
    js_real(js, NULL, ci.high);
    js_end(js);
}

static void add_matrix(struct js *js, const char *key, const uint64_t *matrix, size_t classes)
{
    if (!matrix) {
        js_null(js, key);
        return;
    }
    js_array(js, key);
    for (size_t row = 0; row < classes; row++) {
        js_array(js, NULL);
        for (size_t column = 0; column < classes; column++)
            js_count(js, NULL, matrix[row * classes + column]);
        js_end(js);
    }
    js_end(js);
}

static void print_json(const struct subject *s, const ward_evaluation *e)
{
    struct js js;

    js_begin(&js, stdout);
    js_text(&js, "method", ward_method_name(s->run->method));
    js_text(&js, "arch", s->run->arch);
    js_text(&js, "data", s->data->name);
    js_text(&js, "split", split_name(s->split));
    js_count(&js, "count", e->count);
    js_real(&js, "authorised", e->authorised);
    js_real(&js, "unauthorised", e->unauthorised);
    js_real(&js, "chance", e->chance);
    js_object(&js, "ci95");
    add_interval(&js, "authorised", e->authorised, e->authorised_ci);
    add_interval(&js, "unauthorised", e->unauthorised, e->unauthorised_ci);
    js_end(&js);
    js_object(&js, "confusion");
    add_matrix(&js, "authorised", isfinite(e->authorised) ? e->confusion : NULL, e->classes);
    add_matrix(&js, "unauthorised", e->confusion_raw, e->classes);
    js_end(&js);
    js_text(&js, "model_id", s->run->model_id);
    js_bool(&js, "reproducible", s->run->is_reproducible);
    js_finish(&js);
}

static void print_accuracy(const char *name, double accuracy, ward_interval ci)
{
    if (isfinite(accuracy))
        printf("%-14s%6.2f %%   95 %% interval %.2f .. %.2f %%\n", name, 100 * accuracy,
               100 * ci.low, 100 * ci.high);
    else
        printf("%-14s     -\n", name);
}

static void print_table(const struct subject *s, const ward_evaluation *e)
{
    printf("%s, %s; %s %s, %zu images\n", s->run->arch, ward_method_name(s->run->method),
           s->data->name, split_name(s->split), e->count);
    if (s->run->method == WARD_METHOD_BASELINE) {
        print_accuracy("accuracy", e->authorised, e->authorised_ci);
    } else {
        print_accuracy("authorised", e->authorised, e->authorised_ci);
        print_accuracy("unauthorised", e->unauthorised, e->unauthorised_ci);
    }
    printf("%-14s%6.2f %%\n", "chance", 100 * e->chance);
}

static int evaluate(const struct cli *cli, const ward_run *run, const ward_dataset *data,
                    const struct subject *s)
{
    ward_device *device = NULL;
    ward_evaluation e;
    struct progress progress;
    ward_status st;
    int code = cli_open_device(cli, &device);

    if (code != CLI_RUN)
        return code;
    progress_init(&progress, cli);
    st = ward_evaluate(run, device, data, s->split, false, &e, progress_images, &progress);
    progress_finish(&progress);
    ward_device_close(device);
    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON))
        print_json(s, &e);
    else
        print_table(s, &e);
    ward_evaluation_release(&e);
    return CLI_DONE;
}

int cmd_eval(int argc, char **argv)
{
    struct cli cli;
    ward_run *run = NULL;
    ward_dataset *data = NULL;
    ward_run_info info;
    struct subject subject = {.run = &info};
    ward_status st;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_split(&cli, OPT_SPLIT, &subject.split))
        return CLI_USAGE;
    st = ward_run_open(&run, cli.operands[0]);
    if (st)
        return cli_failed(&cli, st);
    ward_run_describe(run, &info);
    if (info.is_reproducible)
        cli_talk(&cli, "this run's transform was drawn from a given seed: it is not secret");
    code = images_open_data(&cli, &info, cli_text(&cli, OPT_DATA), &data);
    if (code == CLI_RUN) {
        subject.data = ward_dataset_get_info(data);
        code = evaluate(&cli, run, data, &subject);
    }
    ward_dataset_free(data);
    ward_run_close(run);
    return code;
}
