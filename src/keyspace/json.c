/* A survey as JSON: docs/formats.md. */
#include "base/json.h"
#include "keyspace/survey.h"

static json_t *accuracies(const double *values, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_real(values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *keys(const ward_keyspace_keys *k, const double *values)
{
    const struct json_member members[] = {
        {"keys", json_integer((json_int_t)k->count)},
        {"mean", json_real(k->mean)},
        {"sd", json_real_or_null(k->sd)},
        {"best", json_real(k->best)},
        {"best_ci95", json_interval_or_null(k->best, k->best_ci.low, k->best_ci.high)},
        {"unlocks", json_integer((json_int_t)k->unlocks)},
        {"bound", json_real(k->bound)},
        {"accuracies", accuracies(values, k->count)},
    };

    return JSON_OBJECT_OF(members);
}

static json_t *one_bit(const struct survey *s, const ward_keyspace_result *r)
{
    json_t *object = keys(&r->one_bit, survey_one_bit(s));

    if (object &&
        (json_object_set_new(object, "p", json_real(r->one_bit_p)) != 0 ||
         json_object_set_new(object, "unlocks_p", json_real(r->one_bit_unlocks_p)) != 0)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *partial(const struct survey *s, const ward_keyspace_result *r)
{
    json_t *array = json_array();

    for (size_t i = 0; i < WARD_KEYSPACE_SHARES; i++) {
        json_t *object = keys(&r->partial[i], survey_partial(s, i));

        if (!object || json_object_set_new(object, "share", json_real(r->share[i])) != 0 ||
            json_array_append(array, object) != 0) {
            json_decref(object);
            json_decref(array);
            return NULL;
        }
        json_decref(object);
    }
    return array;
}

ward_status survey_to_json(const struct survey *s, const ward_keyspace_result *r, char **out)
{
    const struct model *model = &s->run->model;
    const struct json_member members[] = {
        {"format_version", json_integer(1)},
        {"model_id", json_string(model->id)},
        {"method", json_string(ward_method_name(model->method))},
        {"arch", json_string(model->net.spec.arch)},
        {"data", json_string(ward_dataset_get_info(s->data)->name)},
        {"split", json_string("test")},
        {"count", json_integer((json_int_t)r->count)},
        {"seed", json_integer((json_int_t)r->seed)},
        {"is_reproducible", json_boolean(s->run->owner.is_reproducible)},
        {"chance", json_real(r->chance)},
        {"threshold", json_real(r->threshold)},
        {"authorised", json_real(r->authorised)},
        {"authorised_ci95",
         json_interval_or_null(r->authorised, r->authorised_ci.low, r->authorised_ci.high)},
        {"random", keys(&r->random, survey_random(s))},
        {"one_bit", one_bit(s, r)},
        {"partial", partial(s, r)},
    };
    json_t *object = JSON_OBJECT_OF(members);
    ward_status st =
        object ? json_to_text(object, 0, out) : ward_fail(WARD_ERR_NOMEM, "out of memory");

    json_decref(object);
    return st;
}
