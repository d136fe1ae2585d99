/*
 * ward bench: how fast this machine trains and infers, and how near that is to what it can do.
 *
 * The whole table measures each row in a process of its own, so that a row's memory is its alone.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "json.h"

enum option_key {
    OPT_ARCH = CLI_LONG,
    OPT_METHOD,
    OPT_SHAPE,
    OPT_BATCH,
    OPT_RAW_SHARE,
    OPT_SECONDS,
    OPT_PROFILE
};

static const struct cli_option options[] = {
    {OPT_ARCH, "arch", "NAME", "a network, as ward train names them, such as resnet20"},
    {OPT_METHOD, "method", "NAME", "baseline, fixed, learned, generator or keyed"},
    {OPT_SHAPE, "data-shape", "CxHxW", "channels, height and width of an image [1x28x28]"},
    {OPT_BATCH, "batch", "N", "images at a time [train: 128, otherwise 256]"},
    {OPT_RAW_SHARE, "raw-share", "X", "train: share of the batch also shown raw, 0 .. 1 [1]"},
    {OPT_SECONDS, "seconds", "X", "to measure each for, at least three times [5]"},
    {OPT_PROFILE, "profile", NULL, "time of each operator, and what computes it"},
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "bench",
    .operands = "[train | infer | transform] [options]",
    .text =
        "Measure speed: of a training step, of inference (F after G), or of G alone, with random\n"
        "weights and images; as a share of the machine's own rate in matrix products (sgemm),\n"
        "measured in turn with it. Without an operand: a table. Wants an idle machine.",
    .options = options,
    .operands_max = 1,
};

static const char *const works[] = {"train", "infer", "transform", NULL};

/* ---- the rows ---- */

/* Batch 0: the default. */
static const struct row {
    ward_bench_work work;
    const char *arch;
    ward_method method;
    size_t batch;
} rows[] = {
    {WARD_BENCH_TRAIN, "resnet20", WARD_METHOD_BASELINE, 0},
    {WARD_BENCH_TRAIN, "resnet20", WARD_METHOD_GENERATOR, 0},
    {WARD_BENCH_TRAIN, "simple-cnn", WARD_METHOD_BASELINE, 0},
    {WARD_BENCH_TRAIN, "simple-cnn", WARD_METHOD_GENERATOR, 0},
    {WARD_BENCH_INFER, "resnet20", WARD_METHOD_BASELINE, 0},
    {WARD_BENCH_INFER, "resnet20", WARD_METHOD_GENERATOR, 0},
    {WARD_BENCH_INFER, "simple-cnn", WARD_METHOD_BASELINE, 0},
    {WARD_BENCH_INFER, "simple-cnn", WARD_METHOD_GENERATOR, 0},
    {WARD_BENCH_INFER, "resnet20", WARD_METHOD_BASELINE, 1},
    {WARD_BENCH_INFER, "resnet20", WARD_METHOD_GENERATOR, 1},
    {WARD_BENCH_INFER, "simple-cnn", WARD_METHOD_BASELINE, 1},
    {WARD_BENCH_INFER, "simple-cnn", WARD_METHOD_GENERATOR, 1},
    {WARD_BENCH_TRANSFORM, NULL, WARD_METHOD_FIXED, 0},
    {WARD_BENCH_TRANSFORM, NULL, WARD_METHOD_LEARNED, 0},
    {WARD_BENCH_TRANSFORM, NULL, WARD_METHOD_GENERATOR, 0},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* ---- the command line ---- */

static bool parse_size(const char **text, size_t *out)
{
    char *end;
    unsigned long long value;

    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    value = strtoull(*text, &end, 10);
    *text = end;
    *out = (size_t)value;
    return !errno;
}

static bool parse_shape(const struct cli *cli, ward_bench_config *config)
{
    const char *text = cli_text(cli, OPT_SHAPE), *c = text;

    if (!text ||
        (parse_size(&c, &config->channels) && *c++ == 'x' && parse_size(&c, &config->height) &&
         *c++ == 'x' && parse_size(&c, &config->width) && !*c))
        return true;
    cli_usage(cli, "--data-shape '%s' is not of the form 1x28x28", text);
    return false;
}

/* The options that every row of the table takes, too. */
static bool parse_common(const struct cli *cli, ward_bench_config *config)
{
    return parse_shape(cli, config) && cli_real(cli, OPT_SECONDS, &config->seconds);
}

static bool parse_batch(const struct cli *cli, ward_bench_config *config)
{
    uint64_t batch = config->batch;

    if (!cli_count(cli, OPT_BATCH, 1, 65536, &batch))
        return false;
    config->batch = (size_t)batch;
    return true;
}

static int parse_one(const struct cli *cli, ward_bench_config *config)
{
    const char *arch = cli_text(cli, OPT_ARCH), *name = cli_text(cli, OPT_METHOD);
    ward_method method;
    size_t work = 0;
    ward_status st;

    while (works[work] && strcmp(works[work], cli->operands[0]) != 0)
        work++;
    if (!works[work])
        return cli_usage(cli, "'%s' is not train, infer or transform", cli->operands[0]);
    if (!arch && work != WARD_BENCH_TRANSFORM)
        return cli_usage(cli, "--arch is missing");
    if (!name)
        return cli_usage(cli, "--method is missing");
    st = ward_method_parse(name, &method);
    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, OPT_RAW_SHARE) && (work != WARD_BENCH_TRAIN || method == WARD_METHOD_BASELINE))
        return cli_usage(cli, "--raw-share is for training with a transform only");
    ward_bench_defaults(config, (ward_bench_work)work, arch, method);
    if (!parse_common(cli, config) || !parse_batch(cli, config) ||
        !cli_real(cli, OPT_RAW_SHARE, &config->raw_share))
        return CLI_USAGE;
    return CLI_RUN;
}

