/*
 * The bodies of the Open Inference Protocol, version 2, with its binary tensor extension: what a
 * request asks for, and what is answered. No network, no model.
 */
#ifndef SERVE_INFER_H
#define SERVE_INFER_H

#include "base/bytes.h"
#include "serve/reader.h"

/* The tensors that a model may answer with, as bits. */
enum infer_output {
    INFER_CLASS = 1,    /* "class", INT64 [n]: the most probable one */
    INFER_LABEL = 2,    /* "label", BYTES [n]: its name */
    INFER_SCORES = 4,   /* "scores", FP32 [n, classes]: probabilities */
    INFER_PROCESSED = 8 /* "processed", FP32 [n, channels, height, width]: x_p */
};

/* What a model takes and gives. */
struct infer_model {
    const char *name, *version; /* borrowed, as are the names below */
    size_t channels, height, width;
    float low, high; /* of input values */
    size_t classes;
    const char *const *class_names;
    unsigned outputs;  /* of infer_output */
    size_t images_max; /* in a request */
    bool is_baseline;  /* there is no G, for nobody */
};

struct infer_request {
    struct span id; /* as it stands in the request; text NULL: none */
    size_t count;   /* images */
    /* [count, channels, height, width] f32, of any alignment; borrowed from the body or from
     * `values`. */
    const uint8_t *raw;
    float *values;    /* owned; NULL if the tensor came in binary */
    unsigned outputs; /* wanted */
    unsigned binary;  /* those of them that are wanted in binary */
};

/*
 * Parse a request. Values outside the model's range, NaN among them, are refused, so that no
 * request can spoil a batch that it shares with others.
 *
 *   json_len  bytes of JSON that the body starts with (all of it without binary tensors)
 *   out       released with infer_release(), also after a failure
 *
 * WARD_ERR_FORMAT, with a message that is fit for the client; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status infer_parse(const uint8_t *body, size_t len, size_t json_len,
                                   const struct infer_model *model, struct infer_request *out);
void infer_release(struct infer_request *request);

/*
 * Write the answer: JSON, then binary tensors. json_len gets the length of the JSON; it is that of
 * all if nothing is binary.
 *
 *   values  [count, classes] probabilities, or [count, image] for INFER_PROCESSED
 */
void infer_answer(const struct infer_model *model, const struct infer_request *request,
                  const float *values, struct wr *out, size_t *json_len);

/* {"error": text}. */
void infer_write_error(struct wr *out, const char *text);
/* A model's metadata; parameters tell ward's own client the range and the names of classes. */
void infer_write_metadata(const struct infer_model *model, const char *model_id, struct wr *out);
void infer_write_server(const char *version, const char *model, struct wr *out);

/* The first of the largest. */
size_t infer_best(const float *values, size_t count);

#endif
