/*
 * What F and G are, to and from JSON: the parts that the files of a run share. Objects from files
 * are untrusted; WARD_ERR_FORMAT says what is wrong with them.
 */
#ifndef MODEL_SPEC_H
#define MODEL_SPEC_H

#include "base/json.h"
#include "nn/net.h"
#include "protect/transform.h"

/* The limits of docs/formats.md, which keep shape arithmetic far from overflow. */
WARD_CHECK ward_status spec_shape_check(size_t channels, size_t height, size_t width);
/* spec->arch = arch; only the length is checked. */
WARD_CHECK ward_status spec_set_arch(struct net_spec *spec, const char *arch);

/* Objects made are owned: json_decref(). */
WARD_CHECK ward_status net_spec_to_json(const struct net_spec *spec, json_t **out);
WARD_CHECK ward_status net_spec_from_json(const json_t *json, struct net_spec *out);
WARD_CHECK ward_status transform_spec_to_json(const struct transform_spec *spec, json_t **out);
/* Also checked by transform_check(). */
WARD_CHECK ward_status transform_spec_from_json(const json_t *json, struct transform_spec *out);

/* The graph of G on one image, in an initialised, empty g: its parameters are those of every
 * transform of that spec, trainable as in training. */
WARD_CHECK ward_status spec_transform_graph(struct graph *g, const struct transform_spec *spec);

#endif
