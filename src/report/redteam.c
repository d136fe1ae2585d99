/* redteam/BUDGET.json: see redteam.h. */
#include "report/redteam.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "report/scores.h"

enum { VERSION = 1, MAX_CELLS = 100000, MAX_TRIES = 32, MAX_LINES = 64 };

static const uint64_t max_whole = UINT64_C(1) << 53;

/* ---- values ---- */

static ward_status get_whole(const json_t *object, const char *key, double *out)
{
    uint64_t value = 0;
    ward_status st = json_get_u64(object, key, max_whole, &value);

    if (!st)
        *out = (double)value;
    return st;
}

/* From 0; NaN for null. */
static ward_status get_amount_or_null(const json_t *object, const char *key, double *out)
{
    double value = (double)NAN;
    ward_status st = WARD_OK;

    if (!json_is_null(json_object_get(object, key)))
        st = json_get_real(object, key, &value);
    if (!st && value < 0)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is below 0", key);
    if (!st)
        *out = value;
    return st;
}

static bool is_name(const char *text)
{
    return *text && strlen(text) < REDTEAM_NAME_LEN &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static ward_status get_name(const json_t *object, const char *key, char out[REDTEAM_NAME_LEN])
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    if (!st && !is_name(text))
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is not a name", key);
    if (!st)
        memcpy(out, text, strlen(text) + 1);
    return st;
}

/* Any words that fit. */
static ward_status get_text(const json_t *object, const char *key, char *out, size_t room)
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    if (!st && strlen(text) >= room)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is too long", key);
    if (!st)
        memcpy(out, text, strlen(text) + 1);
    return st;
}

/* ---- gains ---- */

/* A difference of accuracies, a bound on one (wide, where there are two adversaries), or null. */
static ward_status take_difference(const json_t *value, double *out)
{
    double d = json_number_value(value);

    if (json_is_null(value))
        d = (double)NAN;
    else if (!json_is_number(value) || !(d >= -20 && d <= 20))
        return ward_fail(WARD_ERR_FORMAT, "an advantage is not in -20 to 20");
    *out = d;
    return WARD_OK;
}

/* "100" */
static bool take_amount(const char *key, double *out)
{
    size_t len = strlen(key);

    *out = 0;
    for (size_t i = 0; i < len && len < 16; i++) {
        if (key[i] < '0' || key[i] > '9')
            return false;
        *out = 10 * *out + (key[i] - '0');
    }
    return len > 0 && len < 16 && *out > 0;
}

/* Builds before did not write it. */
static ward_status take_spread(struct redteam_gain *g, const json_t *best)
{
    ward_status st = WARD_OK;

    g->deviation = g->highest = (double)NAN;
    if (json_object_get(best, "sd"))
        st = json_get_fraction_or_null(best, "sd", &g->deviation);
    if (!st && json_object_get(best, "highest"))
        st = json_get_fraction(best, "highest", &g->highest);
    return st;
}

static ward_status take_gain(struct redteam_gain *g, const json_t *best, const json_t *advantage,
                             const json_t *interval)
{
    ward_status st = get_name(best, "attack", g->attack);

    if (!st)
        st = json_get_fraction(best, "accuracy", &g->best);
    if (!st)
        st = take_spread(g, best);
    if (!st)
        st = take_difference(advantage, &g->advantage);
    if (!st && json_array_size(interval) != 2)
        st = ward_fail(WARD_ERR_FORMAT, "an advantage without an interval");
    if (!st)
        st = take_difference(json_array_get(interval, 0), &g->low);
    if (!st)
        st = take_difference(json_array_get(interval, 1), &g->high);
    if (!st && g->low > g->high)
        st = ward_fail(WARD_ERR_FORMAT, "an interval of an advantage that is none");
    g->scratch = g->best - g->advantage;
    return st;
}

/* From the objects of these names, whose keys are amounts. */
static ward_status take_gains(struct redteam_gains *gains, json_t *object, const char *best,
                              const char *advantage, const char *interval)
{
    json_t *all = json_object_get(object, best), *value;
    const char *key;
    ward_status st = WARD_OK;

    if (!json_is_object(all) || json_object_size(all) > REDTEAM_POINTS)
        return ward_fail(WARD_ERR_FORMAT, "'%s' is missing or too long", best);
    json_object_foreach(all, key, value) {
        struct redteam_gain *g = &gains->items[gains->count];

        if (!take_amount(key, &g->amount) || (gains->count > 0 && g->amount <= g[-1].amount))
            st = ward_fail(WARD_ERR_FORMAT, "'%s' is not by ascending amounts", best);
        if (!st)
            st = take_gain(g, value, json_object_get(json_object_get(object, advantage), key),
                           json_object_get(json_object_get(object, interval), key));
        if (st)
            break;
        gains->count++;
    }
    return st;
}

