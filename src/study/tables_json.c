/* Tables as JSON: docs/formats.md, section 8. */
#include <math.h>

#include "base/mem.h"
#include "study/tables.h"

enum { FORMAT_VERSION = 1 };

static json_t *count(size_t value)
{
    return json_integer((json_int_t)value);
}

/* 0: as the recipe or the paper has it. */
static json_t *shortened(uint64_t value)
{
    return value ? json_integer((json_int_t)value) : json_null();
}

/* An array of objects: NULL if out of memory, which json_set() reports. */
static json_t *append(json_t *array, json_t *object)
{
    if (!array || !object || json_array_append(array, object)) {
        json_decref(array);
        array = NULL;
    }
    json_decref(object);
    return array;
}

static json_t *number_object(const struct study_number *number)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "mean", json_real_or_null(number->mean), "sd",
                     json_real_or_null(number->sd), "paper", json_real_or_null(number->paper),
                     "difference", json_real_or_null(study_difference(number)));
}

static json_t *run_names(const struct study *study, const struct study_cell *cell)
{
    json_t *names = json_array();

    for (size_t i = 0; i < study->run_count; i++)
        if (study->runs[i].network == cell->network && study->runs[i].method == cell->method &&
            study->runs[i].is_evaluated)
            names = append(names, json_string(study->runs[i].name));
    return names;
}

static json_t *table2(const struct study *study)
{
    const struct study_network *network;
    json_t *array = json_array();

    for (size_t i = 0; (network = study_network(i)); i++)
        for (int m = 0; m < STUDY_METHODS; m++) {
            struct study_cell cell = study_cell_of(study, network, (ward_method)m);
            bool is_baseline = m == WARD_METHOD_BASELINE;

            array = append(
                array, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "data", network->data,
                                 "arch", network->arch, "method", ward_method_name(cell.method),
                                 "seeds", count(cell.n), "seeds_wanted", count(cell.wanted), "runs",
                                 run_names(study, &cell), "authorised",
                                 number_object(&cell.authorised), "unauthorised",
                                 is_baseline ? json_null() : number_object(&cell.unauthorised)));
        }
    return array;
}

static json_t *table3(const struct study *study)
{
    json_t *array = json_array();

    for (size_t i = 0; i < study->trials_count; i++) {
        struct study_row row = study_row_of(&study->attacks[i]);
        const struct study_trials *t = row.trials;

        array = append(array,
                       json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
                                 "attack", t->attack->attack, "pairs",
                                 t->attack->pairs > 0 ? json_real(t->attack->pairs) : json_null(),
                                 "method", ward_method_name(t->run->method), "run", t->run->name,
                                 "trials", count(row.n), "trials_wanted", count((size_t)t->wanted),
                                 "accuracy", number_object(&row.accuracy), "best",
                                 json_real_or_null(row.best), "paper_best",
                                 json_real_or_null(row.paper_best), "chosen",
                                 json_real_or_null(row.chosen), "needs_explanation", row.is_far));
    }
    return array;
}

static json_t *figure2(const struct study *study)
{
    json_t *array = json_array();

    for (size_t i = 0; i < study->figure_count; i++) {
        const struct study_figure *f = &study->figures[i];

        for (int j = 0; j < STUDY_PROTECTED; j++)
            array = append(array,
                           json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "figure", f->name, "data",
                                     f->network->data, "arch", f->network->arch, "method",
                                     ward_method_name(f->runs[j]->method), "rms",
                                     json_real_or_null(f->is_done ? f->rms[j] : (double)NAN), "max",
                                     json_real_or_null(f->is_done ? f->max[j] : (double)NAN)));
    }
    return array;
}

static json_t *bars(const struct study *study)
{
    struct study_bar all[STUDY_BARS];
    json_t *array = json_array();

    study_bars(study, all);
    for (int i = 0; i < STUDY_BARS; i++) {
        enum study_verdict verdict = study_bar_verdict(&all[i]);

        array = append(
            array,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "bar", all[i].text, "holds",
                      verdict == STUDY_UNKNOWN ? json_null() : json_boolean(verdict == STUDY_HOLDS),
                      "numbers", count(all[i].count), "measured", count(all[i].known), "held",
                      count(all[i].held), "nearest",
                      all[i].known ? json_string(all[i].where) : json_null(), "slack",
                      json_real_or_null(all[i].slack)));
    }
    return array;
}

ward_status tables_json(const struct study *study, int indent, char **out)
{
    const struct json_member members[] = {
        {"format_version", json_integer(FORMAT_VERSION)},
        {"recipe", json_string(study->recipe)},
        {"is_shortened", json_boolean(study_is_shortened(study))},
        {"iterations", shortened(study->iterations)},
        {"trials", shortened(study->trials)},
        {"is_reproducible", json_true()},
        {"table2", table2(study)},
        {"table3", table3(study)},
        {"figure2", figure2(study)},
        {"bars", bars(study)},
    };
    json_t *object = JSON_OBJECT_OF(members);
    ward_status st;

    if (!object)
        return ward_fail(WARD_ERR_NOMEM, "cannot write the tables: out of memory");
    st = json_to_text(object, indent, out);
    json_decref(object);
    return st;
}
