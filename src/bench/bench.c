/*
 * ward_bench(): repeat the work, in turn with matrix products, so that whatever else the machine
 * does meanwhile slows both down.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "bench/machine.h"
#include "bench/work.h"

enum { ROUNDS = 12, MIN_REPEATS = 3 }; /* repeats of each round */

/* Seconds of each repeat. */
struct times {
    double *items;
    size_t count, cap;
    double sum;
};

static ward_status times_add(struct times *t, double seconds)
{
    ward_status st = WARD_OK;

    if (t->count == t->cap) {
        size_t cap = 2 * t->cap + 64;

        st = mem_resize(&t->items, t->cap, cap, sizeof *t->items);
        t->cap = st ? t->cap : cap;
    }
    if (st)
        return st;
    t->items[t->count++] = seconds;
    t->sum += seconds;
    return WARD_OK;
}

/* The most memory this process has held. NaN where /proc does not say. */
static double peak_rss_mib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    double mib = (double)NAN;
    char line[256];
    unsigned long kib;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lu kB", &kib) == 1)
            mib = (double)kib / 1024;
    if (file)
        fclose(file);
    return mib;
}

/* Let caches, threads and the processor's clock settle; the first run also compiles a session. */
static ward_status warm_up(struct work *w)
{
    double begin = clock_seconds();
    ward_status st = work_run(w);

    while (!st && clock_seconds() - begin < w->config.seconds / 5)
        st = work_run(w);
    return st;
}

/* Repeat the work for a while. */
static ward_status repeat(struct work *w, double seconds, struct times *times)
{
    double begin = clock_seconds(), now = begin;
    size_t before = times->count;
    ward_status st;

    do {
        double last = now;

        st = work_run(w);
        now = clock_seconds();
        if (!st)
            st = times_add(times, now - last);
    } while (!st && (now - begin < seconds || times->count < before + MIN_REPEATS));
    return st;
}

static ward_status measure(struct work *w, struct machine *machine, struct times *times)
{
    double seconds = w->config.seconds;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < ROUNDS && (i == 0 || times->sum < seconds) && !st; i++) {
        st = machine_measure(machine);
        if (!st)
            st = repeat(w, seconds / ROUNDS, times);
    }
    return st;
}

static void sum_up(const struct work *w, struct machine *machine, struct times *times,
                   ward_bench_result *out)
{
    struct plan_passes flops = plan_flops(work_plan(w));
    double median;

    sort_times(times->items, times->count);
    median = times->items[times->count / 2];
    out->repeats = times->count;
    out->threads = ward_threads();
    out->median_ms = 1e3 * median;
    out->low_ms = 1e3 * times->items[times->count / 4];
    out->high_ms = 1e3 * times->items[times->count * 3 / 4];
    out->images_per_s = (double)w->config.batch / median;
    out->gflop = 1e-9 * (flops.forward + flops.backward);
    out->gflops = out->gflop / median;
    out->sgemm_gflops = machine_gflops(machine);
    out->share = out->gflops / out->sgemm_gflops;
}

/* ---- profile ---- */

struct profile {
    const struct graph *graph;
    double repeats, seconds; /* seconds: of all steps */
    ward_bench_visit *visit;
    void *context;
};

/* "layer1.0.conv1" of "layer1.0.conv1.weight". */
static void name_layer(const struct graph *graph, int node, char layer[TENSOR_MAX_NAME])
{
    int param = graph->nodes[node].param[0];
    char *dot;

    layer[0] = '\0';
    if (param < 0)
        return;
    snprintf(layer, TENSOR_MAX_NAME, "%s", graph->params[param].name);
    dot = strrchr(layer, '.');
    if (dot && strcmp(dot, ".weight") == 0)
        *dot = '\0';
}

static void tell_step(void *context, const struct plan_step *step)
{
    struct profile *p = context;
    char layer[TENSOR_MAX_NAME];
    ward_bench_step told = {.name = step->name,
                            .layer = layer,
                            .implementation = step->implementation,
                            .forward_ms = 1e3 * step->seconds.forward / p->repeats,
                            .backward_ms = 1e3 * step->seconds.backward / p->repeats,
                            .forward_gflop = 1e-9 * step->flops.forward,
                            .backward_gflop = 1e-9 * step->flops.backward};

    name_layer(p->graph, step->node, layer);
    p->seconds += step->seconds.forward + step->seconds.backward;
    p->visit(p->context, &told);
}

static void tell_other(struct profile *p, const char *name, double seconds)
{
    ward_bench_step told = {
        .name = name, .layer = "", .implementation = "", .forward_ms = 1e3 * seconds / p->repeats};

    p->seconds += seconds;
    p->visit(p->context, &told);
}

static void tell_profile(const struct work *w, const struct times *times, ward_bench_visit *visit,
                         void *context)
{
    struct plan *plan = work_plan(w);
    struct profile p = {plan_graph(plan), (double)times->count, 0, visit, context};

    plan_describe(plan, tell_step, &p);
    if (w->step)
        tell_other(&p, "SGD", w->update_seconds);
    tell_other(&p, "rest", times->sum - p.seconds);
}

static ward_status start_profile(struct work *w)
{
    work_profile_updates(w);
    return plan_profile(work_plan(w));
}

/* ---- the public side ---- */

void ward_bench_defaults(ward_bench_config *config, ward_bench_work work, const char *arch,
                         ward_method method)
{
    *config = (ward_bench_config){.work = work,
                                  .arch = arch,
                                  .method = method,
                                  .channels = 1,
                                  .height = 28,
                                  .width = 28,
                                  .batch = work == WARD_BENCH_TRAIN ? 128 : 256,
                                  .raw_share = 1,
                                  .seconds = 5};
}

ward_status ward_bench(ward_device *device, const ward_bench_config *config, ward_bench_result *out,
                       ward_bench_visit *visit, void *context)
{
    ward_bench_result made = {.repeats = 0};
    struct machine machine = {.runs = 0};
    struct times times = {NULL, 0, 0, 0};
    struct work work = {.steps = 0};
    ward_status st = work_open(&work, device, config);

    if (!st)
        st = warm_up(&work);
    if (!st && visit)
        st = start_profile(&work);
    made.peak_rss_mib =
        peak_rss_mib(); /* now: a run allocates nothing, but the matrices are large */
    if (!st)
        st = machine_init(&machine);
    if (!st)
        st = measure(&work, &machine, &times);
    if (!st) {
        sum_up(&work, &machine, &times, &made);
        *out = made;
        if (visit)
            tell_profile(&work, &times, visit, context);
    }
    mem_free(times.items);
    machine_release(&machine);
    work_close(&work);
    return st;
}