static int refuse_choices(const struct cli *cli)
{
    static const int choices[] = {OPT_ARCH, OPT_METHOD, OPT_BATCH, OPT_RAW_SHARE, OPT_PROFILE};

    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
        if (cli_has(cli, choices[i]))
            return cli_usage(cli, "--%s needs train, infer or transform",
                             cli_name(cli, choices[i]));
    return CLI_RUN;
}

/* ---- output ---- */

static void print_head(void)
{
    printf("%-10s%-11s %-11s%6s%8s%12s%26s%10s%9s%8s%7s%9s\n", "work", "arch", "method", "batch",
           "threads", "median ms", "quartiles", "images/s", "GFLOP/s", "sgemm", "share",
           "peak MiB");
}

static void print_row(const ward_bench_config *c, const ward_bench_result *r)
{
    char quartiles[64];

    snprintf(quartiles, sizeof(quartiles), "%.3f .. %.3f", r->low_ms, r->high_ms);
    printf("%-10s%-11s %-11s%6zu%8u%12.3f%26s%10.0f%9.1f%8.1f%6.1f%%%9.1f\n", works[c->work],
           c->work == WARD_BENCH_TRANSFORM ? "-" : c->arch, ward_method_name(c->method), c->batch,
           r->threads, r->median_ms, quartiles, r->images_per_s, r->gflops, r->sgemm_gflops,
           100 * r->share, r->peak_rss_mib);
    fflush(stdout); /* the next one takes seconds */
}

