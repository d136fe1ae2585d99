/*
 * The operator test: one table (op_table.c), three modes.
 *
 *   test_ops [--device NAME] [--only ROW]   values and gradients of a device against "ref", in
 *                                           every way that the row can be compiled
 *   test_ops --gradients [--only ROW]       gradients of "ref" against central differences
 *   test_ops --speed [--device NAME]        time of a training pass, for people
 *
 * Exit status 0, 1 if a row failed, 77 if this build has no such device.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "compute/device.h"
#include "op_table.h"

enum { SEED = 7 };

static void must(ward_status st)
{
    if (!st)
        return;
    fprintf(stderr, "%s: %s\n", ward_status_name(st), ward_error_message());
    exit(1);
}

/* ---- contents of inputs and parameters ---- */

static float uniform(struct rng *rng, float low, float high)
{
    return low + (high - low) * rng_uniform(rng);
}

/* Classes of the logits that these labels belong to. */
static uint32_t classes_of(const struct graph *g, int labels)
{
    for (size_t i = 0; i < g->node_count; i++)
        if (op_is_loss(g->nodes[i].kind) && g->nodes[i].input[1] == labels)
            return (uint32_t)graph_dims(g, g->nodes[i].input[0]).c;
    return 1;
}

static void fill_inputs(struct plan *plan, const struct op_row *row, uint64_t run)
{
    const struct graph *g = plan->graph;

    for (size_t i = 0; i < g->node_count; i++) {
        size_t count = dims_count(g->nodes[i].out);
        struct rng rng;

        rng_init(&rng, SEED, RNG_TEST, run, i);
        for (size_t j = 0; j < count && g->nodes[i].kind == OP_INPUT; j++) {
            float x = uniform(&rng, -1, 1);

            plan_input(plan, (int)i)[j] = row->is_stepped ? roundf(x * 2) / 2 : x;
        }
        for (size_t j = 0; j < count && g->nodes[i].kind == OP_LABELS; j++)
            plan_labels(plan, (int)i)[j] = (int32_t)rng_below(&rng, classes_of(g, (int)i));
    }
}

static float param_value(const struct graph_param *p, struct rng *rng)
{
    float fan_in = (float)(shape_count(&p->shape) / p->shape.dim[0]);

    switch (p->role) {
    case PARAM_WEIGHT: return sqrtf(3 / fan_in) * uniform(rng, -1, 1);
    case PARAM_BN_SCALE:
    case PARAM_RUNNING_VAR: return uniform(rng, 0.5f, 1.5f);
    case PARAM_BIAS:
    case PARAM_BN_SHIFT:
    case PARAM_RUNNING_MEAN:
    case PARAM_SHIFT:
    case PARAM_FACTOR:
    case PARAM_ORDER: /* fill_order() has them */ break;
    }
    return uniform(rng, -0.5f, 0.5f);
}

static void fill_order(float *values, size_t count, struct rng *rng)
{
    for (size_t i = 0; i < count; i++) {
        size_t j = rng_below(rng, (uint32_t)i + 1);

        values[i] = values[j];
        values[j] = (float)i;
    }
}

static void load_params(struct plan *plan)
{
    const struct graph *g = plan->graph;

    for (size_t i = 0; i < g->param_count; i++) {
        size_t count = shape_count(&g->params[i].shape);
        float *values = NULL;
        struct rng rng;

        must(mem_new(&values, count, sizeof *values));
        rng_init(&rng, SEED, RNG_TEST, 1000, i);
        for (size_t j = 0; j < count; j++)
            values[j] = param_value(&g->params[i], &rng);
        if (g->params[i].role == PARAM_ORDER)
            fill_order(values, count, &rng);
        must(plan_load(plan, i, PLAN_VALUE, values));
        mem_free(values);
    }
}

/* ---- the ways a row can be compiled ---- */

static bool has_kind(const struct graph *g, enum op_kind kind)
{
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].kind == kind)
            return true;
    return false;
}

