/* The sheet of the paper's Figure 2: what the transforms of several runs do to a few images. */
#include "base/mem.h"
#include "image/sheet.h"
#include "model/run.h"

enum { MAX_RUNS = 8, MAX_COLUMNS = 1 + 2 * MAX_RUNS, BATCH = 32, GAIN = 5, SCALE = 3, MARGIN = 4 };

static ward_status runs_check(const ward_run *const *runs, size_t count, size_t n)
{
    const struct model *first;

    if (count < 1 || count > MAX_RUNS || n < 1 || n > UINT16_MAX)
        return ward_fail(WARD_ERR_ARG, "a figure of %zu runs and %zu images", count, n);
    first = &runs[0]->model;
    if (first->net.spec.channels != 1 && first->net.spec.channels != 3)
        return ward_fail(WARD_ERR_ARG, "images of %zu channels cannot be drawn",
                         first->net.spec.channels);
    for (size_t i = 0; i < count; i++) {
        const struct model *m = &runs[i]->model;

        if (!runs[i]->has_transform)
            return ward_fail(WARD_ERR_ARG, "run %zu has no transform to draw", i + 1);
        if (m->net.spec.channels != first->net.spec.channels ||
            m->net.spec.height != first->net.spec.height ||
            m->net.spec.width != first->net.spec.width || m->low != first->low ||
            m->high != first->high)
            return ward_fail(WARD_ERR_ARG, "run %zu takes other images than the first", i + 1);
    }
    return WARD_OK;
}

/* Where a figure is being drawn. */
struct canvas {
    ward_image *sheet;
    struct sheet_layout layout;
    const struct model *model; /* for shape and range */
    size_t n, image_len;
};

static ward_status put(const struct canvas *c, size_t column, size_t row, const float *x, float low,
                       float high)
{
    ward_image cell = {0};
    ward_status st = ward_image_from_float(&cell, x, (unsigned)c->model->net.spec.channels,
                                           c->layout.cell_height, c->layout.cell_width, low, high);

    if (!st)
        st = sheet_put(c->sheet, &c->layout, (unsigned)column, (unsigned)row, &cell);
    ward_image_release(&cell);
    return st;
}

static ward_status put_raw(const struct canvas *c, const float *images)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < c->n && !st; i++)
        st = put(c, 0, i, images + i * c->image_len, c->model->low, c->model->high);
    return st;
}

/* Processed images, and beside them GAIN times the perturbation on mid-grey. */
static ward_status put_run(const struct canvas *c, size_t column, const float *images,
                           float *processed)
{
    float half = (c->model->high - c->model->low) / (2 * GAIN);
    ward_status st = WARD_OK;

    for (size_t i = 0; i < c->n && !st; i++) {
        const float *x = images + i * c->image_len;
        float *y = processed + i * c->image_len;

        st = put(c, column, i, y, c->model->low, c->model->high);
        for (size_t j = 0; j < c->image_len; j++)
            y[j] -= x[j];
        if (!st)
            st = put(c, column + 1, i, y, -half, half);
    }
    return st;
}

static ward_status process(const ward_run *run, ward_device *device, size_t n, const float *images,
                           float *processed)
{
    ward_session *session = NULL;
    ward_status st = ward_session_new(&session, run, device, n < BATCH ? n : BATCH);

    if (!st)
        st = ward_session_transform(session, n, images, processed);
    ward_session_free(session);
    return st;
}

static struct sheet_layout layout_of(const struct model *m, size_t count, size_t n,
                                     const char *const *captions)
{
    return (struct sheet_layout){
        .columns = (unsigned)(1 + 2 * count),
        .rows = (unsigned)n,
        .cell_width = (unsigned)m->net.spec.width,
        .cell_height = (unsigned)m->net.spec.height,
        .channels = 3,
        .scale = SCALE,
        .margin = MARGIN,
        .captions = captions,
    };
}

ward_status ward_figure(const ward_run *const *runs, size_t count, ward_device *device, size_t n,
                        const float *images, ward_image *out)
{
    const char *captions[MAX_COLUMNS] = {"raw"};
    ward_image sheet = {0};
    struct canvas c = {.sheet = &sheet, .n = n};
    const struct net_spec *spec;
    float *processed = NULL;
    ward_status st = runs_check(runs, count, n);

    if (st)
        return st;
    c.model = &runs[0]->model;
    spec = &c.model->net.spec;
    for (size_t i = 0; i < count; i++) {
        captions[1 + 2 * i] = ward_method_name(runs[i]->model.method);
        captions[2 + 2 * i] = "change x5";
    }
    c.layout = layout_of(c.model, count, n, captions);
    c.image_len = spec->channels * spec->height * spec->width;
    st = mem_new(&processed, n * c.image_len, sizeof(float));
    if (!st)
        st = sheet_init(&sheet, &c.layout);
    if (!st)
        st = put_raw(&c, images);
    for (size_t i = 0; i < count && !st; i++) {
        st = process(runs[i], device, n, images, processed);
        if (!st)
            st = put_run(&c, 1 + 2 * i, images, processed);
    }
    if (!st) {
        *out = sheet;
        sheet = (ward_image){0};
    }
    ward_image_release(&sheet);
    if (processed)
        mem_wipe(processed, n * c.image_len * sizeof(float));
    mem_free(processed);
    return st;
}
