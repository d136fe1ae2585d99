/* Results of the red team, to and from JSON: see record.h. */
#include "attack/record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { FORMAT_VERSION = 1, MAX_CELLS = 100000, MAX_TRIALS = 1000 };

static const uint64_t max_whole = UINT64_C(1) << 53;

static const char *const knowledge[] = {
    [WARD_KNOWS_NOTHING] = "nothing",       [WARD_KNOWS_LABELLED] = "labelled",
    [WARD_KNOWS_UNLABELLED] = "unlabelled", [WARD_KNOWS_PAIRS] = "pairs",
    [WARD_KNOWS_QUERIES] = "queries",
};

enum { KNOWLEDGE = sizeof knowledge / sizeof knowledge[0] };

/* ---- writing ---- */

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* A bound that does not exist is left out: NaN and infinite are no numbers of JSON. */
static json_t *try_to_json(const ward_redteam_try *t)
{
    const struct json_member members[] = {
        {"what", json_string(t->what)},
        {"accuracy", json_real(t->accuracy)},
        {"merit", json_real(t->merit)},
        {"bound", isnan(t->bound)      ? json_null()
                  : isfinite(t->bound) ? json_real(t->bound)
                                       : json_string("none")},
        {"is_leaky", json_boolean(t->is_leaky)},
    };

    return JSON_OBJECT_OF(members);
}

/* Takes over both; NULL if out of memory. */
static json_t *append(json_t *array, json_t *value)
{
    if (array && json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *cell_to_json(const ward_redteam_cell *c)
{
    json_t *tries = json_array();

    for (size_t i = 0; i < c->try_count; i++)
        tries = append(tries, try_to_json(&c->tries[i]));
    {
        const struct json_member members[] = {
            {"attack", json_string(c->attack)},
            {"id", json_string(c->id)},
            {"knows", json_string(knowledge[c->knows])},
            {"amount", whole(c->amount)},
            {"trial", whole(c->trial)},
            {"accuracy", json_real(c->accuracy)},
            {"choice", json_real(c->choice)},
            {"seconds", json_real(c->seconds)},
            {"images", whole(c->images)},
            {"commit", json_string(c->commit)},
            {"chosen", json_string(c->chosen)},
            {"tries", tries},
        };

        return JSON_OBJECT_OF(members);
    }
}

static json_t *cells_to_json(const ward_redteam_result *r)
{
    json_t *array = json_array();

    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].is_done)
            array = append(array, cell_to_json(&r->cells[i]));
    return array;
}

static json_t *flags_to_json(const ward_redteam_verdict *v)
{
    json_t *array = json_array();

    for (size_t i = 0; i < v->flag_count; i++)
        array = append(
            array, json_pack("{s:s, s:s}", "flag", v->flags[i].name, "detail", v->flags[i].detail));
    return array;
}

/* ---- gains, by their amounts ---- */

typedef json_t *gain_value(const ward_redteam_gain *gain);

static json_t *advantage_of(const ward_redteam_gain *g)
{
    return json_real_or_null(g->advantage);
}

static json_t *scratch_of(const ward_redteam_gain *g)
{
    return json_real_or_null(g->scratch);
}

static json_t *interval_of(const ward_redteam_gain *g)
{
    return append(append(json_array(), json_real_or_null(g->low)), json_real_or_null(g->high));
}

static json_t *best_of(const ward_redteam_gain *g)
{
    const struct json_member members[] = {
        {"attack", json_string(g->attack)},
        {"accuracy", json_real(g->best)},
        {"sd", json_real_or_null(g->deviation)},
        {"highest", json_real(g->highest)},
    };

    return JSON_OBJECT_OF(members);
}