/* ---- flags ---- */

static ward_status take_flags(struct redteam_scores *s, const json_t *flags)
{
    size_t count = json_array_size(flags);
    ward_status st = WARD_OK;

    if (!json_is_array(flags) || count > REDTEAM_FLAGS)
        return ward_fail(WARD_ERR_FORMAT, "'flags' is missing or too long");
    for (size_t i = 0; i < count && !st; i++) {
        const json_t *flag = json_array_get(flags, i);

        st = get_name(flag, "flag", s->flags[i].name);
        if (!st)
            st = get_text(flag, "detail", s->flags[i].detail, REDTEAM_DETAIL_LEN);
    }
    s->flag_count = count;
    return st;
}

/* ---- cells ---- */

/* One adversary. */
struct trial {
    struct redteam_line line; /* without its curve */
    double amount, accuracy;
    const json_t *tries;
};

static ward_status take_knowledge(const json_t *object, enum redteam_knowledge *out)
{
    static const char *const names[REDTEAM_KNOWLEDGE_COUNT] = {"nothing", "labelled", "unlabelled",
                                                               "pairs", "queries"};
    const char *text;
    ward_status st = json_get_string(object, "knows", &text);

    for (int i = 0; i < REDTEAM_KNOWLEDGE_COUNT && !st; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum redteam_knowledge)i;
            return WARD_OK;
        }
    return st ? st : ward_fail(WARD_ERR_FORMAT, "'knows' is no knowledge: '%.32s'", text);
}

static ward_status take_trial(struct trial *t, const json_t *object)
{
    ward_status st = get_name(object, "attack", t->line.attack);

    if (!st)
        st = get_text(object, "id", t->line.id, sizeof t->line.id);
    if (!st)
        st = take_knowledge(object, &t->line.knows);
    if (!st)
        st = get_whole(object, "amount", &t->amount);
    if (!st)
        st = json_get_fraction(object, "accuracy", &t->accuracy);
    t->tries = json_object_get(object, "tries");
    if (!st && (!json_is_array(t->tries) || json_array_size(t->tries) > MAX_TRIES))
        st = ward_fail(WARD_ERR_FORMAT, "'tries' is missing or too long");
    return st;
}

/* Into the mean at x. */
static ward_status add_point(struct redteam_curve *c, double x, double y)
{
    size_t i = 0;

    while (i < c->count && c->at[i] < x)
        i++;
    if (i == c->count || c->at[i] > x) {
        if (c->count == REDTEAM_POINTS)
            return ward_fail(WARD_ERR_FORMAT, "more than %d amounts", REDTEAM_POINTS);
        for (size_t j = c->count++; j > i; j--) {
            c->at[j] = c->at[j - 1];
            c->mean[j] = c->mean[j - 1];
            c->n[j] = c->n[j - 1];
        }
        c->at[i] = x;
        c->mean[i] = c->n[i] = 0;
    }
    c->n[i]++;
    c->mean[i] += (y - c->mean[i]) / c->n[i];
    return WARD_OK;
}

static ward_status line_for(struct redteam_scores *s, const struct trial *t,
                            struct redteam_line **out)
{
    ward_status st;

    for (size_t i = 0; i < s->line_count; i++)
        if (s->lines[i].knows == t->line.knows && strcmp(s->lines[i].attack, t->line.attack) == 0) {
            *out = &s->lines[i];
            return WARD_OK;
        }
    if (s->line_count == MAX_LINES)
        return ward_fail(WARD_ERR_FORMAT, "more than %d attacks", MAX_LINES);
    st = mem_resize(&s->lines, s->line_count, s->line_count + 1, sizeof *s->lines);
    if (st)
        return st;
    s->lines[s->line_count] = t->line;
    *out = &s->lines[s->line_count++];
    return WARD_OK;
}

static ward_status add_trial(struct redteam_scores *s, const struct trial *t)
{
    struct redteam_line *line = NULL;
    ward_status st = line_for(s, t, &line);

    return st ? st : add_point(&line->curve, t->amount, t->accuracy);
}

/* ---- what single tries tell ---- */