static void add_row(struct js *js, const ward_bench_config *c, const ward_bench_result *r)
{
    js_text(js, "work", works[c->work]);
    js_text(js, "arch", c->work == WARD_BENCH_TRANSFORM ? NULL : c->arch);
    js_text(js, "method", ward_method_name(c->method));
    js_array(js, "shape");
    js_count(js, NULL, c->channels);
    js_count(js, NULL, c->height);
    js_count(js, NULL, c->width);
    js_end(js);
    js_count(js, "batch", c->batch);
    if (c->work == WARD_BENCH_TRAIN && c->method != WARD_METHOD_BASELINE)
        js_real(js, "raw_share", c->raw_share);
    js_count(js, "threads", r->threads);
    js_count(js, "repeats", r->repeats);
    js_real(js, "median_ms", r->median_ms);
    js_real(js, "low_ms", r->low_ms);
    js_real(js, "high_ms", r->high_ms);
    js_real(js, "images_per_s", r->images_per_s);
    js_real(js, "gflop", r->gflop);
    js_real(js, "gflops", r->gflops);
    js_real(js, "sgemm_gflops", r->sgemm_gflops);
    js_real(js, "share", r->share);
    js_real(js, "peak_rss_mib", r->peak_rss_mib);
}

/* Which build on which device: without it a number means nothing later. */
static void add_origin(struct js *js, const ward_device *device)
{
    js_text(js, "commit", ward_build_info()->commit);
    js_text(js, "device", ward_device_name(device));
    js_text(js, "summary", ward_device_summary(device));
}

/* ---- one row, perhaps with a profile ---- */

struct report {
    const struct cli *cli;
    const ward_device *device;
    ward_bench_config config;
    ward_bench_result result;
    bool has_begun; /* the row is out */
    struct js js;
};

static void begin_json(struct report *r)
{
    js_begin(&r->js, stdout);
    add_row(&r->js, &r->config, &r->result);
    add_origin(&r->js, r->device);
    if (cli_has(r->cli, OPT_PROFILE))
        js_array(&r->js, "profile");
}

static void begin_text(const struct report *r)
{
    print_head();
    print_row(&r->config, &r->result);
    if (cli_has(r->cli, OPT_PROFILE))
        printf("\n%11s%9s%13s%9s  %-20s%-26s%s\n", "forward ms", "GFLOP/s", "backward ms",
               "GFLOP/s", "operator", "layer", "implementation");
}

static void begin(struct report *r)
{
    if (r->has_begun)
        return;
    r->has_begun = true;
    if (cli_has(r->cli, CLI_JSON))
        begin_json(r);
    else
        begin_text(r);
}

static void add_step(struct js *js, const ward_bench_step *step)
{
    js_object(js, NULL);
    js_text(js, "name", step->name);
    js_text(js, "layer", step->layer);
    js_text(js, "implementation", step->implementation);
    js_real(js, "forward_ms", step->forward_ms);
    js_real(js, "backward_ms", step->backward_ms);
    js_real(js, "forward_gflop", step->forward_gflop);
    js_real(js, "backward_gflop", step->backward_gflop);
    js_end(js);
}

/* "-" for the rate of what does no multiply-adds. */
static const char *rate_text(char text[32], double gflop, double ms)
{
    if (gflop > 0 && ms > 0)
        snprintf(text, 32, "%.1f", 1e3 * gflop / ms);
    else
        snprintf(text, 32, "-");
    return text;
}

static void show_step(void *context, const ward_bench_step *step)
{
    struct report *r = context;
    char forward[32], backward[32];

    begin(r);
    if (cli_has(r->cli, CLI_JSON))
        add_step(&r->js, step);
    else
        printf("%11.3f%9s%13.3f%9s  %-20s%-26s%s\n", step->forward_ms,
               rate_text(forward, step->forward_gflop, step->forward_ms), step->backward_ms,
               rate_text(backward, step->backward_gflop, step->backward_ms), step->name,
               step->layer, step->implementation);
}

static int bench_one(const struct cli *cli)
{
    struct report r = {.cli = cli};
    ward_bench_visit *visit = cli_has(cli, OPT_PROFILE) ? show_step : NULL;
    ward_device *device = NULL;
    ward_status st = WARD_OK;
    int code = parse_one(cli, &r.config);

    if (code == CLI_RUN)
        code = cli_open_device(cli, &device);
    if (code != CLI_RUN)
        return code;
    r.device = device;
    st = ward_bench(device, &r.config, &r.result, visit, &r);
    if (!st) {
        begin(&r);
        if (cli_has(cli, CLI_JSON))
            js_finish(&r.js);
    }
    code = st ? cli_failed(cli, st) : CLI_DONE;
    ward_device_close(device);
    return code;
}