/* Another backward pass of the activations, or their own. */
static void set_backward_slopes(const struct graph *g, bool is_bpda)
{
    for (size_t i = 0; i < g->node_count; i++) {
        struct op_desc *d = &g->nodes[i];

        if (d->kind == OP_RELU || d->kind == OP_LEAKY_RELU)
            d->backward_slope = is_bpda ? 0.1f : d->slope;
    }
}

struct variant {
    struct plan_options options;
    bool is_bpda;
};

/* The i-th way that makes a difference for this graph, to be compiled before the next; false past
 * the end. */
static bool variant_get(const struct op_case *c, size_t i, struct variant *v)
{
    const struct graph *g = &c->graph;
    struct plan_options *o = &v->options;
    size_t bn_modes = has_kind(g, OP_BATCH_NORM) ? 3 : 1;
    size_t act_modes = has_kind(g, OP_RELU) || has_kind(g, OP_LEAKY_RELU) ? 2 : 1;
    size_t dropout_modes = has_kind(g, OP_DROPOUT) ? 2 : 1;

    *o = (struct plan_options){.output_count = c->output_count};
    memcpy(o->outputs, c->outputs, sizeof o->outputs);
    o->gradients = (unsigned)(3 - i % 4);
    i /= 4;
    o->bn = (enum bn_mode)((BN_BATCH + i) % bn_modes);
    i /= bn_modes;
    v->is_bpda = i % act_modes == 1;
    i /= act_modes;
    o->has_dropout = i % dropout_modes == 1;
    set_backward_slopes(g, v->is_bpda);
    return i / dropout_modes == 0;
}

static void variant_print(const struct variant *v)
{
    static const char *const bn[] = {"running", "batch", "recalibrate"};
    const struct plan_options *o = &v->options;

    printf("[gradients%s%s%s, batch norm %s%s%s]", o->gradients ? "" : " none",
           o->gradients & PLAN_GRAD_PARAMS ? " params" : "",
           o->gradients & PLAN_GRAD_INPUTS ? " inputs" : "", bn[o->bn],
           v->is_bpda ? ", another slope" : "", o->has_dropout ? ", dropout" : "");
}

/* ---- a device against ref ---- */

struct worst {
    double error;
    char what[TENSOR_MAX_NAME + 64];
};

/*
 * Largest difference as a share of the largest true value. The absolute part, 1e-4, is small
 * beside the values of all tensors here, which are near 1, and keeps a true zero from dividing.
 */
static void compare(struct worst *worst, const char *what, const char *name, const float *is,
                    const float *should, size_t count)
{
    double difference = 0, largest = 0;

    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)is[i] - (double)should[i]);

        difference = isfinite(d) ? fmax(difference, d) : INFINITY;
        largest = fmax(largest, fabs((double)should[i]));
    }
    if (difference / (largest + 1e-4) <= worst->error)
        return;
    worst->error = difference / (largest + 1e-4);
    snprintf(worst->what, sizeof worst->what, "%s %s", what, name);
}

static void compare_values(struct worst *worst, struct plan *is, struct plan *should)
{
    const struct graph *g = is->graph;

    for (size_t i = 0; i < is->options.output_count; i++) {
        int node = is->options.outputs[i];

        compare(worst, "value of", op_kind_name(g->nodes[node].kind), plan_output(is, node),
                plan_output(should, node), dims_count(g->nodes[node].out));
    }
    for (size_t i = 0; i < g->node_count; i++)
        if (op_is_loss(g->nodes[i].kind))
            compare(worst, "loss", op_kind_name(g->nodes[i].kind), plan_output(is, (int)i),
                    plan_output(should, (int)i), 1);
}

static void compare_part(struct worst *worst, struct plan *is, struct plan *should, size_t p,
                         enum plan_part part)
{
    const struct graph_param *param = &is->graph->params[p];
    size_t count = shape_count(&param->shape);
    float *a = NULL, *b = NULL;

    must(mem_new(&a, count, sizeof *a));
    must(mem_new(&b, count, sizeof *b));
    must(plan_store(is, p, part, a));
    must(plan_store(should, p, part, b));
    compare(worst, part == PLAN_VALUE ? "parameter" : "gradient of", param->name, a, b, count);
    mem_free(a);
    mem_free(b);
}

