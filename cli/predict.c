/* ward predict: what the network says that images show, with the transform or without. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "images.h"
#include "json.h"
#include "keys.h"
#include "remote.h"

enum option_key { OPT_RAW = CLI_LONG, OPT_TOP };

static const struct cli_option options[] = {
    {OPT_RAW, "raw", NULL, "without the transform, as a thief would"},
    {OPT_TOP, "top", "N", "classes to name for an image [3]"},
    CLI_OPTIONS_REMOTE,
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
    .operands = "RUN IMAGE... [options]\n"
                "       ward predict --remote URL IMAGE... [options]",
    .text = "Say what PNG or JPEG images show: the most probable classes of each, after the run's\n"
            "secret transform, or of the raw image. RUN may also be a bare model.safetensors.",
    .options = options,
    .operands_min = 1,
    .operands_max = SIZE_MAX,
};

struct prediction {
    ward_run_info info;
    char *const *paths;
    size_t count;
    size_t top;
    float *probabilities; /* [count, classes] */
    bool has_first_only;  /* a server that tells the class, not its probability: 1 there, else 0 */
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
            js_real(js, "probability", r->has_first_only ? (double)NAN : (double)p[k]);
            js_end(js);
        } else if (r->has_first_only) {
            printf("  %s", r->info.class_names[k]);
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

static int predict_by_run(const struct cli *cli, struct prediction *r, ward_run **run)
{
    int code = keys_open_run(cli, cli->operands[0], run);

    if (code != CLI_RUN)
        return code;
    ward_run_describe(*run, &r->info);
    return predict(cli, *run, r);
}

/* The first class of each image, as probabilities. */
static int ask_for_classes(const struct cli *cli, ward_remote *remote, struct prediction *r,
                           const float *x)
{
    uint32_t *classes = NULL;
    ward_status st;
    int code = images_allocate(cli, r->count, sizeof(*classes), &classes);

    if (code != CLI_RUN)
        return code;
    st = ward_remote_predict(remote, r->count, x, classes,
                             r->has_first_only ? NULL : r->probabilities);
    for (size_t i = 0; i < r->count && !st && r->has_first_only; i++)
        r->probabilities[i * r->info.classes + classes[i]] = 1;
    free(classes);
    return st ? cli_failed(cli, st) : CLI_RUN;
}

static int predict_by_remote(const struct cli *cli, struct prediction *r, ward_remote **remote)
{
    ward_remote_info about;
    float *x = NULL;
    int code;

    if (cli_has(cli, OPT_RAW))
        return cli_usage(cli, "--raw and --remote contradict each other");
    code = remote_open(cli, remote, &r->info);
    if (code != CLI_RUN)
        return code;
    ward_remote_describe(*remote, &about);
    r->has_first_only = !about.has_scores;
    code = images_read(cli, &r->info, r->paths, r->count, &x);
    if (code == CLI_RUN)
        code = images_allocate(cli, r->count * r->info.classes, sizeof(float), &r->probabilities);
    if (code == CLI_RUN)
        code = ask_for_classes(cli, *remote, r, x);
    free(x);
    return code;
}

int cmd_predict(int argc, char **argv)
{
    struct cli cli;
    struct prediction r = {.top = 3};
    ward_run *run = NULL;
    ward_remote *remote = NULL;
    uint64_t top = 3;
    size_t before;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_count(&cli, OPT_TOP, 1, SIZE_MAX, &top) || !remote_operands(&cli, true, &before))
        return CLI_USAGE;
    r.paths = cli.operands + before;
    r.count = cli.operand_count - before;
    code = before ? predict_by_run(&cli, &r, &run) : predict_by_remote(&cli, &r, &remote);
    if (code == CLI_RUN) {
        r.top = r.has_first_only ? 1 : top < r.info.classes ? (size_t)top : r.info.classes;
        code = print(&cli, &r);
    }
    free(r.probabilities);
    ward_remote_close(remote);
    ward_run_close(run);
    return code;
}
