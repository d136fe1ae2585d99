/*
 * Bodies of inference requests. The first two bytes say how long the JSON is (as the header
 * Inference-Header-Content-Length does; 65535: there is no such header); what is understood is
 * answered.
 */
#include <assert.h>

#include "base/mem.h"
#include "serve/infer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void answer(const struct infer_model *model, const struct infer_request *request)
{
    static const float values[4 * 4];
    struct wr out = WR_INIT;
    size_t json_len;

    infer_answer(model, request, values, &out, &json_len);
    assert(out.status || json_len <= out.len);
    wr_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"left", "\"right\"\n"};
    struct infer_model model = {.name = "m",
                                .version = "1",
                                .channels = 1,
                                .height = 2,
                                .width = 2,
                                .low = -1,
                                .high = 1,
                                .classes = 2,
                                .class_names = names,
                                .outputs = INFER_CLASS | INFER_LABEL | INFER_SCORES,
                                .images_max = 4};
    struct infer_request request;
    size_t json_len;

    if (len < 2)
        return 0;
    json_len = (size_t)data[0] | (size_t)data[1] << 8;
    data += 2;
    len -= 2;
    if (json_len == 65535)
        json_len = len;
    for (int i = 0; i < 2; i++) {
        if (infer_parse(data, len, json_len, &model, &request) == WARD_OK)
            answer(&model, &request);
        infer_release(&request);
        model.outputs = INFER_PROCESSED;
    }
    return 0;
}
