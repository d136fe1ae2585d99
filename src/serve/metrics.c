/* See metrics.h. */
#include "serve/metrics.h"

static const unsigned statuses[METRICS_STATUSES] = {200, 400, 401, 403, 404, 405, 411,
                                                    413, 415, 417, 429, 500, 503, 0};
static const double bounds[METRICS_BUCKETS] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                               0.2,   0.5,   1,     2,    5,    10,   30};

void metrics_answer(struct metrics *m, unsigned status)
{
    size_t i = 0;

    while (i + 1 < METRICS_STATUSES && statuses[i] != status)
        i++;
    atomic_fetch_add(&m->answers[i], 1);
}

void metrics_request(struct metrics *m, double seconds, size_t images)
{
    size_t i = 0;

    while (i < METRICS_BUCKETS && seconds > bounds[i])
        i++;
    atomic_fetch_add(&m->seconds[i], 1);
    atomic_fetch_add(&m->nanoseconds, (unsigned long long)(1e9 * seconds));
    atomic_fetch_add(&m->requests, 1);
    atomic_fetch_add(&m->images, images);
}

static void head(struct wr *out, const char *name, const char *type, const char *help)
{
    wr_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct wr *out, const char *name, const char *type, const char *help, double value)
{
    head(out, name, type, help);
    wr_printf(out, "%s %.15g\n", name, value);
}

static void write_answers(struct metrics *m, struct wr *out)
{
    head(out, "ward_http_answers_total", "counter", "HTTP answers by status.");
    for (size_t i = 0; i < METRICS_STATUSES; i++)
        if (statuses[i])
            wr_printf(out, "ward_http_answers_total{status=\"%u\"} %llu\n", statuses[i],
                      atomic_load(&m->answers[i]));
        else
            wr_printf(out, "ward_http_answers_total{status=\"other\"} %llu\n",
                      atomic_load(&m->answers[i]));
}

/* The count is that of the buckets, so that the two agree whatever is counted meanwhile. */
static void write_durations(struct metrics *m, struct wr *out)
{
    const char *name = "ward_request_seconds";
    unsigned long long sum = 0;

    head(out, name, "histogram",
         "Duration of inference requests with 200, from their first byte to their answer.");
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += atomic_load(&m->seconds[i]);
        wr_printf(out, "%s_bucket{le=\"%g\"} %llu\n", name, bounds[i], sum);
    }
    sum += atomic_load(&m->seconds[METRICS_BUCKETS]);
    wr_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9f\n%s_count %llu\n", name, sum, name,
              1e-9 * (double)atomic_load(&m->nanoseconds), name, sum);
}

void metrics_write(struct metrics *m, const struct metrics_more *more, struct wr *out)
{
    head(out, "ward_build_info", "gauge", "Always 1; says what runs.");
    wr_printf(out, "ward_build_info{version=\"%s\",model=\"%s\",model_id=\"%s\"} 1\n",
              more->version, more->model, more->model_id);
    one(out, "ward_ready", "gauge", "Whether inference requests are answered.", more->is_ready);
    write_answers(m, out);
    one(out, "ward_images_total", "counter", "Images answered.", (double)atomic_load(&m->images));
    write_durations(m, out);
    one(out, "ward_queue_images", "gauge", "Images that wait to be computed.",
        (double)more->waiting);
    one(out, "ward_batches_total", "counter", "Batches computed.", (double)more->batches);
    one(out, "ward_batch_images_total", "counter", "Images in these batches.",
        (double)more->batched);
    one(out, "ward_compute_seconds_total", "counter", "Time for which batches were waited for.",
        more->compute_seconds);
    one(out, "ward_audit_syncs_total", "counter", "Syncs of the audit log.", (double)more->syncs);
    one(out, "ward_audit_sync_seconds_total", "counter", "Time that these took.",
        more->sync_seconds);
    one(out, "ward_connections", "gauge", "Open connections.",
        (double)atomic_load(&m->connections));
    one(out, "ward_connections_cut_off_total", "counter", "Connections closed for being too slow.",
        (double)atomic_load(&m->cut_off));
}
