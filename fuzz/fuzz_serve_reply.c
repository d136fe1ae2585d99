/* A server's answers as the client reads them: the model's metadata, and what outputs there are. */
#include <stdlib.h>

#include "serve/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_model(const json_t *metadata)
{
    struct remote_model model = {.images_max = 0};
    const ward_remote_info *info = &model.info;

    if (reply_model(metadata, &model) == WARD_OK &&
        (info->classes == 0 || info->channels * info->height * info->width == 0 ||
         !(info->low < info->high) || model.images_max == 0))
        abort();
    remote_model_release(&model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"class", "scores", NULL};
    static const size_t lens[] = {16, 80};
    json_t *object = NULL;

    if (json_parse_object(&object, (const char *)data, len) == WARD_OK) {
        read_model(object);
        (void)reply_announces(object, names, lens);
    }
    json_decref(object);
    return 0;
}
