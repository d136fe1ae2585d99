/*
 * What computes the answers of a server. A protected run is computed by two processes of their own
 * (guard/guard.h), and this process never holds its G. A baseline has nothing to guard and is
 * computed here, as are the answers F(x_r) to those without a token.
 */
#ifndef SERVE_BACKEND_H
#define SERVE_BACKEND_H

#include "serve/infer.h"
#include "ward/serve.h"

enum backend_pass {
    BACKEND_RAW,        /* probabilities by F(x) */
    BACKEND_AUTHORISED, /* probabilities by F(G(x)), or F(x) of a baseline */
    BACKEND_TRANSFORM   /* G(x) */
};

struct backend;

/*
 * *model gets what the run takes and gives but its name; it is valid as long as the backend. Owned:
 * backend_free(). WARD_ERR_ARG if the run cannot be served as the config says.
 */
WARD_CHECK ward_status backend_new(struct backend **out, const ward_server_config *config,
                                   struct infer_model *model);
void backend_free(struct backend *backend);
/* Valid as long as the backend. */
const char *backend_model_id(const struct backend *backend);
/* Whether it can still answer. Any thread. */
bool backend_is_well(struct backend *backend);
/*
 * n images [n, c, h, w], n at most config->batch; y gets what the pass gives. Any thread; waits.
 * WARD_ERR_NUMERIC if a result is not finite, WARD_ERR_DEVICE if the backend is broken for good.
 */
WARD_CHECK ward_status backend_run(struct backend *backend, enum backend_pass pass, size_t n,
                                   const float *x, float *y);

#endif
