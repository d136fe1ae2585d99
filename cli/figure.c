/* ward figure: the sheet of the paper's Figure 2, from one run or several. */
#include <stdlib.h>

#include "cli.h"
#include "images.h"
#include "json.h"
#include "keys.h"

enum option_key { OPT_DATA = CLI_LONG, OPT_SPLIT, OPT_COUNT };

static const struct cli_option options[] = {
    {'o', "out", "FILE", "the PNG file to write"},
    {OPT_DATA, "data", "DATA", "where images come from [what the first run was trained on]"},
    {OPT_SPLIT, "split", "NAME", "test or train [test]"},
    {OPT_COUNT, "count", "N", "images, taken from the classes in turn [one of each class]"},
    CLI_OPTION_FORCE,
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

enum { RUNS_MAX = 8, IMAGES_MAX = 1000 };

static const struct cli_command command = {
    .name = "figure",
    .operands = "RUN... -o FILE [options]",
    .text =
        "Draw a picture with a row for each image: the raw image and, for each run, the processed\n"
        "image and the perturbation times five. It shows the secret transform: its mode is 0600.",
    .options = options,
    .operands_min = 1,
    .operands_max = RUNS_MAX,
};

/*
 * Which images to show: the first of class 0, 1, ..., then the second of each, and so on. places
 * has room for wanted; returns how many there are.
 */
static size_t choose(const int32_t *labels, size_t count, size_t classes, size_t wanted,
                     size_t *next, size_t *places)
{
    size_t found = 0;

    for (size_t turn = 0, idle = 0; found < wanted && idle < classes; turn++) {
        size_t k = turn % classes;

        while (next[k] < count && labels[next[k]] != (int32_t)k)
            next[k]++;
        idle = next[k] < count ? 0 : idle + 1;
        if (next[k] < count)
            places[found++] = next[k]++;
    }
    return found;
}

/* *images: [*count, channels, height, width], owned. */
static int read_images(const struct cli *cli, const ward_dataset *data, ward_split split,
                       size_t len, size_t *count, float **images)
{
    const ward_dataset_info *info = ward_dataset_get_info(data);
    size_t total = split == WARD_SPLIT_TRAIN ? info->train_count : info->test_count;
    int32_t *labels = NULL;
    size_t *next = NULL, *places = NULL;
    ward_status st = WARD_OK;
    int code = images_allocate(cli, total, sizeof(*labels), &labels);

    if (code == CLI_RUN)
        code = images_allocate(cli, info->classes, sizeof(*next), &next);
    if (code == CLI_RUN)
        code = images_allocate(cli, *count, sizeof(*places), &places);
    if (code == CLI_RUN)
        code = images_allocate(cli, *count, len * sizeof(float), images);
    if (code != CLI_RUN)
        goto done;
    st = ward_dataset_read(data, split, 0, total, NULL, labels);
    if (!st)
        *count = choose(labels, total, info->classes, *count, next, places);
    for (size_t i = 0; !st && i < *count; i++)
        st = ward_dataset_read(data, split, places[i], 1, *images + i * len, NULL);
    if (st)
        code = cli_failed(cli, st);
done:
    free(labels);
    free(next);
    free(places);
    return code;
}

static int write_sheet(const struct cli *cli, const ward_image *sheet, size_t runs, size_t count)
{
    const char *out = cli_text(cli, 'o');
    int flags = WARD_IMAGE_SECRET | (cli_has(cli, CLI_FORCE) ? WARD_IMAGE_REPLACE : 0);
    ward_status st = ward_image_write(sheet, out, flags);
    struct js js;

    if (st == WARD_ERR_EXISTS)
        return cli_error(cli, "'%s' is there already; --force overwrites it", out);
    if (st)
        return cli_failed(cli, st);
    if (!cli_has(cli, CLI_JSON)) {
        printf("%s\n", out);
        return CLI_DONE;
    }
    js_begin(&js, stdout);
    js_text(&js, "file", out);
    js_count(&js, "runs", runs);
    js_count(&js, "images", count);
    js_finish(&js);
    return CLI_DONE;
}

static int draw(const struct cli *cli, const ward_run *const *runs, const ward_dataset *data,
                const ward_run_info *info)
{
    ward_device *device = NULL;
    ward_image sheet = {0};
    ward_split split;
    float *images = NULL;
    uint64_t count = info->classes < IMAGES_MAX ? info->classes : IMAGES_MAX;
    size_t n;
    ward_status st;
    int code = CLI_USAGE;

    if (!cli_count(cli, OPT_COUNT, 1, IMAGES_MAX, &count) || !cli_split(cli, OPT_SPLIT, &split))
        return code;
    n = (size_t)count;
    code = read_images(cli, data, split, images_len(info), &n, &images);
    if (code == CLI_RUN)
        code = cli_open_device(cli, &device);
    if (code == CLI_RUN) {
        st = ward_figure(runs, cli->operand_count, device, n, images, &sheet);
        code = st ? cli_failed(cli, st) : write_sheet(cli, &sheet, cli->operand_count, n);
    }
    ward_image_release(&sheet);
    ward_device_close(device);
    free(images);
    return code;
}

int cmd_figure(int argc, char **argv)
{
    struct cli cli;
    ward_run *runs[RUNS_MAX] = {NULL};
    const ward_run *borrowed[RUNS_MAX];
    ward_dataset *data = NULL;
    ward_run_info info;
    ward_keys *keys = NULL;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_has(&cli, 'o'))
        return cli_usage(&cli, "--out is missing");
    code = keys_open(&cli, &keys);
    for (size_t i = 0; code == CLI_RUN && i < cli.operand_count; i++) {
        ward_status st = ward_run_open_with(&runs[i], cli.operands[i], keys);

        if (st)
            code = cli_failed(&cli, st);
        borrowed[i] = runs[i];
    }
    if (code == CLI_RUN) {
        ward_run_describe(runs[0], &info);
        code = images_open_data(&cli, &info, cli_text(&cli, OPT_DATA), &data);
    }
    if (code == CLI_RUN)
        code = draw(&cli, borrowed, data, &info);
    ward_keys_free(keys);
    ward_dataset_free(data);
    for (size_t i = 0; i < RUNS_MAX; i++)
        ward_run_close(runs[i]);
    return code;
}
