/* Building classifiers, and measuring them: see attack.h and score.h. */
#include "attack/score.h"

#include <math.h>

#include "base/mem.h"
#include "base/util.h"
#include "train/metrics.h"

enum { SCORE_BATCH = 200, MAX_CLASSES = 1000 };

/* ---- building ---- */

static int build_usual(const struct classifier *c, struct graph *g, int x, int *front)
{
    if (c->transform.method != WARD_METHOD_BASELINE)
        x = transform_build(&c->transform, g, x, false);
    *front = x;
    x = net_build(&c->net, g, x, c->use);
    return c->has_readout ? graph_dense(g, x, "readout", c->net.classes, false) : x;
}

struct classifier classifier_of(const struct net_spec *net, const struct transform_spec *transform)
{
    struct classifier c = {.build = build_usual, .net = *net, .use = {.keeps_running = true}};

    if (transform)
        c.transform = *transform;
    return c;
}

/* ---- measuring ---- */

ward_status scorer_open(struct scorer *s, struct ward_device *device,
                        const struct classifier *classifier, const struct split *images,
                        size_t count)
{
    const struct net_spec *image = &classifier->net;
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = true, .output_count = 1};
    struct dims made;
    int front;
    ward_status st;

    *s = (struct scorer){.images = images, .count = count, .batch = min_size(SCORE_BATCH, count)};
    graph_init(&s->graph);
    s->x = graph_input(&s->graph,
                       (struct dims){s->batch, image->channels, image->height, image->width});
    s->logits = classifier->build(classifier, &s->graph, s->x, &front);
    options.outputs[0] = s->logits;
    st = graph_finish(&s->graph);
    made = graph_dims(&s->graph, s->logits);
    s->classes = made.c * made.h * made.w;
    if (!st)
        st = plan_compile(&s->plan, device, &s->graph, &options);
    return st ? st : mem_new(&s->labels, s->batch, sizeof *s->labels);
}

void scorer_release(struct scorer *s)
{
    mem_free(s->labels);
    plan_free(s->plan);
    graph_release(&s->graph);
    *s = (struct scorer){.plan = NULL};
}

/* The entropy of softmax(logits), which are added to mean. */
static double add_answer(const float *logits, size_t classes, double *mean)
{
    double largest = logits[0], sum = 0, entropy = 0;

    for (size_t k = 1; k < classes; k++)
        largest = fmax(largest, logits[k]);
    for (size_t k = 0; k < classes; k++)
        sum += exp(logits[k] - largest);
    for (size_t k = 0; k < classes; k++) {
        double q = exp(logits[k] - largest) / sum;

        mean[k] += q;
        entropy -= q > 0 ? q * log(q) : 0;
    }
    return entropy;
}

double logits_squares(const float *logits, size_t classes)
{
    double mean = 0, squares = 0;

    for (size_t k = 0; k < classes; k++)
        mean += (double)logits[k] / (double)classes;
    for (size_t k = 0; k < classes; k++)
        squares += pow((double)logits[k] - mean, 2);
    return squares;
}

ward_status scorer_run(struct scorer *s, const atomic_bool *is_stopping, struct score *out)
{
    double mean[MAX_CLASSES] = {0}, count = (double)s->count;
    struct score made = {0};
    double squares = 0;
    size_t right = 0;

    for (size_t done = 0; done < s->count; done += s->batch) {
        size_t n = min_size(s->batch, s->count - done);
        const float *logits;
        ward_status st;

        if (atomic_load(is_stopping))
            return ward_fail(WARD_ERR_STOPPED, "the attack was stopped");
        st = batch_read(s->images, done, n, plan_input(s->plan, s->x), s->labels);
        if (!st)
            st = plan_forward(s->plan);
        if (st)
            return st;
        logits = plan_output(s->plan, s->logits);
        right += count_correct(logits, s->labels, n, s->classes);
        for (size_t i = 0; i < n; i++) {
            made.entropy += add_answer(logits + i * s->classes, s->classes, mean) / count;
            squares += logits_squares(logits + i * s->classes, s->classes);
        }
    }
    made.accuracy = (double)right / count;
    made.deviation = sqrt(squares / (count * (double)s->classes));
    for (size_t k = 0; k < s->classes; k++)
        made.diversity -= mean[k] > 0 ? mean[k] / count * log(mean[k] / count) : 0;
    *out = made;
    return WARD_OK;
}

/* ---- gradients ---- */

struct slope {
    struct graph graph;
    struct plan *plan;
    int x, labels;
    size_t batch, image_len;
};

static ward_status slope_open(struct slope *s, struct ward_device *device, const struct net *net,
                              size_t count)
{
    const struct tensor_list *const lists[] = {&net->params};
    const struct plan_options options = {.bn = BN_RUNNING, .gradients = PLAN_GRAD_INPUTS};
    const struct net_use use = {.is_frozen = true};
    const struct net_spec *image = &net->spec;
    ward_status st;

    s->batch = min_size(SCORE_BATCH, count);
    s->image_len = image->channels * image->height * image->width;
    graph_init(&s->graph);
    s->x = graph_input(&s->graph,
                       (struct dims){s->batch, image->channels, image->height, image->width});
    s->labels = graph_labels(&s->graph, s->batch);
    graph_cross_entropy(&s->graph, net_build(image, &s->graph, s->x, use), s->labels, 0, s->batch,
                        1.0f);
    st = graph_finish(&s->graph);
    if (!st)
        st = plan_compile(&s->plan, device, &s->graph, &options);
    return st ? st : params_load(s->plan, lists, 1);
}

static bool is_zero(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] < 0 || values[i] > 0)
            return false;
    return true;
}

ward_status score_zero_gradients(struct ward_device *device, const struct net *net,
                                 const struct split *images, size_t count, double *out)
{
    struct slope s = {.plan = NULL};
    size_t zero = 0;
    ward_status st = slope_open(&s, device, net, count);

    for (size_t done = 0; done < count && !st; done += s.batch) {
        size_t n = min_size(s.batch, count - done);

        st = batch_read(images, done, n, plan_input(s.plan, s.x), plan_labels(s.plan, s.labels));
        if (!st)
            st = plan_forward(s.plan);
        if (!st)
            st = plan_backward(s.plan);
        for (size_t i = 0; i < n && !st; i++)
            zero += is_zero(plan_input_gradient(s.plan, s.x) + i * s.image_len, s.image_len);
    }
    if (!st)
        *out = (double)zero / (double)count;
    plan_free(s.plan);
    graph_release(&s.graph);
    return st;
}