/* ---- the table ---- */

/* In the process made for it: nothing has been computed here before. */
static int measure_here(const struct cli *cli, const ward_bench_config *config, int out)
{
    ward_bench_result result;
    ward_device *device = NULL;
    ward_status st;
    int code = cli_open_device(cli, &device);

    if (code != CLI_RUN)
        return code;
    st = ward_bench(device, config, &result, NULL, NULL);
    if (st)
        code = cli_failed(cli, st);
    else
        code = write(out, &result, sizeof(result)) == sizeof(result) ? CLI_DONE : CLI_FAILED;
    ward_device_close(device);
    return code;
}

static int collect(const struct cli *cli, pid_t child, int in, ward_bench_result *result)
{
    ssize_t len = read(in, result, sizeof(*result));
    int status = 0;

    if (waitpid(child, &status, 0) != child)
        return cli_error(cli, "cannot wait for a process: %s", strerror(errno));
    if (WIFSIGNALED(status))
        return cli_error(cli, "the process that measures was ended: %s",
                         strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != CLI_DONE)
        return WEXITSTATUS(status);
    return len == (ssize_t)sizeof(*result) ? CLI_RUN : cli_error(cli, "a result is cut off");
}

static int measure_apart(const struct cli *cli, const ward_bench_config *config,
                         ward_bench_result *result)
{
    int ends[2], code;
    pid_t child;

    if (pipe(ends) != 0)
        return cli_error(cli, "cannot make a pipe: %s", strerror(errno));
    fflush(stdout);
    child = fork();
    if (child == 0)
        _exit(measure_here(cli, config, ends[1]));
    close(ends[1]);
    code = child < 0 ? cli_error(cli, "cannot start a process: %s", strerror(errno))
                     : collect(cli, child, ends[0], result);
    close(ends[0]);
    return code;
}

static int bench_row(const struct cli *cli, const struct row *row, ward_bench_config *config,
                     ward_bench_result *result)
{
    ward_bench_defaults(config, row->work, row->arch, row->method);
    config->batch = row->batch ? row->batch : config->batch;
    return parse_common(cli, config) ? measure_apart(cli, config, result) : CLI_USAGE;
}

static int print_json(const struct cli *cli, const ward_bench_config *configs,
                      const ward_bench_result *results)
{
    ward_device *device = NULL;
    int code = cli_open_device(cli, &device);
    struct js js;

    if (code != CLI_RUN)
        return code;
    js_begin(&js, stdout);
    js_array(&js, "rows");
    for (size_t i = 0; i < ROWS; i++) {
        js_object(&js, NULL);
        add_row(&js, &configs[i], &results[i]);
        js_end(&js);
    }
    js_end(&js);
    add_origin(&js, device);
    js_finish(&js);
    ward_device_close(device);
    return CLI_DONE;
}

static int bench_all(const struct cli *cli)
{
    ward_bench_config configs[ROWS];
    ward_bench_result results[ROWS];
    bool is_json = cli_has(cli, CLI_JSON);
    int code = refuse_choices(cli);

    for (size_t i = 0; i < ROWS && code == CLI_RUN; i++) {
        code = bench_row(cli, &rows[i], &configs[i], &results[i]);
        if (code != CLI_RUN || is_json)
            continue;
        if (i == 0)
            print_head();
        print_row(&configs[i], &results[i]);
    }
    if (code != CLI_RUN)
        return code;
    return is_json ? print_json(cli, configs, results) : CLI_DONE;
}

int cmd_bench(int argc, char **argv)
{
    struct cli cli;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    return cli.operand_count ? bench_one(&cli) : bench_all(&cli);
}