static void compare_gradients(struct worst *worst, struct plan *is, struct plan *should)
{
    const struct graph *g = is->graph;

    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].kind == OP_INPUT && (is->options.gradients & PLAN_GRAD_INPUTS))
            compare(worst, "gradient of", "input", plan_input_gradient(is, (int)i),
                    plan_input_gradient(should, (int)i), dims_count(g->nodes[i].out));
    for (size_t p = 0; p < g->param_count; p++)
        if (g->params[p].is_trainable && (is->options.gradients & PLAN_GRAD_PARAMS))
            compare_part(worst, is, should, p, PLAN_GRADIENT);
}

static void run_both(struct plan *plans[2], const struct op_row *row, uint64_t run)
{
    for (int i = 0; i < 2; i++) {
        fill_inputs(plans[i], row, run);
        plan_set_step(plans[i], SEED, run);
        must(plan_forward(plans[i]));
        if (plans[i]->options.gradients)
            must(plan_backward(plans[i]));
    }
}

/* Runs twice with different inputs: what the first run leaves must not show in the second. */
static ward_status compare_variant(struct worst *worst, ward_device *devices[2],
                                   const struct op_case *c, const struct op_row *row,
                                   const struct plan_options *options)
{
    struct plan *plans[2] = {NULL, NULL};
    ward_status st = WARD_OK;

    for (int i = 0; i < 2 && !st; i++)
        st = plan_compile(&plans[i], devices[i], &c->graph, options);
    if (st)
        goto done;
    load_params(plans[0]);
    load_params(plans[1]);
    for (uint64_t run = 0; run < 2; run++) {
        run_both(plans, row, run);
        compare_values(worst, plans[0], plans[1]);
        compare_gradients(worst, plans[0], plans[1]);
        for (size_t p = 0; p < c->graph.param_count; p++)
            compare_part(worst, plans[0], plans[1], p, PLAN_VALUE);
    }
done:
    plan_free(plans[0]);
    plan_free(plans[1]);
    return st;
}

static bool compare_row(ward_device *devices[2], const struct op_case *c, const struct op_row *row)
{
    struct variant v;
    double largest = 0;
    bool passed = true;
    size_t i;

    for (i = 0; variant_get(c, i, &v); i++) {
        struct worst worst = {0, ""};
        ward_status st = compare_variant(&worst, devices, c, row, &v.options);

        largest = fmax(largest, worst.error);
        if (!st && worst.error <= row->tolerance)
            continue;
        passed = false;
        printf("FAIL %s ", row->name);
        variant_print(&v);
        if (st)
            printf(": %s\n", ward_error_message());
        else
            printf(": %s differs by %.2g, allowed %.2g\n", worst.what, worst.error, row->tolerance);
    }
    if (passed)
        printf("ok   %-34s %2zu ways, error %.1e of %.0e\n", row->name, i, largest, row->tolerance);
    return passed;
}

/* ---- gradients of ref against central differences ---- */

/*
 * The losses once more, in double and from their formulas: the differences need more digits than a
 * float has, and ref's own forward passes get a second opinion.
 */
static double log_softmax(const float *z, size_t k, size_t j)
{
    double max = -INFINITY, sum = 0;

    for (size_t i = 0; i < k; i++)
        max = fmax(max, (double)z[i]);
    for (size_t i = 0; i < k; i++)
        sum += exp((double)z[i] - max);
    return (double)z[j] - max - log(sum);
}

static double logits_loss(const struct op_desc *d, const float *logits, size_t k,
                          const int32_t *labels)
{
    double sum = 0;

    for (size_t i = 0; i < d->rows; i++) {
        const float *z = logits + (d->row0 + i) * k;

        if (d->kind == OP_CROSS_ENTROPY)
            sum -= log_softmax(z, k, (size_t)labels[i]);
        if (d->kind == OP_TRUE_PROBABILITY)
            sum += exp(log_softmax(z, k, (size_t)labels[i]));
        for (size_t j = 0; j < k && d->kind == OP_KL_UNIFORM; j++)
            sum -= (log((double)k) + log_softmax(z, k, j)) / (double)k;
    }
    return sum / (double)d->rows;
}

