/* Pictures for a network: see images.h. */
#include "images.h"

#include <stdlib.h>
#include <string.h>

size_t images_len(const ward_run_info *info)
{
    return info->channels * info->height * info->width;
}

int images_allocate(const struct cli *cli, size_t count, size_t elem, void *out)
{
    void *block = calloc(count ? count : 1, elem);

    if (!block)
        return cli_error(cli, "out of memory");
    memcpy(out, &block, sizeof(block));
    return CLI_RUN;
}

static ward_input input_of(const ward_run_info *info)
{
    return (ward_input){.channels = (unsigned)info->channels,
                        .height = (unsigned)info->height,
                        .width = (unsigned)info->width,
                        .stored_height = (unsigned)info->height,
                        .stored_width = (unsigned)info->width,
                        .low = info->low,
                        .high = info->high};
}

static int read_one(const struct cli *cli, const ward_input *input, const char *path, float *x)
{
    ward_image image = {0};
    ward_status st = ward_image_read(&image, path);
    int code = CLI_RUN;

    if (st)
        return cli_failed(cli, st);
    st = ward_input_prepare(input, &image, x);
    if (st == WARD_ERR_ARG) /* the fault is the file's, not the command line's */
        code = cli_error(cli, "'%s': %s", path, ward_error_message());
    else if (st)
        code = cli_failed(cli, st);
    ward_image_release(&image);
    return code;
}

int images_read(const struct cli *cli, const ward_run_info *info, char *const *paths, size_t count,
                float **x)
{
    ward_input input = input_of(info);
    size_t len = images_len(info);
    float *block = NULL;
    int code = images_allocate(cli, count, len * sizeof(float), &block);

    for (size_t i = 0; code == CLI_RUN && i < count; i++)
        code = read_one(cli, &input, paths[i], block + i * len);
    if (code != CLI_RUN) {
        free(block);
        return code;
    }
    *x = block;
    return CLI_RUN;
}

int images_open_data(const struct cli *cli, const ward_run_info *info, const char *spec,
                     ward_dataset **out)
{
    const ward_dataset_info *d;
    ward_dataset *data = NULL;
    ward_status st = ward_dataset_open(&data, spec ? spec : info->data);

    if (st && !spec && (st == WARD_ERR_ARG || st == WARD_ERR_IO))
        return cli_usage(cli, "the run was trained on '%s', say with --data where it is: %s",
                         info->data, ward_error_message());
    if (st)
        return cli_failed(cli, st);
    d = ward_dataset_get_info(data);
    if (d->input.channels != info->channels || d->input.height != info->height ||
        d->input.width != info->width) {
        cli_usage(cli, "'%s' has images of %ux%ux%u, the run takes %zux%zux%zu", d->name,
                  d->input.channels, d->input.height, d->input.width, info->channels, info->height,
                  info->width);
        ward_dataset_free(data);
        return CLI_USAGE;
    }
    *out = data;
    return CLI_RUN;
}
