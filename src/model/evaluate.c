/* Accuracy with the transform and without, its uncertainty, and both as JSON text. */
#include <math.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/util.h"
#include "model/run.h"

enum { BATCH = 256, LEVELS = 255 };

/* A batch on its way. */
struct evaluator {
    const ward_run *run;
    size_t batch, image_len;
    ward_session *session;
    float *x, *processed; /* [batch, c, h, w]; processed only for rounding */
    float *logits;        /* [batch, classes] */
    int32_t *labels;      /* [batch] */
    uint64_t rounded_right;
};

/* run, batch and image_len are set. */
static ward_status evaluator_open(struct evaluator *e, ward_device *device, bool with_rounding)
{
    size_t len = e->batch * e->image_len;
    ward_status st = ward_session_new(&e->session, e->run, device, e->batch);

    if (!st)
        st = mem_new(&e->x, len, sizeof(float));
    if (!st && with_rounding && e->run->has_transform)
        st = mem_new(&e->processed, len, sizeof(float));
    if (!st)
        st = mem_new(&e->logits, e->batch * e->run->model.net.spec.classes, sizeof(float));
    if (!st)
        st = mem_new(&e->labels, e->batch, sizeof(int32_t));
    return st;
}

static void evaluator_close(struct evaluator *e)
{
    if (e->processed)
        mem_wipe(e->processed, e->batch * e->image_len * sizeof(float));
    mem_free(e->processed);
    mem_free(e->x);
    mem_free(e->logits);
    mem_free(e->labels);
    ward_session_free(e->session);
}

/* The first of equals. */
static size_t largest(const float *values, size_t count)
{
    size_t best = 0;

    for (size_t k = 1; k < count; k++)
        if (values[k] > values[best])
            best = k;
    return best;
}

static ward_status count_pass(struct evaluator *e, enum pass pass, size_t n, uint64_t *confusion)
{
    size_t classes = e->run->model.net.spec.classes;
    ward_status st = session_run(e->session, pass, n, e->x, e->logits);

    for (size_t i = 0; i < n && !st; i++)
        confusion[(size_t)e->labels[i] * classes + largest(e->logits + i * classes, classes)]++;
    return st;
}

/* What is left of a value in an 8-bit picture. */
static float round8(float v, float low, float high)
{
    float level = rintf(LEVELS * (fminf(fmaxf(v, low), high) - low) / (high - low));

    return low + level * (high - low) / LEVELS;
}

static ward_status count_rounded(struct evaluator *e, size_t n)
{
    size_t classes = e->run->model.net.spec.classes;
    ward_status st = session_run(e->session, PASS_TRANSFORM, n, e->x, e->processed);

    for (size_t i = 0; i < n * e->image_len && !st; i++)
        e->processed[i] = round8(e->processed[i], e->run->model.low, e->run->model.high);
    if (!st)
        st = session_run(e->session, PASS_RAW, n, e->processed, e->logits);
    for (size_t i = 0; i < n && !st; i++)
        e->rounded_right += largest(e->logits + i * classes, classes) == (size_t)e->labels[i];
    return st;
}

static ward_status count_batch(struct evaluator *e, size_t n, ward_evaluation *out)
{
    bool is_baseline = e->run->model.method == WARD_METHOD_BASELINE;
    ward_status st = WARD_OK;

    if (out->confusion)
        st = count_pass(e, is_baseline ? PASS_RAW : PASS_AUTHORISED, n, out->confusion);
    if (!st && out->confusion_raw)
        st = count_pass(e, PASS_RAW, n, out->confusion_raw);
    if (!st && e->processed)
        st = count_rounded(e, n);
    return st;
}

ward_status run_check_data(const ward_run *run, const ward_dataset_info *info)
{
    const struct net_spec *spec = &run->model.net.spec;

    if (info->input.channels != spec->channels || info->input.height != spec->height ||
        info->input.width != spec->width || info->classes != spec->classes)
        return ward_fail(WARD_ERR_ARG,
                         "'%s' has images of %u x %u x %u in %u classes; the network takes "
                         "%zu x %zu x %zu in %zu",
                         info->name, info->input.channels, info->input.height, info->input.width,
                         info->classes, spec->channels, spec->height, spec->width, spec->classes);
    if (info->input.low != run->model.low || info->input.high != run->model.high)
        return ward_fail(WARD_ERR_ARG, "'%s' has values in [%g, %g]; the network takes [%g, %g]",
                         info->name, (double)info->input.low, (double)info->input.high,
                         (double)run->model.low, (double)run->model.high);
    return WARD_OK;
}

static double accuracy_of(const uint64_t *confusion, size_t classes, size_t count)
{
    uint64_t right = 0;

    if (!confusion)
        return (double)NAN;
    for (size_t k = 0; k < classes; k++)
        right += confusion[k * classes + k];
    return (double)right / (double)count;
}

/* Wilson's score interval at 95 %: honest near 0 and 1, where the usual one is not. */
static ward_interval interval_of(double accuracy, size_t count)
{
    const double z = 1.959963984540054, n = (double)count;
    double centre = (accuracy + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n));

    /* Rounding can lead a hair outside; these comparisons leave NaN as it is. */
    return (ward_interval){centre - half < 0 ? 0 : centre - half,
                           centre + half > 1 ? 1 : centre + half};
}

static ward_status evaluation_init(ward_evaluation *e, const ward_run *run, size_t count)
{
    size_t classes = run->model.net.spec.classes;
    bool is_baseline = run->model.method == WARD_METHOD_BASELINE;
    ward_status st = WARD_OK;

    *e = (ward_evaluation){.count = count, .classes = classes, .chance = 1.0 / (double)classes};
    if (is_baseline || run->has_transform)
        st = mem_new(&e->confusion, classes * classes, sizeof(uint64_t));
    if (!st && !is_baseline)
        st = mem_new(&e->confusion_raw, classes * classes, sizeof(uint64_t));
    return st;
}

