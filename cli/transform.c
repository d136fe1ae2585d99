/*
 * ward transform: x_p = G(x_r), of picture files or of a split of a data set.
 *
 * Pictures go to a directory of PNG files or into one array; a split goes into an array, a few
 * images at a time. All of it is secret but the labels.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "images.h"
#include "json.h"
#include "keys.h"
#include "progress.h"
#include "remote.h"

enum option_key { OPT_DATA = CLI_LONG, OPT_SPLIT, OPT_RAW_OUT, OPT_LABELS_OUT, OPT_SAVE_U8 };

static const struct cli_option options[] = {
    {'o', "out", "OUT", "a directory for PNG files, or FILE.npy"},
    {OPT_DATA, "data", "DATA", "take the images from a data set"},
    {OPT_SPLIT, "split", "NAME", "of the data set: test or train [test]"},
    {OPT_RAW_OUT, "raw-out", "FILE", "of a data set: write the raw images, too"},
    {OPT_LABELS_OUT, "labels-out", "FILE", "of a data set: write the labels, too"},
    {OPT_SAVE_U8, "save-u8", NULL,
     "of a data set: write 8 bits a value instead of float32,\n"
     "and report what that costs in accuracy"},
    CLI_OPTION_FORCE,
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
    .name = "transform",
    .operands = "RUN IMAGE... -o OUT [options]\n"
                "       ward transform RUN --data DATA -o FILE.npy [options]\n"
                "       ward transform --remote URL IMAGE... | --data DATA -o OUT [options]",
    .text = "Apply a run's secret transform to PNG or JPEG images, or to a split of a data set.\n"
            "Arrays are [count, channels, height, width]. What is written is secret: mode 0600.",
    .options = options,
    .operands_min = 0,
    .operands_max = SIZE_MAX,
};

enum { BATCH = 256 };

struct job {
    const struct cli *cli;
    const ward_run *run;
    ward_run_info info;
    ward_device *device;
    ward_session *session;
    ward_remote *remote; /* NULL: the session transforms */
    char *const *inputs; /* picture files */
    size_t input_count;
};

static bool is_npy(const char *path)
{
    size_t len = strlen(path);

    return len > 4 && strcmp(path + len - 4, ".npy") == 0;
}

static ward_status transform(const struct job *job, size_t n, const float *x, float *y)
{
    return job->remote ? ward_remote_transform(job->remote, n, x, y)
                       : ward_session_transform(job->session, n, x, y);
}

static int failed(const struct job *job, ward_status st, const char *path)
{
    if (st == WARD_ERR_EXISTS)
        return cli_error(job->cli, "'%s' is there already; --force overwrites it", path);
    return cli_failed(job->cli, st);
}

static int npy_flags(const struct job *job)
{
    return WARD_NPY_SECRET | (cli_has(job->cli, CLI_FORCE) ? WARD_NPY_REPLACE : 0);
}

/* The result, for machines or for people; accuracies NULL unless rounding was measured. */
static int report(const struct job *job, const char *const *files, size_t file_count, size_t count,
                  const ward_evaluation *e)
{
    struct js js;

    if (!cli_has(job->cli, CLI_JSON)) {
        for (size_t i = 0; i < file_count; i++)
            printf("%s\n", files[i]);
        if (e)
            printf("authorised %.2f %%; with 8 bits %.2f %% (%+.2f)\n", 100 * e->authorised,
                   100 * e->authorised_rounded, 100 * (e->authorised_rounded - e->authorised));
        return CLI_DONE;
    }
    js_begin(&js, stdout);
    js_array(&js, "files");
    for (size_t i = 0; i < file_count; i++)
        js_text(&js, NULL, files[i]);
    js_end(&js);
    js_count(&js, "count", count);
    if (e) {
        js_real(&js, "authorised", e->authorised);
        js_real(&js, "authorised_u8", e->authorised_rounded);
    }
    js_finish(&js);
    return CLI_DONE;
}

/* ---- a split of a data set ---- */

struct arrays {
    ward_npy *processed, *raw, *labels;
    float *x, *y;   /* [BATCH, channels, height, width] */
    uint8_t *bytes; /* the same */
    int32_t *k;     /* [BATCH] */
};

