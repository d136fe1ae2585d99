/*
 * Handing networks to other software and taking them from it, as ONNX files. The network F of a run
 * is public; the transform G is secret, alone or joined with F.
 */
#ifndef WARD_ONNX_H
#define WARD_ONNX_H

#include <stdbool.h>

#include "ward/data.h"
#include "ward/method.h"
#include "ward/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a file computes, from "input", float32 [N, channels, height, width] with any N. */
typedef enum ward_onnx_part {
    WARD_ONNX_NETWORK,   /* "logits" = F(input), [N, classes]; public */
    WARD_ONNX_TRANSFORM, /* "processed" = G(input), shaped as the input; secret */
    WARD_ONNX_JOINED     /* "logits" = F(G(input)); secret, as G can be read out of it */
} ward_onnx_part;

typedef struct ward_onnx_options {
    ward_onnx_part part;
    bool is_folded; /* batch norm is folded into the convolutions: smaller and faster, but no longer
                       the same weights */
    bool replaces;  /* overwrite what is there */
} ward_onnx_options;

/*
 * Write an ONNX file (opset 13). Its metadata says of which model it is, that this is a protected
 * one, and what its input has to be: docs/formats.md, section 9. Secret parts get mode 0600.
 *
 *   run, path, options  borrowed
 *
 * WARD_ERR_ARG if the part needs G and the run has none; WARD_ERR_EXISTS, WARD_ERR_IO,
 * WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_onnx_export(const ward_run *run, const char *path,
                                                 const ward_onnx_options *options);

/* What was found in an imported file. */
typedef struct ward_onnx_found {
    ward_method method; /* by which the network says it is protected, for processed images only;
                           WARD_METHOD_BASELINE if it does not say so */
    bool is_folded;     /* batch norm was folded away: a training from here calibrates it first */
} ward_onnx_found;

/*
 * Read a network of one of our architectures, exported from here or by PyTorch (opset 11 or later),
 * and write it as a run of method baseline, to be evaluated or to be protected by training on:
 * ward_train_config.from.
 *
 *   path   borrowed; untrusted
 *   out    the run directory; created
 *   data   what it was trained on, for the classes' names and the range of the input; borrowed.
 *          NULL: as the file's metadata says, which files of other software do not have
 *   found  may be NULL; written only on success
 *
 * WARD_ERR_FORMAT says what the file has that is not in our networks, such as an unknown operator;
 * WARD_ERR_ARG if data has other images or classes, or is NULL and the metadata do not say;
 * WARD_ERR_EXISTS if out holds a run and `replaces` is false; WARD_ERR_BUSY if a process trains
 * there; WARD_ERR_IO, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_onnx_import(const char *path, const char *out,
                                                 const ward_dataset *data, bool replaces,
                                                 ward_onnx_found *found);

#ifdef __cplusplus
}
#endif
#endif
