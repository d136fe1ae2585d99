/* The network that a training goes on from, if any: ward_train_config.from. */
#ifndef TRAIN_ORIGIN_H
#define TRAIN_ORIGIN_H

#include "base/sha256.h"
#include "model/model.h"

enum { ORIGIN_DIGEST_LEN = 2 * SHA256_LEN };

/*
 * Read an ONNX file, a model.safetensors, or the one in a run directory.
 *
 *   model   all zero; model_release(). Of an ONNX file there is only the network: `data` is NULL
 *   digest  receives that of the file, in hex
 *
 * WARD_ERR_IO, WARD_ERR_FORMAT with the file's name, WARD_ERR_NOMEM; nothing written.
 */
WARD_CHECK ward_status origin_read(const char *path, struct model *model,
                                   char digest[ORIGIN_DIGEST_LEN + 1]);

#endif
