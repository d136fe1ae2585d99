/* A transform that has leaked: see leaked.h. */
#include "train/leaked.h"

#include "base/mem.h"

static ward_status check_fit(const ward_run *run, const struct net_spec *fits, const char *path)
{
    ward_run_info info;

    ward_run_describe(run, &info);
    if (!info.has_transform)
        return ward_fail(WARD_ERR_ARG, "'%s' has no transform that could leak", path);
    if (info.channels != fits->channels || info.height != fits->height || info.width != fits->width)
        return ward_fail(WARD_ERR_ARG, "the transform of '%s' is for images of another size", path);
    return WARD_OK;
}

ward_status leaked_init(struct leaked *leaked, ward_device *device, const char *path,
                        ward_keys *keys, const struct net_spec *fits, size_t rows)
{
    ward_status st = ward_run_open_with(&leaked->run, path, keys);

    if (!st)
        st = check_fit(leaked->run, fits, path);
    leaked->rows = rows;
    leaked->image = fits->channels * fits->height * fits->width;
    if (!st)
        st = mem_new(&leaked->images, rows, leaked->image * sizeof *leaked->images);
    return st ? st : ward_session_new(&leaked->session, leaked->run, device, rows);
}

void leaked_release(struct leaked *leaked)
{
    ward_session_free(leaked->session);
    if (leaked->images)
        mem_wipe(leaked->images, leaked->rows * leaked->image * sizeof *leaked->images);
    mem_free(leaked->images);
    ward_run_close(leaked->run);
    *leaked = (struct leaked){.run = NULL};
}

static float *row(const struct leaked *leaked, float *images, size_t i)
{
    return images + i * leaked->image;
}

ward_status leaked_apply(struct leaked *leaked, float *images)
{
    const size_t len = leaked->image * sizeof *images;
    ward_status st;

    for (size_t i = 0; i < leaked->rows; i++)
        memcpy(row(leaked, leaked->images, i), row(leaked, images, 2 * i + 1), len);
    st = ward_session_transform(leaked->session, leaked->rows, leaked->images, leaked->images);
    for (size_t i = 0; i < leaked->rows && !st; i++)
        memcpy(row(leaked, images, 2 * i + 1), row(leaked, leaked->images, i), len);
    return st;
}
