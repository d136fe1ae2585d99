/* ward predict: what the network says that images show, with the transform or without. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "images.h"
#include "json.h"
#include "keys.h"

enum option_key { OPT_RAW = CLI_LONG, OPT_TOP };

static const struct cli_option options[] = {
    {OPT_RAW, "raw", NULL, "without the transform, as a thief would"},
    {OPT_TOP, "top", "N", "classes to name for an image [3]"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "predict",
    .operands = "RUN IMAGE... [options]",
    .text = "Say what PNG or JPEG images show: the most probable classes of each, after the run's\n"
            "secret transform, or of the raw image. RUN may also be a bare model.safetensors.",
    .options = options,
    .operands_min = 2,
    .operands_max = SIZE_MAX,
};

struct prediction {
    ward_run_info info;
    char *const *paths;
    size_t count;
    size_t top;
    float *probabilities; /* [count, classes] */
};

/* The most probable class that is not taken yet; the first of equals. */
static size_t best_class(const float *p, const bool *is_taken, size_t classes)
{
    size_t best = classes;

    for (size_t k = 0; k < classes; k++)
        if (!is_taken[k] && (best == classes || p[k] > p[best]))
            best = k;
    return best;
}

static void print_image(const struct prediction *r, size_t i, bool *is_taken, struct js *js)
{
    const float *p = r->probabilities + i * r->info.classes;

    memset(is_taken, 0, r->info.classes * sizeof(*is_taken));
    for (size_t t = 0; t < r->top; t++) {
        size_t k = best_class(p, is_taken, r->info.classes);

        is_taken[k] = true;
        if (js) {
            js_object(js, NULL);
            js_count(js, "class", k);
            js_text(js, "name", r->info.class_names[k]);
            js_real(js, "probability", (double)p[k]);
            js_end(js);
        } else {
            printf("%s%s %.1f %%", t ? ", " : "  ", r->info.class_names[k], 100 * (double)p[k]);
        }
    }
}

static void print_json(const struct prediction *r, bool *is_taken, bool has_applied)
{
    struct js js;

    js_begin(&js, stdout);
    js_text(&js, "model_id", r->info.model_id);
    js_bool(&js, "transformed", has_applied);
    js_array(&js, "images");
    for (size_t i = 0; i < r->count; i++) {
        js_object(&js, NULL);
        js_text(&js, "file", r->paths[i]);
        js_array(&js, "predictions");
        print_image(r, i, is_taken, &js);
        js_end(&js);
        js_end(&js);
    }
    js_finish(&js);
}

static int print(const struct cli *cli, const struct prediction *r)
{
    bool *is_taken = NULL;
    int code = images_allocate(cli, r->info.classes, sizeof(*is_taken), &is_taken);

    if (code != CLI_RUN)
        return code;
    if (cli_has(cli, CLI_JSON)) {
        print_json(r, is_taken, r->info.has_transform && !cli_has(cli, OPT_RAW));
    } else {
        for (size_t i = 0; i < r->count; i++) {
            fputs(r->paths[i], stdout);
            print_image(r, i, is_taken, NULL);
            putchar('\n');
        }
    }
    free(is_taken);
    return CLI_DONE;
}

static int predict(const struct cli *cli, const ward_run *run, struct prediction *r)
{
    enum { BATCH = 64 };
    ward_device *device = NULL;
    ward_session *session = NULL;
    float *x = NULL;
    ward_status st = WARD_OK;
    int code = images_read(cli, &r->info, r->paths, r->count, &x);

    if (code == CLI_RUN)
        code = images_allocate(cli, r->count * r->info.classes, sizeof(float), &r->probabilities);
    if (code == CLI_RUN)
        code = cli_open_device(cli, &device);
    if (code == CLI_RUN) {
        st = ward_session_new(&session, run, device, r->count < BATCH ? r->count : BATCH);
        if (!st)
            st =
                ward_session_predict(session, r->count, x, cli_has(cli, OPT_RAW), r->probabilities);
        if (st)
            code = cli_failed(cli, st);
    }
    ward_session_free(session);
    ward_device_close(device);
    free(x);
    return code;
}

int cmd_predict(int argc, char **argv)
{
    struct cli cli;
    struct prediction r = {.top = 3};
    ward_run *run = NULL;
    uint64_t top = 3;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_count(&cli, OPT_TOP, 1, SIZE_MAX, &top))
        return CLI_USAGE;
    code = keys_open_run(&cli, cli.operands[0], &run);
    if (code != CLI_RUN)
        return code;
    ward_run_describe(run, &r.info);
    r.paths = cli.operands + 1;
    r.count = cli.operand_count - 1;
    r.top = top < r.info.classes ? (size_t)top : r.info.classes;
    code = predict(&cli, run, &r);
    if (code == CLI_RUN)
        code = print(&cli, &r);
    free(r.probabilities);
    ward_run_close(run);
    return code;
}