static json_t *gains_to_json(const ward_redteam_gain *gains, size_t count, gain_value *value)
{
    json_t *object = json_object();
    ward_status st = object ? WARD_OK : WARD_ERR_NOMEM;
    char key[24];

    for (size_t i = 0; i < count && !st; i++) {
        snprintf(key, sizeof key, "%ju", (uintmax_t)gains[i].amount);
        st = json_set(object, key, value(&gains[i]));
    }
    if (!st)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *without_labels(const ward_redteam_gain *g)
{
    return g->attack ? json_pack("{s:s, s:I, s:f}", "attack", g->attack, "amount",
                                 (json_int_t)g->amount, "accuracy", g->best)
                     : json_null();
}

/* ---- the whole ---- */

static json_t *result_object(const ward_redteam_result *r, const struct record_subject *s,
                             const struct record_facts *f)
{
    const ward_redteam_verdict *v = &r->verdict;
    const struct json_member members[] = {
        {"suite", json_string("v1")},
        {"revision", json_integer(SUITE_REVISION)},
        {"authorised", json_real_or_null(v->authorised)},
        {"unauthorised", json_real_or_null(v->unauthorised)},
        {"chance", json_real(v->chance)},
        {"adv", gains_to_json(v->gains, v->gain_count, advantage_of)},
        {"adv_ci95", gains_to_json(v->gains, v->gain_count, interval_of)},
        {"adv_pairs", gains_to_json(v->pair_gains, v->pair_gain_count, advantage_of)},
        {"adv_pairs_ci95", gains_to_json(v->pair_gains, v->pair_gain_count, interval_of)},
        {"scratch", gains_to_json(v->gains, v->gain_count, scratch_of)},
        {"best", gains_to_json(v->gains, v->gain_count, best_of)},
        {"best_pairs", gains_to_json(v->pair_gains, v->pair_gain_count, best_of)},
        {"without_labels", without_labels(&v->without_labels)},
        {"kstar_attack", json_real_or_null(v->needs_attack)},
        {"kstar_scratch", json_real_or_null(v->needs_scratch)},
        {"kstar_ratio", json_real_or_null(v->needs_ratio)},
        {"kstar_ratio_is_bound", json_boolean(v->ratio_is_bound)},
        {"readout", json_real_or_null(v->readout)},
        {"readout_control", json_real_or_null(v->readout_control)},
        {"from_chance", json_real_or_null(v->from_chance)},
        {"cost", json_real_or_null(v->cost)},
        {"complete", json_boolean(!v->is_partial)},
        {"flags", flags_to_json(v)},
        {"sentence", json_string(v->sentence)},
        {"format_version", json_integer(FORMAT_VERSION)},
        {"budget", json_string(r->settings.budget)},
        {"seed", whole(r->settings.seed)},
        {"is_disjoint", json_boolean(r->is_disjoint)},
        {"test_count", whole(r->test_count)},
        {"choice_count", whole(r->choice_count)},
        {"pool_count", whole(r->pool_count)},
        {"model_id", json_string(s->model_id)},
        {"method", json_string(ward_method_name(s->method))},
        {"arch", json_string(s->arch)},
        {"data", json_string(s->data)},
        {"device", json_string(s->device)},
        {"zero_gradients", json_real(f->zero_gradients)},
        {"attacks", cells_to_json(r)},
    };

    return JSON_OBJECT_OF(members);
}

ward_status record_to_json(const ward_redteam_result *result, const struct record_subject *subject,
                           const struct record_facts *facts, int indent, char **out)
{
    json_t *object = result_object(result, subject, facts);
    ward_status st;

    if (!object)
        return ward_fail(WARD_ERR_NOMEM, "cannot write what the red team found: out of memory");
    st = json_to_text(object, indent, out);
    json_decref(object);
    return st;
}

/* ---- reading ---- */

/* The first revision did not say so. */
static ward_status match_revision(const json_t *object)
{
    if (json_object_get(object, "revision"))
        return json_match_u64(object, "revision", SUITE_REVISION);
    return ward_fail(WARD_ERR_EXISTS, "'revision' is 1 there, not %d", SUITE_REVISION);
}

static ward_status match_subject(const json_t *object, const ward_redteam_result *r,
                                 const struct record_subject *s)
{
    const struct {
        const char *key, *expected;
    } texts[] = {
        {"suite", "v1"},       {"budget", r->settings.budget},
        {"arch", s->arch},     {"model_id", s->model_id},
        {"data", s->data},     {"method", ward_method_name(s->method)},
        {"device", s->device},
    };
    bool is_disjoint = false;
    ward_status st = match_revision(object);

    if (!st)
        st = json_match_u64(object, "seed", r->settings.seed);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !st; i++)
        st = json_match_string(object, texts[i].key, texts[i].expected);
    if (!st)
        st = json_match_u64(object, "test_count", r->test_count);
    if (!st)
        st = json_match_u64(object, "choice_count", r->choice_count);
    if (!st)
        st = json_match_u64(object, "pool_count", r->pool_count);
    if (!st)
        st = json_get_bool(object, "is_disjoint", &is_disjoint);
    if (!st && is_disjoint != r->is_disjoint)
        st = ward_fail(WARD_ERR_EXISTS, "'is_disjoint' differs there");
    return st;
}