/* "key 3 of 30": how many there were; 0: it is none of them. */
static unsigned drawn_of(const char *what, const char *noun)
{
    size_t len = strlen(noun);
    unsigned at = 0, of = 0;
    int end = 0;

    if (strncmp(what, noun, len) != 0 || sscanf(what + len, " %6u of %6u%n", &at, &of, &end) != 2 ||
        what[len + (size_t)end] || at < 1 || at > of || of > MAX_CELLS)
        return 0;
    return of;
}

static ward_status add_draw(struct redteam_draws *d, double accuracy)
{
    ward_status st = mem_resize(&d->accuracy, d->count, d->count + 1, sizeof *d->accuracy);

    if (!st)
        d->accuracy[d->count++] = accuracy;
    return st;
}

/* "25 % of the key", and perhaps ", improved". */
static bool take_share(const char *what, double *share, bool *is_improved)
{
    unsigned percent = 0;
    int end = 0;

    if (sscanf(what, "%3u %% of the key%n", &percent, &end) != 1 || end == 0 || percent > 100)
        return false;
    *share = percent / 100.0;
    *is_improved = strcmp(what + end, ", improved") == 0;
    return *is_improved || what[end] == '\0';
}

static ward_status take_try(struct redteam_scores *s, const char *attack, const json_t *object)
{
    bool is_improved;
    const char *what;
    double accuracy, share;
    ward_status st = json_get_string(object, "what", &what);

    if (!st)
        st = json_get_fraction(object, "accuracy", &accuracy);
    if (st)
        return st;
    if (strcmp(attack, "key-search") == 0 && drawn_of(what, "key"))
        return add_draw(&s->keys, accuracy);
    if (strcmp(attack, "input-only") == 0 && drawn_of(what, "pattern"))
        return add_draw(&s->patterns, accuracy);
    if (strcmp(attack, "partial-key") == 0 && take_share(what, &share, &is_improved))
        return add_point(is_improved ? &s->improved_keys : &s->wrong_keys, share, accuracy);
    return WARD_OK;
}

/* Of more draws than there is room for, the best stay: then each says how many there were. */
static double most_drawn(const json_t *tries, const char *noun)
{
    double most = 0;

    for (size_t i = 0; i < json_array_size(tries); i++) {
        const json_t *what = json_object_get(json_array_get(tries, i), "what");

        most = fmax(most, drawn_of(json_string_value(what), noun));
    }
    return most;
}

static ward_status take_tries(struct redteam_scores *s, const struct trial *t)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < json_array_size(t->tries) && !st; i++)
        st = take_try(s, t->line.attack, json_array_get(t->tries, i));
    if (!st && strcmp(t->line.attack, "key-search") == 0)
        s->keys.drawn += most_drawn(t->tries, "key");
    if (!st && strcmp(t->line.attack, "input-only") == 0)
        s->patterns.drawn += most_drawn(t->tries, "pattern");
    return st;
}

static ward_status take_cells(struct redteam_scores *s, const json_t *cells)
{
    size_t count = json_array_size(cells);
    ward_status st = WARD_OK;

    if (!json_is_array(cells) || count > MAX_CELLS)
        return ward_fail(WARD_ERR_FORMAT, "'attacks' is missing or too long");
    for (size_t i = 0; i < count && !st; i++) {
        struct trial t = {.amount = 0};

        st = take_trial(&t, json_array_get(cells, i));
        if (!st)
            st = add_trial(s, &t);
        if (!st)
            st = take_tries(s, &t);
        if (st)
            st = ward_fail_within(st, "cell %zu", i + 1);
    }
    return st;
}

/* ---- the whole ---- */

static ward_status take_subject(struct redteam_scores *s, const json_t *object)
{
    const char *suite;
    ward_status st = scores_check_version(object, VERSION);

    if (!st)
        st = json_get_string(object, "suite", &suite);
    if (!st && strcmp(suite, "v1") != 0)
        st = ward_fail(WARD_ERR_FORMAT, "a suite that this build does not know: '%.16s'", suite);
    if (!st)
        st = scores_get_id(object, s->model_id);
    if (!st)
        st = get_name(object, "budget", s->budget);
    if (!st)
        st = json_get_u64(object, "seed", max_whole, &s->seed);
    if (!st)
        st = json_get_bool(object, "is_disjoint", &s->is_disjoint);
    if (!st)
        st = get_whole(object, "test_count", &s->test_count);
    return st ? st : get_whole(object, "choice_count", &s->choice_count);
}

static ward_status take_without_labels(struct redteam_scores *s, const json_t *value)
{
    ward_status st;

    if (json_is_null(value))
        return WARD_OK;
    st = get_name(value, "attack", s->without_labels);
    return st ? st : json_get_fraction(value, "accuracy", &s->without_labels_accuracy);
}

