/*
 * ONNX, the format that other software runs networks from: graphs written as models, and models
 * that are one of our networks read back. docs/formats.md, section 9, says what a file has.
 *
 * Of runs and their files nothing is known here; exchange/ joins the two.
 */
#ifndef ONNX_ONNX_H
#define ONNX_ONNX_H

#include "base/bytes.h"
#include "base/json.h"
#include "nn/net.h"

enum {
    ONNX_OPSET = 13, /* what is written */
    ONNX_OPSET_FIRST = 11,
    ONNX_OPSET_LAST = 26,   /* what is read */
    ONNX_MAX_FILE = 1 << 30 /* bytes */
};

/* A function of images, to be written as a model. All is borrowed. */
struct onnx_source {
    const char *name;          /* of the graph */
    const struct graph *graph; /* one input, for one image; no losses */
    int result;                /* the node whose value the model gives */
    const char *result_name;
    const struct tensor_list *const *params; /* lists that have the graph's parameters */
    size_t param_lists;
    bool is_folded; /* batch norm goes into the convolution before it */
    const char *description;
    const json_t *notes; /* an object of strings: the metadata */
};

/*
 * Append the bytes of a model whose input is "input", [N, c, h, w] with N left open. Secret if the
 * parameters are. WARD_ERR_ARG for an operator that a model cannot have; WARD_ERR_FORMAT if a
 * parameter is in no list; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status onnx_write(struct wr *out, const struct onnx_source *source);

struct onnx_file;

/*
 * Read a model that computes one of our networks (nn/net.h), whoever wrote it.
 *
 *   net  all zero; receives what it is, with parameters in the order of its graph; owned. Batch
 *        norm that the file has folded away is neutral: see nn/calibrate.h
 *
 * WARD_ERR_FORMAT with the fault (the caller adds the file's name), nothing written: damage, an
 * operator of another kind, a network of another make, values that are not finite float32.
 */
WARD_CHECK ward_status onnx_net_parse(const uint8_t *data, size_t len, struct net *net);
/* The same of a file that is taken apart already (onnx/file.h). */
WARD_CHECK ward_status onnx_net_match(const struct onnx_file *file, struct net *net);

#endif
