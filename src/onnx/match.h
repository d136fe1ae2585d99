/*
 * What recognising a network (match.c) and its layers (layers.c, shortcut.c) have in common. All of
 * it reads untrusted files; every status is WARD_ERR_FORMAT with what is wrong, or WARD_ERR_NOMEM.
 */
#ifndef ONNX_MATCH_H
#define ONNX_MATCH_H

#include "compute/graph.h"
#include "nn/net.h"
#include "onnx/file.h"

/* A value of the file: its name, and the place of the node that gives it. */
struct value {
    struct onnx_text name; /* none: not yet known */
    size_t node;           /* ONNX_NO_NODE: the input */
};

struct match {
    const struct onnx_file *file;
    const struct net_spec *spec;
    const struct graph *graph;
    struct value *values;  /* of each node of the graph */
    struct tensor *params; /* of each parameter of the graph, in its order */
};

/* The node that gives a value; NULL for the input. */
const struct onnx_node *match_node_of(const struct match *m, const struct value *v);

/* The value of that name as a node at `limit` sees it, before what is passed over. */
WARD_CHECK ward_status match_value_find(const struct match *m, struct onnx_text name, size_t limit,
                                        bool may_reshape, struct value *out);
/* Node i of the graph has value v in the file; another node may have said so already. */
WARD_CHECK ward_status match_value_set(struct match *m, int i, const struct value *v);
/* Input k of graph node i is the which-th input of the node that gives `at`. */
WARD_CHECK ward_status match_input_set(struct match *m, size_t i, size_t k, const struct value *at,
                                       size_t which);

/* WARD_ERR_FORMAT: the node is not what the network has there. */
ward_status match_refuse(const struct match *m, const struct onnx_node *node, const char *fault);
/* The value is given by an operator of that name. */
WARD_CHECK ward_status match_expect_op(const struct match *m, const struct value *v,
                                       const char *op);
/* An attribute, if it is there or needed, is count times the same number. */
WARD_CHECK ward_status match_expect_ints(const struct match *m, const struct onnx_node *node,
                                         const char *name, size_t count, size_t wanted,
                                         bool is_needed);
/* An attribute, `standard` if it is not there, is `wanted`. */
WARD_CHECK ward_status match_expect_int(const struct match *m, const struct onnx_node *node,
                                        const char *name, int64_t standard, int64_t wanted);

/* Node i of the graph, an operator of that kind, is what gives v in the file: take its parameters,
 * and say which values its inputs are. */
WARD_CHECK ward_status match_conv(struct match *m, size_t i, const struct value *v);
WARD_CHECK ward_status match_batch_norm(struct match *m, size_t i, const struct value *v);
WARD_CHECK ward_status match_max_pool(struct match *m, size_t i, const struct value *v);
WARD_CHECK ward_status match_global_pool(struct match *m, size_t i, const struct value *v);
WARD_CHECK ward_status match_dense(struct match *m, size_t i, const struct value *v);
WARD_CHECK ward_status match_shortcut(struct match *m, size_t i, const struct value *v);

#endif