static ward_status get_words(const json_t *object, const char *key, char *out, size_t size)
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    if (!st && strlen(text) >= size)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is too long", key);
    if (!st)
        snprintf(out, size, "%s", text);
    return st;
}

static ward_status get_bound(const json_t *object, double *out)
{
    const json_t *value = json_object_get(object, "bound");
    const char *text = json_string_value(value);

    if (json_is_null(value))
        *out = (double)NAN;
    else if (text && strcmp(text, "none") == 0)
        *out = INFINITY;
    else if (json_is_real(value) && json_real_value(value) > 0)
        *out = json_real_value(value);
    else
        return ward_fail(WARD_ERR_FORMAT, "'bound' is not what it should be");
    return WARD_OK;
}

static ward_status get_try(const json_t *object, ward_redteam_try *t)
{
    ward_status st;

    if (!json_is_object(object) || json_object_size(object) != 5)
        return ward_fail(WARD_ERR_FORMAT, "a try with other keys than it should have");
    st = get_words(object, "what", t->what, sizeof t->what);
    if (!st)
        st = json_get_fraction(object, "accuracy", &t->accuracy);
    if (!st)
        st = json_get_real(object, "merit", &t->merit);
    if (!st)
        st = get_bound(object, &t->bound);
    return st ? st : json_get_bool(object, "is_leaky", &t->is_leaky);
}

static ward_status get_tries(const json_t *object, ward_redteam_cell *c)
{
    const json_t *tries = json_object_get(object, "tries");
    size_t count = json_array_size(tries);
    ward_status st = WARD_OK;

    if (!json_is_array(tries) || count > WARD_REDTEAM_TRIES)
        return ward_fail(WARD_ERR_FORMAT, "'tries' is missing or too long");
    for (size_t i = 0; i < count && !st; i++)
        st = get_try(json_array_get(tries, i), &c->tries[i]);
    c->try_count = count;
    return st;
}

static ward_status get_knowledge(const json_t *object, ward_knowledge *out)
{
    const char *text;
    ward_status st = json_get_string(object, "knows", &text);

    for (int i = 0; i < KNOWLEDGE && !st; i++)
        if (strcmp(text, knowledge[i]) == 0) {
            *out = (ward_knowledge)i;
            return WARD_OK;
        }
    return st ? st : ward_fail(WARD_ERR_FORMAT, "'knows' is no knowledge: '%.32s'", text);
}

/* Which attack, by its name and knowledge. */
static ward_status get_attack(const json_t *object, ward_redteam_cell *c)
{
    const struct raid *raid;
    ward_status st = json_get_string(object, "attack", &c->attack);

    if (!st)
        st = get_knowledge(object, &c->knows);
    if (st)
        return st;
    raid = suite_raid_of(c);
    if (!raid)
        return ward_fail(WARD_ERR_FORMAT, "an attack that this build does not know: '%.32s'",
                         c->attack);
    c->attack = raid->name;
    c->id = raid->id;
    return json_match_string(object, "id", raid->id);
}

