/* What a training shows: see metrics.h. */
#include "train/metrics.h"

#include <math.h>

/* A step's share in a running mean: means are over the last hundred steps or so. */
static const double share = 0.02;

void metrics_init(struct metrics *m)
{
    *m = (struct metrics){.validation_processed = -1, .validation_raw = -1};
}

size_t count_correct(const float *logits, const int32_t *labels, size_t rows, size_t classes)
{
    size_t correct = 0;

    for (size_t i = 0; i < rows; i++) {
        const float *row = logits + i * classes;
        bool is_finite = true;
        size_t best = 0;

        for (size_t k = 0; k < classes; k++) {
            is_finite = is_finite && isfinite(row[k]);
            if (row[k] > row[best])
                best = k;
        }
        correct += is_finite && best == (size_t)labels[i];
    }
    return correct;
}

static double loss_value(struct plan *plan, int loss)
{
    return loss < 0 ? 0 : (double)*plan_output(plan, loss);
}

static double accuracy(const float *logits, const int32_t *labels, size_t rows, size_t classes)
{
    return (double)count_correct(logits, labels, rows, classes) / (double)rows;
}

struct measure measure_step(struct plan *plan, const struct objective *o)
{
    const struct graph *g = plan_graph(plan);
    const float *logits = plan_output(plan, o->logits);
    size_t batch = graph_dims(g, o->labels).n, classes = graph_dims(g, o->logits).c;
    struct measure m = {.loss_processed = loss_value(plan, o->loss_processed),
                        .loss_raw = loss_value(plan, o->loss_raw),
                        .loss_wrong = loss_value(plan, o->loss_wrong),
                        .distance = loss_value(plan, o->loss_distance),
                        .loss_rival = loss_value(plan, o->loss_rival),
                        .loss_tuned = -1};

    m.accuracy_processed = accuracy(logits, plan_labels(plan, o->labels), batch, classes);
    if (o->raw >= 0) {
        const float *raw =
            o->raw_logits < 0 ? logits + batch * classes : plan_output(plan, o->raw_logits);

        m.accuracy_raw = accuracy(raw, plan_labels(plan, o->raw_labels),
                                  graph_dims(g, o->raw_labels).n, classes);
    }
    return m;
}

bool measure_is_finite(const struct measure *m)
{
    return isfinite(m->loss_processed) && isfinite(m->loss_raw) && isfinite(m->loss_wrong) &&
           isfinite(m->distance);
}

static void blend(double *sum, double value)
{
    *sum += share * (value - *sum);
}

void metrics_add(struct metrics *m, const struct measure *step)
{
    blend(&m->weight, 1);
    blend(&m->sum.loss_processed, step->loss_processed);
    blend(&m->sum.loss_raw, step->loss_raw);
    blend(&m->sum.loss_wrong, step->loss_wrong);
    blend(&m->sum.distance, step->distance);
    blend(&m->sum.loss_rival, step->loss_rival);
    if (step->loss_tuned >= 0) {
        blend(&m->tuned_weight, 1);
        blend(&m->sum.loss_tuned, step->loss_tuned);
    }
    blend(&m->sum.accuracy_processed, step->accuracy_processed);
    blend(&m->sum.accuracy_raw, step->accuracy_raw);
}

struct measure metrics_mean(const struct metrics *m)
{
    double w = m->weight > 0 ? m->weight : 1;

    return (struct measure){.loss_processed = m->sum.loss_processed / w,
                            .loss_raw = m->sum.loss_raw / w,
                            .loss_wrong = m->sum.loss_wrong / w,
                            .distance = m->sum.distance / w,
                            .loss_rival = m->sum.loss_rival / w,
                            .loss_tuned =
                                m->tuned_weight > 0 ? m->sum.loss_tuned / m->tuned_weight : -1,
                            .accuracy_processed = m->sum.accuracy_processed / w,
                            .accuracy_raw = m->sum.accuracy_raw / w};
}

/* ---- in a checkpoint ---- */

enum { FIELDS = 13 };

struct field {
    const char *key;
    double *value;
    bool is_late; /* older checkpoints are without it */
};

/* One table for both ways. */
static void fields_of(struct metrics *m, struct field fields[FIELDS])
{
    const struct field all[FIELDS] = {
        {"weight", &m->weight, false},
        {"loss_processed", &m->sum.loss_processed, false},
        {"loss_raw", &m->sum.loss_raw, false},
        {"loss_wrong", &m->sum.loss_wrong, true},
        {"loss_rival", &m->sum.loss_rival, true},
        {"loss_tuned", &m->sum.loss_tuned, true},
        {"tuned_weight", &m->tuned_weight, true},
        {"distance", &m->sum.distance, false},
        {"accuracy_processed", &m->sum.accuracy_processed, false},
        {"accuracy_raw", &m->sum.accuracy_raw, false},
        {"validation_processed", &m->validation_processed, false},
        {"validation_raw", &m->validation_raw, false},
        {"seconds", &m->seconds, false},
    };

    for (int i = 0; i < FIELDS; i++)
        fields[i] = all[i];
}

ward_status metrics_to_json(const struct metrics *m, json_t **out)
{
    struct metrics copy = *m;
    struct field fields[FIELDS];
    json_t *object = json_object();
    ward_status st = WARD_OK;

    fields_of(&copy, fields);
    for (int i = 0; i < FIELDS && !st; i++)
        st = json_set(object, fields[i].key, json_real(*fields[i].value));
    if (st)
        json_decref(object);
    else
        *out = object;
    return st;
}

ward_status metrics_from_json(struct metrics *m, const json_t *object)
{
    struct metrics made = {.weight = 0};
    struct field fields[FIELDS];
    ward_status st = WARD_OK;

    fields_of(&made, fields);
    for (int i = 0; i < FIELDS && !st; i++)
        if (!fields[i].is_late || json_object_get(object, fields[i].key))
            st = json_get_real(object, fields[i].key, fields[i].value);
    if (!st)
        *m = made;
    return st;
}

ward_status metrics_describe(const struct metrics *m, const struct objective *objective,
                             json_t *line)
{
    struct measure mean = metrics_mean(m);
    ward_status st = json_set(line, "loss_processed", json_real(mean.loss_processed));

    if (!st)
        st = json_set(line, "accuracy_processed", json_real(mean.accuracy_processed));
    if (!st && objective->loss_distance >= 0)
        st = json_set(line, "distance", json_real(mean.distance));
    if (!st && objective->raw >= 0)
        st = json_set(line, "loss_raw", json_real(mean.loss_raw));
    if (!st && objective->wrong >= 0)
        st = json_set(line, "loss_wrong", json_real(mean.loss_wrong));
    if (!st && objective->loss_rival >= 0)
        st = json_set(line, "loss_rival", json_real(mean.loss_rival));
    if (!st && mean.loss_tuned >= 0)
        st = json_set(line, "loss_tuned", json_real(mean.loss_tuned));
    if (!st && objective->raw >= 0)
        st = json_set(line, "accuracy_raw", json_real(mean.accuracy_raw));
    return st;
}
