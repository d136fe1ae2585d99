/*
 * The reader of ONNX files: taking them apart, the calculations they may have, and recognising a
 * network. A whole network is too large to be found by chance, so each step is tried by itself.
 */
#include "onnx/file.h"
#include "onnx/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look_at_node(const struct onnx_file *file, size_t at)
{
    struct onnx_ints ints;
    struct onnx_tensor tensor;
    struct onnx_text text;
    int64_t number;
    float real;

    for (size_t i = 0; i < 3; i++) {
        struct onnx_text input = onnx_node_input(&file->nodes[at], i);

        if (onnx_ints(file, input, at, &ints) || onnx_constant(file, input, at, &tensor))
            continue;
    }
    if (onnx_attribute_ints(&file->nodes[at], "pads", &ints) ||
        onnx_attribute_int(&file->nodes[at], "axis", &number) ||
        onnx_attribute_float(&file->nodes[at], "epsilon", &real) ||
        onnx_attribute_text(&file->nodes[at], "mode", &text))
        return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct onnx_file file = {.notes = NULL};
    struct net net = {.params = {NULL, 0}};

    if (onnx_file_parse(&file, data, len))
        return 0;
    for (size_t i = 0; i < file.node_count && i < 64; i++)
        look_at_node(&file, i);
    if (onnx_net_match(&file, &net) == WARD_OK)
        net_release(&net);
    onnx_file_release(&file);
    return 0;
}
