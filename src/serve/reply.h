/*
 * What a server's answers say, as the client reads them. A server may be anybody's: counts and
 * sizes are bounded, and messages are without its address.
 */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include "base/json.h"
#include "ward/serve.h"

/* The model that a server has. */
struct remote_model {
    ward_remote_info info; /* class_names is owned, the texts are the metadata's */
    size_t images_max;     /* that a request may have, at least 1 */
};

/* From its metadata (Open Inference Protocol), kept. model is all zero. WARD_ERR_FORMAT,
 * WARD_ERR_NOMEM. */
WARD_CHECK ward_status reply_model(const json_t *metadata, struct remote_model *model);
/* All zero is fine. */
void remote_model_release(struct remote_model *model);

/* Whether the JSON of an answer announces these outputs, up to the first NULL, in this order and of
 * so many bytes each. */
bool reply_announces(const json_t *answer, const char *const *names, const size_t *lens);

#endif
