/* metrics.jsonl: see history.h. */
#include "report/history.h"

#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

enum { MAX_LINES = 1 << 20, MAX_LINE = 1 << 16 };

static const char *const keys[CURVE_COUNT] = {
    [CURVE_ACCURACY] = "accuracy_processed",
    [CURVE_ACCURACY_RAW] = "accuracy_raw",
    [CURVE_LOSS] = "loss_processed",
    [CURVE_LOSS_RAW] = "loss_raw",
    [CURVE_DISTANCE] = "distance",
    [CURVE_VALIDATION] = "validation_processed",
    [CURVE_VALIDATION_RAW] = "validation_raw",
};

static ward_status add_point(struct history *h, const json_t *line)
{
    struct history_point *point = &h->points[h->point_count];
    ward_status st = WARD_OK;
    bool is_empty = true;

    point->iteration = h->iterations;
    for (int i = 0; i < CURVE_COUNT && !st; i++) {
        point->value[i] = (double)NAN;
        if (!json_object_get(line, keys[i]))
            continue;
        st = json_get_real(line, keys[i], &point->value[i]);
        is_empty = false;
    }
    if (!st && !is_empty)
        h->point_count++;
    return st;
}

static ward_status copy_string(const json_t *line, const char *key, char **out)
{
    const char *text;
    ward_status st = json_get_string(line, key, &text);

    return st ? st : mem_strdup(out, text);
}

static ward_status add_part(struct history *h, const json_t *line)
{
    struct history_part *part;
    ward_status st = mem_resize(&h->parts, h->part_count, h->part_count + 1, sizeof *h->parts);

    if (st)
        return st;
    part = &h->parts[h->part_count++];
    part->iteration = h->iterations;
    st = json_get_real(line, "threads", &part->threads);
    if (!st)
        st = copy_string(line, "version", &part->version);
    if (!st)
        st = copy_string(line, "commit", &part->commit);
    if (!st)
        st = copy_string(line, "device", &part->device);
    if (!st)
        st = copy_string(line, "summary", &part->summary);
    return st;
}

static ward_status add_line(struct history *h, const char *text, size_t len)
{
    double iteration, seconds;
    json_t *line = NULL;
    ward_status st = len <= MAX_LINE ? json_parse_object(&line, text, len)
                                     : ward_fail(WARD_ERR_FORMAT, "a line of %zu bytes", len);

    if (!st)
        st = json_get_real(line, "iteration", &iteration);
    if (!st)
        st = json_get_real(line, "seconds", &seconds);
    if (!st && (iteration < h->iterations || seconds < 0))
        st = ward_fail(WARD_ERR_FORMAT, "'iteration' or 'seconds' goes back");
    if (!st) {
        h->iterations = iteration;
        h->seconds = seconds;
        st = json_object_get(line, "commit") ? add_part(h, line) : add_point(h, line);
    }
    json_decref(line);
    return st;
}

static size_t count_lines(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += text[i] == '\n';
    return count;
}

ward_status history_parse(struct history *out, const char *text, size_t len)
{
    struct history made = {.point_count = 0};
    size_t lines = count_lines(text, len);
    ward_status st = lines <= MAX_LINES
                         ? mem_new(&made.points, lines, sizeof *made.points)
                         : ward_fail(WARD_ERR_FORMAT, "more than %d lines", MAX_LINES);

    for (size_t i = 0; i < lines && !st; i++) {
        size_t end = (size_t)((const char *)memchr(text, '\n', len) - text);

        st = add_line(&made, text, end);
        if (st)
            st = ward_fail_within(st, "line %zu", i + 1);
        text += end + 1;
        len -= end + 1;
    }
    if (st)
        history_release(&made);
    else
        *out = made;
    return st;
}

ward_status history_read(struct history *out, const char *path)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st;

    if (!file_exists(path)) {
        *out = (struct history){.point_count = 0};
        return WARD_OK;
    }
    st = file_read(path, HISTORY_MAX_FILE, &data, &len);
    if (st)
        return st;
    st = history_parse(out, (const char *)data, len);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_free(data);
    return st;
}

void history_release(struct history *history)
{
    for (size_t i = 0; i < history->part_count; i++) {
        mem_free(history->parts[i].version);
        mem_free(history->parts[i].commit);
        mem_free(history->parts[i].device);
        mem_free(history->parts[i].summary);
    }
    mem_free(history->parts);
    mem_free(history->points);
    *history = (struct history){.point_count = 0};
}