static ward_status get_cell(const json_t *object, ward_redteam_cell *c)
{
    bool has_commit = json_object_get(object, "commit") != NULL; /* not of earlier builds */
    ward_status st;

    if (!json_is_object(object) || json_object_size(object) != (has_commit ? 12 : 11))
        return ward_fail(WARD_ERR_FORMAT, "a cell with other keys than it should have");
    st = get_attack(object, c);
    if (!st)
        st = json_get_u64(object, "amount", max_whole, &c->amount);
    if (!st)
        st = json_get_u64(object, "trial", MAX_TRIALS - 1, &c->trial);
    if (!st)
        st = json_get_fraction(object, "accuracy", &c->accuracy);
    if (!st)
        st = json_get_fraction(object, "choice", &c->choice);
    if (!st)
        st = json_get_real(object, "seconds", &c->seconds);
    if (!st)
        st = json_get_u64(object, "images", max_whole, &c->images);
    if (!st && has_commit)
        st = get_words(object, "commit", c->commit, sizeof c->commit);
    if (!st)
        st = get_words(object, "chosen", c->chosen, sizeof c->chosen);
    if (!st)
        st = get_tries(object, c);
    c->is_done = true;
    return st;
}

static ward_status take_cell(ward_redteam_result *r, const ward_redteam_cell *cell)
{
    ward_status st;

    for (size_t i = 0; i < r->cell_count; i++) {
        ward_redteam_cell *c = &r->cells[i];

        if (c->attack != cell->attack || c->knows != cell->knows || c->amount != cell->amount ||
            c->trial != cell->trial)
            continue;
        if (c->is_done)
            return ward_fail(WARD_ERR_FORMAT, "a cell is there twice");
        *c = *cell;
        return WARD_OK;
    }
    st = mem_resize(&r->cells, r->cell_count, r->cell_count + 1, sizeof *r->cells);
    if (!st)
        r->cells[r->cell_count++] = *cell;
    return st;
}

static ward_status get_cells(const json_t *object, ward_redteam_result *r)
{
    const json_t *array = json_object_get(object, "attacks");
    size_t count = json_array_size(array);
    ward_status st = WARD_OK;

    if (!json_is_array(array) || count > MAX_CELLS)
        return ward_fail(WARD_ERR_FORMAT, "'attacks' is missing or too long");
    for (size_t i = 0; i < count && !st; i++) {
        ward_redteam_cell cell = {.attack = NULL};

        st = get_cell(json_array_get(array, i), &cell);
        if (!st)
            st = take_cell(r, &cell);
    }
    return st;
}

static ward_status get_all(const json_t *object, ward_redteam_result *r,
                           const struct record_subject *subject, struct record_facts *facts)
{
    uint64_t version = 0;
    ward_status st = json_get_u64(object, "format_version", max_whole, &version);

    if (!st && version != FORMAT_VERSION)
        st = ward_fail(WARD_ERR_FORMAT, "a version that this build cannot read");
    if (!st)
        st = match_subject(object, r, subject);
    if (!st)
        st = json_get_fraction_or_null(object, "authorised", &facts->authorised);
    if (!st)
        st = json_get_fraction_or_null(object, "unauthorised", &facts->unauthorised);
    if (!st)
        st = json_get_fraction(object, "zero_gradients", &facts->zero_gradients);
    return st ? st : get_cells(object, r);
}

ward_status record_from_json(ward_redteam_result *result, const struct record_subject *subject,
                             struct record_facts *facts, const char *text, size_t len)
{
    struct record_facts made = *facts;
    json_t *object = NULL;
    ward_status st = json_parse_object(&object, text, len);

    if (!st)
        st = get_all(object, result, subject, &made);
    if (!st)
        *facts = made;
    json_decref(object);
    return st;
}