static double soft_cross_entropy(const struct op_desc *d, const float *logits, size_t k,
                                 const float *targets)
{
    double sum = 0;

    for (size_t i = 0; i < d->rows; i++)
        for (size_t j = 0; j < k; j++)
            sum -= (double)targets[i * k + j] * log_softmax(logits + (d->row0 + i) * k, k, j);
    return sum / (double)d->rows;
}

/* As defined: the mean entropy of the rows, less the entropy of the mean. */
static double infomax(const struct op_desc *d, const float *logits, size_t k)
{
    double rows = (double)d->rows, sum = 0;

    for (size_t j = 0; j < k; j++) {
        double mean = 0;

        for (size_t i = 0; i < d->rows; i++) {
            double log_q = log_softmax(logits + (d->row0 + i) * k, k, j);

            mean += exp(log_q) / rows;
            sum -= exp(log_q) * log_q / rows;
        }
        sum += mean > 0 ? mean * log(mean) : 0;
    }
    return sum;
}

static double squared_distance(const float *a, const float *b, struct dims d)
{
    double sum = 0;

    for (size_t i = 0; i < dims_count(d); i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum / (double)d.n;
}

static const float *value_of(struct plan *plan, int node)
{
    return plan->graph->nodes[node].kind == OP_INPUT ? plan_input(plan, node)
                                                     : plan_output(plan, node);
}

static double loss_value(struct plan *plan, const struct op_desc *d)
{
    const struct graph *g = plan->graph;
    const float *x = value_of(plan, d->input[0]);
    struct dims in = graph_dims(g, d->input[0]);

    if (d->kind == OP_SQUARED_DISTANCE)
        return squared_distance(x, value_of(plan, d->input[1]), in);
    if (d->kind == OP_SOFT_CROSS_ENTROPY)
        return soft_cross_entropy(d, x, in.c, value_of(plan, d->input[1]));
    if (d->kind == OP_INFOMAX)
        return infomax(d, x, in.c);
    return logits_loss(d, x, in.c, d->input[1] < 0 ? NULL : plan_labels(plan, d->input[1]));
}

/* The weighted sum of all losses after a forward pass. */
static double total_loss(struct plan *plan)
{
    const struct graph *g = plan->graph;
    double total = 0;

    must(plan_forward(plan));
    for (size_t i = 0; i < g->node_count; i++) {
        double value;

        if (!op_is_loss(g->nodes[i].kind))
            continue;
        value = loss_value(plan, &g->nodes[i]);
        if (fabs(value - (double)*plan_output(plan, (int)i)) > 1e-5 * (1e-2 + fabs(value))) {
            printf("%s is %.9g, should be %.9g\n", op_kind_name(g->nodes[i].kind),
                   (double)*plan_output(plan, (int)i), value);
            exit(1);
        }
        total += (double)g->nodes[i].weight * value;
    }
    return total;
}

/*
 * The central difference with step h is off by h^2 L''' / 6, by the rounding of L's operands to
 * float over 2 h, and by any kink that it steps over; 2e-3 balances them.
 */
static const double step = 2e-3;

struct difference {
    double slope; /* (L(x + h) - L(x - h)) / 2 h */
    double bend;  /* (L(x + h) - 2 L(x) + L(x - h)) / 2 h: proportional to h where L is smooth */
};

static struct difference difference_at(struct plan *plan, float *at, double centre, double h)
{
    float old = *at;
    double above, below;

    *at = (float)((double)old + h);
    above = total_loss(plan);
    *at = (float)((double)old - h);
    below = total_loss(plan);
    *at = old;
    return (struct difference){(above - below) / (2 * h), (above - 2 * centre + below) / (2 * h)};
}

struct probes {
    double centre; /* the loss */
    double worst;
    size_t made, skipped;
};

/*
 * Some elements of one tensor; `at` is where ref keeps them. A jump of the derivative by c at
 * distance u < h adds c (1 - u / h) / 2 to slope and bend. So where a ReLU or a max pool has a kink
 * nearby, two step sizes disagree in one or the other, and the slope is not the derivative.
 */
static void probe_tensor(struct probes *probes, struct plan *plan, float *at, const float *gradient,
                         size_t count, struct rng *rng)
{
    size_t wanted = graph_macs(plan->graph) > 1e6 ? 4 : 12;
    double scale = 1e-3;

    for (size_t i = 0; i < count; i++)
        scale = fmax(scale, fabs((double)gradient[i]));
    for (size_t i = 0; i < wanted; i++) {
        size_t j = rng_below(rng, (uint32_t)count);
        struct difference wide = difference_at(plan, at + j, probes->centre, step);
        struct difference narrow = difference_at(plan, at + j, probes->centre, step / 2);
        double kink = fmax(fabs(wide.slope - narrow.slope), fabs(wide.bend - 2 * narrow.bend));

        probes->made++;
        if (kink > 2e-3 * scale)
            probes->skipped++;
        else
            probes->worst = fmax(probes->worst, fabs(wide.slope - (double)gradient[j]) / scale);
    }
}

/* A copy, since each further run may change the plan's own. */
static float *copy_of(const float *values, size_t count)
{
    float *copy = NULL;

    must(mem_new(&copy, count, sizeof *copy));
    memcpy(copy, values, count * sizeof *copy);
    return copy;
}

static void probe_all(struct probes *probes, struct plan *plan)
{
    const struct graph *g = plan->graph;
    struct rng rng;

    rng_init(&rng, SEED, RNG_TEST, 2000, 0);
    probes->centre = total_loss(plan);
    must(plan_backward(plan));
    for (size_t i = 0; i < g->node_count; i++) {
        size_t count = dims_count(g->nodes[i].out);
        float *gradient;

        if (g->nodes[i].kind != OP_INPUT)
            continue;
        gradient = copy_of(plan_input_gradient(plan, (int)i), count);
        probe_tensor(probes, plan, plan_input(plan, (int)i), gradient, count, &rng);
        mem_free(gradient);
    }
    for (size_t p = 0; p < g->param_count; p++) {
        struct plan_packed packed = plan_packed(plan, p);
        float *gradient;

        if (!packed.gradient)
            continue;
        gradient = copy_of(packed.gradient, packed.len);
        probe_tensor(probes, plan, packed.value, gradient, packed.len, &rng);
        mem_free(gradient);
    }
}

/* The operands of all losses become outputs. */
static void keep_operands(const struct graph *g, struct plan_options *o)
{
    o->output_count = 0;
    for (size_t i = 0; i < g->node_count; i++)
        for (int j = 0; j < OP_MAX_INPUTS && op_is_loss(g->nodes[i].kind); j++) {
            int from = g->nodes[i].input[j];

            if (from >= 0 && g->nodes[from].kind != OP_INPUT && g->nodes[from].kind != OP_LABELS)
                o->outputs[o->output_count++] = from;
        }
}

/* A wrong term shows as an error near 1; kinks too slight to be noticed make up to 4e-3. */
static const double gradient_tolerance = 1e-2;

static bool gradients_of_row(ward_device *devices[2], const struct op_case *c,
                             const struct op_row *row)
{
    struct probes probes = {0, 0, 0, 0};
    struct variant v;
    bool passed;

    for (size_t i = 0; variant_get(c, i, &v) && !row->is_stepped; i++) {
        struct plan *plan = NULL;

        if (v.options.gradients != (PLAN_GRAD_PARAMS | PLAN_GRAD_INPUTS) || v.is_bpda ||
            v.options.bn == BN_RECALIBRATE)
            continue;
        keep_operands(&c->graph, &v.options);
        must(plan_compile(&plan, devices[1], &c->graph, &v.options));
        load_params(plan);
        fill_inputs(plan, row, 0);
        plan_set_step(plan, SEED, 0);
        probe_all(&probes, plan);
        plan_free(plan);
    }
    passed = probes.worst <= gradient_tolerance && probes.skipped * 2 <= probes.made;
    printf("%s %-34s error %.1e of %.0e, %zu of %zu near a kink\n", passed ? "ok  " : "FAIL",
           row->name, probes.worst, gradient_tolerance, probes.skipped, probes.made);
    return passed;
}

/* ---- speed ---- */

/* Seconds of the fastest of some runs, each after `prepare` if that is not NULL. */
static double best_time(struct plan *plan, ward_status (*prepare)(struct plan *plan),
                        ward_status (*run)(struct plan *plan))
{
    double best = INFINITY, start = clock_seconds();

    for (int i = 0; i < 100 && (i < 3 || clock_seconds() - start < 0.5); i++) {
        double begin;

        if (prepare)
            must(prepare(plan));
        begin = clock_seconds();
        must(run(plan));
        best = fmin(best, clock_seconds() - begin);
    }
    return best;
}

/* Multiply-adds count as two operations, and a backward pass as two forward passes. */
static bool time_row(ward_device *devices[2], const struct op_case *c, const struct op_row *row)
{
    double macs = graph_macs(&c->graph), forward, backward;
    struct plan *plan = NULL;
    struct variant v;

    if (!variant_get(c, 2, &v) || plan_compile(&plan, devices[0], &c->graph, &v.options)) {
        printf("     %-34s refused: %s\n", row->name, ward_error_message());
        return true;
    }
    load_params(plan);
    fill_inputs(plan, row, 0);
    forward = best_time(plan, NULL, plan_forward);
    backward = best_time(plan, plan_forward, plan_backward);
    printf("     %-34s forward %9.3f ms %6.1f GFLOP/s, backward %9.3f ms %6.1f GFLOP/s\n",
           row->name, forward * 1e3, 2e-9 * macs / forward, backward * 1e3, 4e-9 * macs / backward);
    plan_free(plan);
    return true;
}

/* ---- main ---- */

typedef bool row_test(ward_device *devices[2], const struct op_case *c, const struct op_row *row);

struct arguments {
    const char *device, *only;
    row_test *test;
};

static bool arguments_parse(struct arguments *a, int argc, char **argv)
{
    *a = (struct arguments){.device = "cpu", .test = compare_row};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--gradients") == 0) {
            a->test = gradients_of_row;
            a->device = "ref";
        } else if (strcmp(argv[i], "--speed") == 0) {
            a->test = time_row;
        } else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc) {
            a->device = argv[++i];
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            a->only = argv[++i];
        } else {
            return false;
        }
    }
    return true;
}

