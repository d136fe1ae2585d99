/* See gemm.h. */
#include "compute/onednn/gemm.h"

#include <oneapi/dnnl/dnnl.h>

#include "base/signals.h"

ward_status dnn_gemm(size_t n, const float *a, const float *b, float *c)
{
    dnnl_dim_t len = (dnnl_dim_t)n;
    dnnl_status_t status;
    sigset_t before;

    signals_block(&before);
    status = dnnl_sgemm('N', 'N', len, len, len, 1, a, len, b, len, 0, c, len);
    signals_restore(&before);
    if (status == dnnl_out_of_memory)
        return ward_fail(WARD_ERR_NOMEM, "out of memory in oneDNN: multiply matrices");
    return status ? ward_fail(WARD_ERR_DEVICE, "oneDNN cannot multiply matrices (status %d)",
                              (int)status)
                  : WARD_OK;
}
