/* Figure 2: see figure.h. */
#include "report/figure.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "image/image.h"
#include "model/run.h"

enum { MEASURED = 1000, BATCH = 100 };

/* Opened runs of a figure. */
struct opened {
    size_t count;
    ward_run *runs[FIGURE_MAX_RUNS];
};

static void close_all(struct opened *o)
{
    for (size_t i = 0; i < o->count; i++)
        ward_run_close(o->runs[i]);
}

/* Images of another shape under the same name would not fit the room for them. */
static ward_status check_data(const struct opened *o, const ward_dataset *data)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < o->count && !st; i++)
        st = run_check_data(o->runs[i], ward_dataset_get_info(data));
    return st;
}

/* The first test image of each class, as many as fit: x[rows, image_len]. */
static ward_status read_rows(const ward_dataset *data, size_t image_len, float **x, size_t *rows)
{
    const ward_dataset_info *info = ward_dataset_get_info(data);
    int32_t *labels = NULL;
    float *images = NULL;
    size_t wanted = min_size(info->classes, FIGURE_MAX_ROWS), found = 0;
    ward_status st = mem_new(&labels, info->test_count, sizeof *labels);

    if (!st)
        st = mem_new(&images, wanted * image_len, sizeof *images);
    if (!st)
        st = ward_dataset_read(data, WARD_SPLIT_TEST, 0, info->test_count, NULL, labels);
    for (size_t k = 0; k < wanted && !st; k++) {
        size_t i = 0;

        while (i < info->test_count && labels[i] != (int32_t)k)
            i++;
        if (i < info->test_count)
            st = ward_dataset_read(data, WARD_SPLIT_TEST, i, 1, images + found++ * image_len, NULL);
    }
    mem_free(labels);
    if (st) {
        mem_free(images);
        return st;
    }
    *x = images;
    *rows = found;
    return WARD_OK;
}

static ward_status draw(struct figure *f, const struct opened *o, ward_device *device,
                        const ward_dataset *data, size_t image_len)
{
    ward_image sheet = {0};
    float *x = NULL;
    size_t rows = 0;
    ward_status st = read_rows(data, image_len, &x, &rows);

    if (!st)
        st = ward_figure((const ward_run *const *)o->runs, o->count, device, rows, x, &sheet);
    if (!st)
        st = png_encode(&sheet, &f->png);
    if (sheet.pixels)
        mem_wipe(sheet.pixels, (size_t)sheet.width * sheet.height * sheet.channels);
    ward_image_release(&sheet);
    mem_free(x);
    return st;
}

/* Sum of squares and largest value of G(x) - x over a batch; y is scratch. */
static ward_status add_batch(ward_session *session, size_t n, size_t image_len, const float *x,
                             float *y, double *squares, double *largest)
{
    ward_status st = ward_session_transform(session, n, x, y);

    for (size_t i = 0; i < n * image_len && !st; i++) {
        double d = (double)y[i] - (double)x[i];

        *squares += d * d;
        *largest = fmax(*largest, fabs(d));
    }
    return st;
}

static ward_status measure(struct figure *f, size_t run, const struct opened *o,
                           ward_device *device, const ward_dataset *data, size_t image_len)
{
    size_t count = min_size(ward_dataset_get_info(data)->test_count, MEASURED);
    ward_session *session = NULL;
    float *x = NULL;
    double squares = 0;
    ward_status st = mem_new(&x, 2 * BATCH * image_len, sizeof *x);

    if (!st)
        st = ward_session_new(&session, o->runs[run], device, BATCH);
    for (size_t done = 0; done < count && !st; done += BATCH) {
        size_t n = min_size(BATCH, count - done);

        st = ward_dataset_read(data, WARD_SPLIT_TEST, done, n, x, NULL);
        if (!st)
            st = add_batch(session, n, image_len, x, x + BATCH * image_len, &squares,
                           &f->largest[run]);
    }
    f->rms[run] = sqrt(squares / (double)(count * image_len));
    ward_session_free(session);
    if (x)
        mem_wipe(x, 2 * BATCH * image_len * sizeof *x);
    mem_free(x);
    return st;
}

static ward_status open_all(struct opened *o, const struct figure *f, ward_keys *keys)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < f->count && !st; i++) {
        st = ward_run_open_with(&o->runs[i], f->runs[i]->path, keys);
        o->count += !st;
    }
    return st;
}

static ward_status fill(struct figure *f, ward_device *device, ward_keys *keys,
                        struct data_keeper *keeper)
{
    struct opened o = {.count = 0};
    const ward_dataset *data;
    ward_run_info info;
    size_t image_len = 0;
    ward_status st = data_keeper_open(keeper, f->runs[0], &data);

    if (!st)
        st = open_all(&o, f, keys);
    if (!st)
        st = check_data(&o, data);
    if (!st) {
        ward_run_describe(o.runs[0], &info);
        image_len = info.channels * info.height * info.width;
        st = draw(f, &o, device, data, image_len);
    }
    for (size_t i = 0; i < f->count && !st; i++)
        st = measure(f, i, &o, device, data, image_len);
    close_all(&o);
    return st;
}

static bool are_drawn_together(const struct cell *a, const struct cell *b)
{
    return cells_are_alike(a, b) &&
           strcmp(settings_recipe(&a->runs->settings), settings_recipe(&b->runs->settings)) == 0;
}

/* The runs of one figure: those of the cells alike from cells->items[first] on; returns the
 * next. */
static size_t choose(struct figure *f, const struct cells *cells, size_t first)
{
    size_t i = first;

    f->cell = &cells->items[first];
    for (; i < cells->count && are_drawn_together(f->cell, &cells->items[i]); i++)
        if (cells->items[i].runs->has_transform && f->count < FIGURE_MAX_RUNS)
            f->runs[f->count++] = cells->items[i].runs;
    return i;
}

ward_status figures_make(struct figures *out, const struct cells *cells, struct runs *runs,
                         ward_device *device, const ward_report_options *options,
                         struct data_keeper *keeper)
{
    struct figures made = {.images = MEASURED};
    ward_status st = mem_new(&made.items, cells->count, sizeof *made.items);

    for (size_t next = 0; next < cells->count && !st;) {
        struct figure f = {.count = 0, .png = WR_INIT};

        next = choose(&f, cells, next);
        if (f.count == 0)
            continue;
        st = fill(&f, device, options->keys, keeper);
        if (!st) {
            made.items[made.count++] = f;
            continue;
        }
        if (st != WARD_ERR_NOMEM)
            st = runs_omit(runs, f.runs[0]->path, options);
        wr_release(&f.png);
    }
    if (st)
        figures_release(&made);
    else
        *out = made;
    return st;
}

void figures_release(struct figures *figures)
{
    for (size_t i = 0; i < figures->count; i++)
        wr_release(&figures->items[i].png);
    mem_free(figures->items);
    *figures = (struct figures){.count = 0};
}