static ward_status open_arrays(const struct job *job, size_t count, struct arrays *a,
                               const char **path)
{
    const struct cli *cli = job->cli;
    size_t shape[] = {count, job->info.channels, job->info.height, job->info.width};
    ward_npy_type type = cli_has(cli, OPT_SAVE_U8) ? WARD_NPY_UINT8 : WARD_NPY_FLOAT32;
    int flags = npy_flags(job);
    ward_status st;

    *path = cli_text(cli, 'o');
    st = ward_npy_open(&a->processed, *path, type, shape, 4, flags);
    if (!st && cli_has(cli, OPT_RAW_OUT)) {
        *path = cli_text(cli, OPT_RAW_OUT);
        st = ward_npy_open(&a->raw, *path, type, shape, 4, flags);
    }
    if (!st && cli_has(cli, OPT_LABELS_OUT)) {
        *path = cli_text(cli, OPT_LABELS_OUT);
        st = ward_npy_open(&a->labels, *path, WARD_NPY_INT64, shape, 1, flags & ~WARD_NPY_SECRET);
    }
    return st;
}

static void discard_arrays(struct arrays *a)
{
    ward_npy_discard(a->processed);
    ward_npy_discard(a->raw);
    ward_npy_discard(a->labels);
    free(a->x);
    free(a->y);
    free(a->bytes);
    free(a->k);
}

static int allocate_arrays(const struct job *job, struct arrays *a)
{
    size_t len = BATCH * images_len(&job->info);
    int code = images_allocate(job->cli, len, sizeof(float), &a->x);

    if (code == CLI_RUN)
        code = images_allocate(job->cli, len, sizeof(float), &a->y);
    if (code == CLI_RUN)
        code = images_allocate(job->cli, len, 1, &a->bytes);
    if (code == CLI_RUN)
        code = images_allocate(job->cli, BATCH, sizeof(int32_t), &a->k);
    return code;
}

/* As an 8-bit picture holds it; the same rounding as ward_evaluate() measures. */
static void round_bytes(const ward_run_info *info, const float *values, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        float t = 255 * (values[i] - info->low) / (info->high - info->low);

        out[i] = (uint8_t)lrintf(t < 0 ? 0 : t > 255 ? 255 : t);
    }
}

static ward_status add(const struct job *job, struct arrays *a, ward_npy *npy, const float *values,
                       size_t count)
{
    if (!cli_has(job->cli, OPT_SAVE_U8))
        return ward_npy_add_floats(npy, values, count);
    round_bytes(&job->info, values, count, a->bytes);
    return ward_npy_add_bytes(npy, a->bytes, count);
}

static ward_status fill_arrays(const struct job *job, const ward_dataset *data, ward_split split,
                               size_t count, struct arrays *a)
{
    size_t len = images_len(&job->info);
    struct progress progress;
    ward_status st = WARD_OK;

    progress_init(&progress, job->cli);
    for (size_t done = 0, n; !st && done < count; done += n) {
        n = count - done < BATCH ? count - done : BATCH;
        st = ward_dataset_read(data, split, done, n, a->x, a->k);
        if (!st)
            st = transform(job, n, a->x, a->y);
        if (!st)
            st = add(job, a, a->processed, a->y, n * len);
        if (!st && a->raw)
            st = add(job, a, a->raw, a->x, n * len);
        if (!st && a->labels)
            st = ward_npy_add_labels(a->labels, a->k, n);
        progress_images(&progress, done + n, count);
    }
    progress_finish(&progress);
    return st;
}

/* Each is freed by closing, so it is taken out first. */
static ward_status close_arrays(const struct job *job, struct arrays *a, const char **path)
{
    struct {
        ward_npy **npy;
        const char *path;
    } all[] = {{&a->labels, cli_text(job->cli, OPT_LABELS_OUT)},
               {&a->raw, cli_text(job->cli, OPT_RAW_OUT)},
               {&a->processed, cli_text(job->cli, 'o')}};
    ward_status st = WARD_OK;

    for (size_t i = 0; !st && i < sizeof(all) / sizeof(all[0]); i++) {
        ward_npy *npy = *all[i].npy;

        *all[i].npy = NULL;
        *path = all[i].path;
        if (npy)
            st = ward_npy_close(npy);
    }
    return st;
}

static int report_split(const struct job *job, const ward_dataset *data, ward_split split,
                        size_t count)
{
    const struct cli *cli = job->cli;
    const char *files[3] = {cli_text(cli, 'o')};
    size_t n = 1;
    ward_evaluation e = {0};
    struct progress progress;
    ward_status st = WARD_OK;
    int code;

    if (cli_has(cli, OPT_RAW_OUT))
        files[n++] = cli_text(cli, OPT_RAW_OUT);
    if (cli_has(cli, OPT_LABELS_OUT))
        files[n++] = cli_text(cli, OPT_LABELS_OUT);
    if (cli_has(cli, OPT_SAVE_U8)) {
        progress_init(&progress, cli);
        st =
            ward_evaluate(job->run, job->device, data, split, true, &e, progress_images, &progress);
        progress_finish(&progress);
    }
    code = st ? cli_failed(cli, st)
              : report(job, files, n, count, cli_has(cli, OPT_SAVE_U8) ? &e : NULL);
    ward_evaluation_release(&e);
    return code;
}