static bool has_device(const char *name)
{
    for (size_t i = 0; ward_device_list(i); i++)
        if (strcmp(ward_device_list(i), name) == 0)
            return true;
    return false;
}

static bool test_row(const struct arguments *a, ward_device *devices[2], const struct op_row *row)
{
    struct op_case c = {.output_count = 0};
    bool passed;

    graph_init(&c.graph);
    row->build(&c, row);
    must(graph_finish(&c.graph));
    passed = a->test(devices, &c, row);
    fflush(stdout);
    graph_release(&c.graph);
    return passed;
}

int main(int argc, char **argv)
{
    ward_device *devices[2] = {NULL, NULL}; /* the one under test, and ref */
    struct arguments a;
    size_t ran = 0, failed = 0;

    if (!arguments_parse(&a, argc, argv)) {
        fprintf(stderr, "usage: test_ops [--gradients | --speed] [--device NAME] [--only ROW]\n");
        return 2;
    }
    if (!has_device(a.device)) {
        printf("this build has no device '%s'\n", a.device);
        return 77;
    }
    must(ward_device_open(&devices[0], a.device));
    must(ward_device_open(&devices[1], "ref"));
    for (size_t i = 0; i < op_row_count; i++) {
        const struct op_row *row = &op_rows[i];

        if ((row->is_large && a.test != time_row) || (a.only && !strstr(row->name, a.only)))
            continue;
        ran++;
        failed += !test_row(&a, devices, row);
    }
    printf("%zu rows, %zu failed\n", ran, failed);
    ward_device_close(devices[0]);
    ward_device_close(devices[1]);
    return failed > 0 || ran == 0;
}