static ward_status take_figures(struct redteam_scores *s, const json_t *object)
{
    const struct {
        const char *key;
        double *out;
    } fractions[] =
        {
            {"authorised", &s->authorised}, {"unauthorised", &s->unauthorised},
            {"chance", &s->chance},         {"from_chance", &s->from_chance},
            {"readout", &s->readout},       {"readout_control", &s->readout_control},
        },
      amounts[] = {
          {"kstar_attack", &s->needs_attack},
          {"kstar_scratch", &s->needs_scratch},
          {"kstar_ratio", &s->needs_ratio},
          {"cost", &s->cost},
      };
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0] && !st; i++)
        st = json_get_fraction_or_null(object, fractions[i].key, fractions[i].out);
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0] && !st; i++)
        st = get_amount_or_null(object, amounts[i].key, amounts[i].out);
    if (!st)
        st = json_get_bool(object, "kstar_ratio_is_bound", &s->ratio_is_bound);
    if (!st)
        st = take_without_labels(s, json_object_get(object, "without_labels"));
    if (!st)
        st = get_text(object, "sentence", s->sentence, sizeof s->sentence);
    if (!st && json_object_get(object, "complete")) {
        st = json_get_bool(object, "complete", &s->is_partial);
        s->is_partial = !s->is_partial;
    }
    return st;
}

static ward_status take_all(struct redteam_scores *s, json_t *object)
{
    ward_status st = take_subject(s, object);

    if (!st)
        st = take_figures(s, object);
    if (!st)
        st = take_gains(&s->gains, object, "best", "adv", "adv_ci95");
    if (!st)
        st = take_gains(&s->pair_gains, object, "best_pairs", "adv_pairs", "adv_pairs_ci95");
    if (!st)
        st = take_flags(s, json_object_get(object, "flags"));
    return st ? st : take_cells(s, json_object_get(object, "attacks"));
}

ward_status redteam_parse(struct redteam_scores *out, const char *text, size_t len)
{
    struct redteam_scores *made = NULL;
    json_t *object = NULL;
    ward_status st = mem_new(&made, 1, sizeof *made);

    if (!st)
        st = json_parse_object(&object, text, len);
    if (!st)
        st = take_all(made, object);
    json_decref(object);
    if (!st)
        *out = *made;
    else if (made)
        redteam_release(made);
    mem_free(made);
    return st;
}

ward_status redteam_read(struct redteam_scores *out, const char *path)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(path, SCORES_MAX_FILE, &data, &len);

    if (st)
        return st;
    st = redteam_parse(out, (const char *)data, len);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    else
        out->holds_own = strstr(path, "-own.json") != NULL;
    mem_free(data);
    return st;
}

void redteam_release(struct redteam_scores *scores)
{
    mem_free(scores->lines);
    mem_free(scores->keys.accuracy);
    mem_free(scores->patterns.accuracy);
    *scores = (struct redteam_scores){.line_count = 0};
}

/* ---- looking things up ---- */

const struct redteam_line *redteam_find(const struct redteam_scores *scores, const char *attack,
                                        enum redteam_knowledge knows)
{
    for (size_t i = 0; i < scores->line_count; i++)
        if (scores->lines[i].knows == knows && strcmp(scores->lines[i].attack, attack) == 0)
            return &scores->lines[i];
    return NULL;
}

bool redteam_is_scratch(const struct redteam_line *line)
{
    return strcmp(line->attack, "scratch") == 0;
}

bool redteam_is_control(const struct redteam_line *line)
{
    return redteam_is_scratch(line) || strstr(line->id, "control");
}

size_t redteam_amounts(const struct redteam_scores *scores, enum redteam_knowledge knows,
                       double amounts[REDTEAM_POINTS])
{
    double last = -1;
    size_t count = 0;

    while (count < REDTEAM_POINTS) {
        double next = INFINITY;

        for (size_t i = 0; i < scores->line_count; i++)
            for (size_t j = 0; j < scores->lines[i].curve.count; j++)
                if (scores->lines[i].knows == knows && scores->lines[i].curve.at[j] > last)
                    next = fmin(next, scores->lines[i].curve.at[j]);
        if (isinf(next))
            break;
        amounts[count++] = last = next;
    }
    return count;
}

double redteam_at(const struct redteam_line *line, double amount)
{
    const struct redteam_curve *c = &line->curve;

    for (size_t i = 0; i < c->count; i++)
        if (!(c->at[i] < amount) && !(c->at[i] > amount))
            return c->mean[i];
    return (double)NAN;
}
