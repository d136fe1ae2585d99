/*
 * An ONNX file taken apart: its nodes, constants, input, output and metadata, not yet understood as
 * a network. Everything points into the bytes of the file, which are untrusted and must outlive it.
 */
#ifndef ONNX_FILE_H
#define ONNX_FILE_H

#include "base/json.h"
#include "onnx/proto.h"
#include "tensor/tensor.h"

enum { ONNX_MAX_NODES = 16384, ONNX_MAX_TENSORS = 16384, ONNX_SHOWN = 64, ONNX_MAX_INTS = 16 };

/* Not ended by NUL; len 0 for none. */
struct onnx_text {
    const char *data;
    size_t len;
};

bool onnx_text_is(struct onnx_text text, const char *wanted);
bool onnx_text_equal(struct onnx_text a, struct onnx_text b);
/* Its beginning in printable ASCII, for a message; returns shown. */
const char *onnx_text_show(struct onnx_text text, char shown[ONNX_SHOWN]);

struct onnx_node {
    struct onnx_text op;     /* "Conv" */
    struct onnx_text domain; /* of the operator; none for ONNX's own */
    struct onnx_text name;
    struct onnx_text output; /* the first value it gives; its others are not used here */
    const uint8_t *data;     /* the message */
    size_t len;
};

struct onnx_tensor {
    struct onnx_text name;
    struct shape shape; /* dimensions may be 0 */
    uint64_t type;      /* enum of ONNX: 1 float, 7 int64 */
    bool is_packed;     /* data is a list of varints, not of little-endian values */
    const uint8_t *data;
    size_t len;
};

struct onnx_file {
    struct onnx_node *nodes; /* in an order in which they can be computed; owned */
    size_t node_count;
    struct onnx_tensor *tensors; /* owned */
    size_t tensor_count;
    struct onnx_text input, output;
    size_t channels, height, width; /* of the input */
    json_t *notes;                  /* the metadata, an object of strings; owned */
};

/* WARD_ERR_FORMAT says what is wrong; file is all zero then. */
WARD_CHECK ward_status onnx_file_parse(struct onnx_file *file, const uint8_t *data, size_t len);
void onnx_file_release(struct onnx_file *file);

/* The i-th input of a node; none if it has fewer, or leaves that one out. */
struct onnx_text onnx_node_input(const struct onnx_node *node, size_t i);

/*
 * The place of the node that gives a value, of those before node `limit`; ONNX_NO_NODE if none
 * does. Looking only before the node that takes the value ends every walk.
 */
#define ONNX_NO_NODE SIZE_MAX
size_t onnx_producer(const struct onnx_file *file, struct onnx_text value, size_t limit);

/*
 * An attribute. The out-value stays as it is if the node does not have it; WARD_ERR_FORMAT if it
 * is of another kind.
 */
WARD_CHECK ward_status onnx_attribute_int(const struct onnx_node *node, const char *name,
                                          int64_t *out);
WARD_CHECK ward_status onnx_attribute_float(const struct onnx_node *node, const char *name,
                                            float *out);
WARD_CHECK ward_status onnx_attribute_text(const struct onnx_node *node, const char *name,
                                           struct onnx_text *out);

/* A few whole numbers, row-major; rank 0 to 2. */
struct onnx_ints {
    struct shape shape;
    size_t count;
    int64_t value[ONNX_MAX_INTS];
};

WARD_CHECK ward_status onnx_attribute_ints(const struct onnx_node *node, const char *name,
                                           struct onnx_ints *out);
/* This one has to be there. */
WARD_CHECK ward_status onnx_attribute_tensor(const struct onnx_node *node, const char *name,
                                             struct onnx_tensor *out);

/* A constant by its name, be it an initializer or what a node Constant gives. WARD_ERR_FORMAT if
 * it is none. */
WARD_CHECK ward_status onnx_constant(const struct onnx_file *file, struct onnx_text value,
                                     size_t limit, struct onnx_tensor *out);

/*
 * Whole numbers that the file gives or computes from such: exporters write the amounts of a Pad as
 * a small calculation. WARD_ERR_FORMAT names what is not understood.
 */
WARD_CHECK ward_status onnx_ints(const struct onnx_file *file, struct onnx_text value, size_t limit,
                                 struct onnx_ints *out);

#endif