static void evaluation_finish(ward_evaluation *e, const struct evaluator *from)
{
    e->authorised = accuracy_of(e->confusion, e->classes, e->count);
    e->unauthorised = accuracy_of(e->confusion_raw, e->classes, e->count);
    e->authorised_rounded =
        from->processed ? (double)from->rounded_right / (double)e->count : (double)NAN;
    e->authorised_ci = interval_of(e->authorised, e->count);
    e->unauthorised_ci = interval_of(e->unauthorised, e->count);
}

ward_status ward_evaluate(const ward_run *run, ward_device *device, const ward_dataset *data,
                          ward_split split, bool with_rounding, ward_evaluation *out,
                          bool (*progress)(void *context, size_t done, size_t count), void *context)
{
    const ward_dataset_info *info = ward_dataset_get_info(data);
    size_t count = split == WARD_SPLIT_TEST ? info->test_count : info->train_count;
    struct evaluator e = {.run = run, .batch = min_size(BATCH, count)};
    ward_evaluation made = {.count = 0};
    ward_status st = run_check_data(run, info);

    e.image_len = (size_t)info->input.channels * info->input.height * info->input.width;
    if (!st && (split == WARD_SPLIT_VALIDATION || count == 0))
        st = ward_fail(WARD_ERR_ARG, "'%s' has no images in that split", info->name);
    if (!st)
        st = evaluator_open(&e, device, with_rounding);
    if (!st)
        st = evaluation_init(&made, run, count);
    for (size_t done = 0; done < count && !st; done += e.batch) {
        size_t n = min_size(e.batch, count - done);

        st = ward_dataset_read(data, split, done, n, e.x, e.labels);
        if (!st)
            st = count_batch(&e, n, &made);
        if (!st && progress && !progress(context, done + n, count))
            st = ward_fail(WARD_ERR_STOPPED, "the evaluation was stopped");
    }
    if (!st) {
        evaluation_finish(&made, &e);
        *out = made;
        made = (ward_evaluation){.count = 0};
    }
    ward_evaluation_release(&made);
    evaluator_close(&e);
    return st;
}

void ward_evaluation_release(ward_evaluation *evaluation)
{
    mem_free(evaluation->confusion);
    mem_free(evaluation->confusion_raw);
    *evaluation = (ward_evaluation){.count = 0};
}

/* ---- JSON ---- */

static json_t *row_to_json(const uint64_t *row, size_t classes)
{
    json_t *array = json_array();

    for (size_t k = 0; k < classes; k++)
        if (json_array_append_new(array, json_integer((json_int_t)row[k])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *matrix_to_json(const uint64_t *matrix, size_t classes)
{
    json_t *array = matrix ? json_array() : json_null();

    for (size_t k = 0; matrix && k < classes; k++)
        if (json_array_append_new(array, row_to_json(matrix + k * classes, classes)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *intervals_to_json(const ward_evaluation *e)
{
    return json_pack(
        "{s:o, s:o}", "authorised",
        json_interval_or_null(e->authorised, e->authorised_ci.low, e->authorised_ci.high),
        "unauthorised",
        json_interval_or_null(e->unauthorised, e->unauthorised_ci.low, e->unauthorised_ci.high));
}

static json_t *confusion_to_json(const ward_run *run, const ward_evaluation *e)
{
    return json_pack("{s:o, s:o, s:o}", "classes", model_class_names(&run->model), "authorised",
                     matrix_to_json(e->confusion, e->classes), "unauthorised",
                     matrix_to_json(e->confusion_raw, e->classes));
}

static ward_status describe(json_t *object, const ward_run *run, const ward_dataset *data,
                            ward_split split, size_t count)
{
    const char *const strings[][2] = {
        {"method", ward_method_name(run->model.method)},
        {"arch", run->model.net.spec.arch},
        {"data", ward_dataset_get_info(data)->name},
        {"split", split == WARD_SPLIT_TEST ? "test" : "train"},
    };
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof strings / sizeof strings[0] && !st; i++)
        st = json_set(object, strings[i][0], json_string(strings[i][1]));
    return st ? st : json_set(object, "count", json_integer((json_int_t)count));
}

static ward_status report(json_t *object, const ward_run *run, const ward_evaluation *e)
{
    ward_status st = json_set(object, "authorised", json_real_or_null(e->authorised));

    if (!st)
        st = json_set(object, "unauthorised", json_real_or_null(e->unauthorised));
    if (!st && isfinite(e->authorised_rounded))
        st = json_set(object, "authorised_rounded", json_real_or_null(e->authorised_rounded));
    if (!st)
        st = json_set(object, "chance", json_real(e->chance));
    if (!st)
        st = json_set(object, "ci95", intervals_to_json(e));
    if (!st)
        st = json_set(object, "confusion", confusion_to_json(run, e));
    if (!st)
        st = json_set(object, "model_id", json_string(run->model.id));
    if (!st)
        st = json_set(object, "is_reproducible",
                      json_boolean(run->has_transform && run->owner.is_reproducible));
    return st;
}

ward_status ward_evaluation_json(const ward_run *run, const ward_dataset *data, ward_split split,
                                 const ward_evaluation *evaluation, char **out)
{
    json_t *object = json_object();
    ward_status st = describe(object, run, data, split, evaluation->count);

    if (!st)
        st = report(object, run, evaluation);
    if (!st)
        st = json_to_text(object, 0, out);
    json_decref(object);
    return st;
}