static int transform_split(const struct job *job, ward_split split)
{
    ward_dataset *data = NULL;
    const ward_dataset_info *info;
    struct arrays a = {0};
    const char *path = "";
    size_t count;
    ward_status st;
    int code = images_open_data(job->cli, &job->info, cli_text(job->cli, OPT_DATA), &data);

    if (code == CLI_RUN)
        code = allocate_arrays(job, &a);
    if (code != CLI_RUN)
        goto done;
    info = ward_dataset_get_info(data);
    count = split == WARD_SPLIT_TRAIN ? info->train_count : info->test_count;
    st = open_arrays(job, count, &a, &path);
    if (!st)
        st = fill_arrays(job, data, split, count, &a);
    if (!st)
        st = close_arrays(job, &a, &path);
    code = st ? failed(job, st, path) : report_split(job, data, split, count);
done:
    discard_arrays(&a);
    ward_dataset_free(data);
    return code;
}

/* ---- picture files ---- */

/* DIRECTORY/NAME.png for a picture called .../NAME.EXTENSION; owned: free(). */
static char *output_path(const char *directory, const char *input)
{
    const char *name = strrchr(input, '/') ? strrchr(input, '/') + 1 : input;
    const char *dot = strrchr(name, '.');
    size_t len = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    size_t at = strlen(directory), room = at + len + sizeof("/.png");
    const char *slash = at > 0 && directory[at - 1] == '/' ? "" : "/";
    char *path = malloc(room);

    if (path)
        snprintf(path, room, "%s%s%.*s.png", directory, slash, (int)len, name);
    return path;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_distinct(const struct job *job, char *const *paths, size_t count)
{
    char **sorted = NULL;
    int code = images_allocate(job->cli, count, sizeof(*sorted), &sorted);

    if (code != CLI_RUN)
        return code;
    memcpy(sorted, paths, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_text);
    for (size_t i = 1; code == CLI_RUN && i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            code = cli_usage(job->cli, "two images would be written to '%s'", sorted[i]);
    free(sorted);
    return code;
}

/* Before anything is written: no name twice, nothing in the way, and a directory to write to. */
static int prepare_outputs(const struct job *job, char *const *paths, size_t count)
{
    const char *directory = cli_text(job->cli, 'o');
    int code = check_distinct(job, paths, count);

    for (size_t i = 0; code == CLI_RUN && i < count; i++)
        if (!cli_has(job->cli, CLI_FORCE) && access(paths[i], F_OK) == 0)
            code = failed(job, WARD_ERR_EXISTS, paths[i]);
    if (code == CLI_RUN && mkdir(directory, 0777) && errno != EEXIST)
        code = cli_error(job->cli, "cannot make '%s': %s", directory, strerror(errno));
    return code;
}

static ward_status write_picture(const struct job *job, const char *path, const float *y)
{
    const ward_run_info *info = &job->info;
    int flags = WARD_IMAGE_SECRET | (cli_has(job->cli, CLI_FORCE) ? WARD_IMAGE_REPLACE : 0);
    ward_image image = {0};
    ward_status st =
        ward_image_from_float(&image, y, (unsigned)info->channels, (unsigned)info->height,
                              (unsigned)info->width, info->low, info->high);

    if (!st)
        st = ward_image_write(&image, path, flags);
    ward_image_release(&image);
    return st;
}

/* A network that was trained without clamping may need what a picture cannot hold. */
static void warn_of_clamping(const struct job *job, const float *y, size_t count)
{
    size_t outside = 0;

    for (size_t i = 0; i < count; i++)
        outside += y[i] < job->info.low || y[i] > job->info.high;
    if (outside)
        cli_talk(
            job->cli,
            "%.1f %% of the values do not fit in a picture and were clamped, which can cost all "
            "accuracy; write an array, or train with --clamp yes",
            100 * (double)outside / (double)count);
}

static int write_pictures(const struct job *job, const float *y, char *const *inputs, size_t count)
{
    size_t len = images_len(&job->info);
    char **paths = NULL;
    int code = images_allocate(job->cli, count, sizeof(*paths), &paths);

    for (size_t i = 0; code == CLI_RUN && i < count; i++) {
        paths[i] = output_path(cli_text(job->cli, 'o'), inputs[i]);
        if (!paths[i])
            code = cli_error(job->cli, "out of memory");
    }
    if (code == CLI_RUN)
        code = prepare_outputs(job, paths, count);
    for (size_t i = 0; code == CLI_RUN && i < count; i++) {
        ward_status st = write_picture(job, paths[i], y + i * len);

        if (st)
            code = failed(job, st, paths[i]);
    }
    if (code == CLI_RUN)
        warn_of_clamping(job, y, count * len);
    if (code == CLI_RUN)
        code = report(job, (const char *const *)paths, count, count, NULL);
    for (size_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
    return code;
}

static int write_array(const struct job *job, const float *y, size_t count)
{
    const char *path = cli_text(job->cli, 'o');
    size_t shape[] = {count, job->info.channels, job->info.height, job->info.width};
    ward_npy *npy = NULL;
    ward_status st = ward_npy_open(&npy, path, WARD_NPY_FLOAT32, shape, 4, npy_flags(job));

    if (!st)
        st = ward_npy_add_floats(npy, y, count * images_len(&job->info));
    if (st)
        ward_npy_discard(npy);
    else
        st = ward_npy_close(npy);
    return st ? failed(job, st, path) : report(job, &path, 1, count, NULL);
}

static int transform_pictures(const struct job *job)
{
    char *const *inputs = job->inputs;
    size_t count = job->input_count;
    float *x = NULL;
    ward_status st;
    int code = images_read(job->cli, &job->info, inputs, count, &x);

    if (code != CLI_RUN)
        return code;
    st = transform(job, count, x, x);
    if (st)
        code = cli_failed(job->cli, st);
    else if (is_npy(cli_text(job->cli, 'o')))
        code = write_array(job, x, count);
    else
        code = write_pictures(job, x, inputs, count);
    free(x);
    return code;
}

static int check_command_line(const struct cli *cli, size_t before)
{
    static const int for_data[] = {OPT_SPLIT, OPT_RAW_OUT, OPT_LABELS_OUT, OPT_SAVE_U8};
    static const int files[] = {'o', OPT_RAW_OUT, OPT_LABELS_OUT};
    bool has_data = cli_has(cli, OPT_DATA), has_images = cli->operand_count > before;

    if (!before && cli_has(cli, OPT_SAVE_U8))
        return cli_usage(cli, "--save-u8 needs the run, and means nothing with --remote");
    if (!before && has_data && !*cli_text(cli, OPT_DATA))
        return cli_usage(cli, "--data is empty");
    if (!cli_has(cli, 'o'))
        return cli_usage(cli, "--out is missing");
    if (has_data == has_images)
        return cli_usage(cli, has_data ? "either images or --data, not both"
                                       : "images to transform, or --data, are missing");
    for (size_t i = 0; !has_data && i < sizeof(for_data) / sizeof(for_data[0]); i++)
        if (cli_has(cli, for_data[i]))
            return cli_usage(cli, "--%s means nothing without --data", cli_name(cli, for_data[i]));
    if (has_data && !is_npy(cli_text(cli, 'o')))
        return cli_usage(cli, "the output of --data is an array: '%s' does not end in .npy",
                         cli_text(cli, 'o'));
    return cli_check_files(cli, files, sizeof(files) / sizeof(files[0]));
}

static int transform_all(struct job *job, ward_split split)
{
    return cli_has(job->cli, OPT_DATA) ? transform_split(job, split) : transform_pictures(job);
}

static int transform_by_run(struct job *job, ward_split split)
{
    ward_run *run = NULL;
    ward_status st;
    int code = keys_open_run(job->cli, job->cli->operands[0], &run);

    if (code != CLI_RUN)
        return code;
    job->run = run;
    ward_run_describe(run, &job->info);
    code = cli_open_device(job->cli, &job->device);
    if (code == CLI_RUN) {
        st = ward_session_new(&job->session, run, job->device, BATCH);
        code = st ? cli_failed(job->cli, st) : transform_all(job, split);
    }
    ward_session_free(job->session);
    ward_device_close(job->device);
    ward_run_close(run);
    return code;
}

static int transform_by_remote(struct job *job, ward_split split)
{
    int code = remote_open(job->cli, &job->remote, &job->info);

    if (code == CLI_RUN)
        code = transform_all(job, split);
    ward_remote_close(job->remote);
    return code;
}

int cmd_transform(int argc, char **argv)
{
    struct cli cli;
    struct job job = {.cli = &cli};
    ward_split split;
    size_t before;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!remote_operands(&cli, false, &before))
        return CLI_USAGE;
    code = check_command_line(&cli, before);
    if (code != CLI_RUN)
        return code;
    if (!cli_split(&cli, OPT_SPLIT, &split))
        return CLI_USAGE;
    job.inputs = cli.operands + before;
    job.input_count = cli.operand_count - before;
    return before ? transform_by_run(&job, split) : transform_by_remote(&job, split);
}
