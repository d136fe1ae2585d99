/* The public model file, down to the check of its digest. */
#include "base/json.h"
#include "model/model.h"
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tensor_list tensors = {NULL, 0};
    struct model model = {.data = NULL};
    json_t *metadata = NULL;

    if (safetensors_parse(&tensors, &metadata, data, len) == WARD_OK) {
        json_decref(metadata);
        tensor_list_release(&tensors);
    }
    if (model_parse(data, len, &model) == WARD_OK)
        model_release(&model);
    return 0;
}
