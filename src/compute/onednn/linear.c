/* See linear.h. Each pass is a primitive with its arguments; weights in another layout than the
 * forward pass's (oneDNN wants those of convolutions transposed for backward data) are reordered
 * before it. */
#include "compute/onednn/linear.h"

#include <stdint.h>
#include <stdio.h>

#include <oneapi/dnnl/dnnl.h>

#include "base/mem.h"
#include "base/signals.h"

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    size_t block;
    char summary[64];
};

enum { PASS_MAX_ARGS = 5 };

struct pass {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[PASS_MAX_ARGS];
    int arg_count;
    float *scratchpad; /* owned; wiped, for oneDNN leaves in it what it likes */
    size_t scratchpad_len;
    const char *implementation;
};

struct dnn_linear {
    struct dnn *dnn;
    struct dnn_linear_config config;
    dnnl_memory_desc_t plain, weights; /* of the weights: PyTorch's layout, the packed one */
    struct pass pass[DNN_PASS_COUNT];
    /* The packed weights in the layout of backward data, or of the gradient of weights. */
    dnnl_primitive_t turn_data, turn_weights;
    dnnl_exec_arg_t turn_data_args[2], turn_weights_args[2];
    float *turned_data, *turned_weights;
};

static ward_status failed(const char *what, dnnl_status_t status)
{
    if (status == dnnl_out_of_memory)
        return ward_fail(WARD_ERR_NOMEM, "out of memory in oneDNN: %s", what);
    return ward_fail(WARD_ERR_DEVICE, "oneDNN cannot %s (status %d)", what, (int)status);
}

/* Sets are masks of bits: one may be the larger number and lack what the other has. */
static bool has_isa(dnnl_cpu_isa_t set)
{
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)set) == (unsigned)set;
}

static const char *isa_name(size_t *block)
{
    *block = has_isa(dnnl_cpu_isa_avx512_core) ? 16 : has_isa(dnnl_cpu_isa_avx2) ? 8 : 1;
    return *block == 16 ? "AVX-512" : *block == 8 ? "AVX2" : "SSE";
}

ward_status dnn_open(struct dnn **out)
{
    const dnnl_version_t *version = dnnl_version();
    struct dnn *dnn = NULL;
    dnnl_status_t status;
    ward_status st = mem_new(&dnn, 1, sizeof *dnn);

    if (st)
        return st;
    status = dnnl_engine_create(&dnn->engine, dnnl_cpu, 0);
    if (!status)
        status = dnnl_stream_create(&dnn->stream, dnn->engine, dnnl_stream_in_order);
    if (status) {
        dnn_close(dnn);
        return failed("open the processor", status);
    }
    snprintf(dnn->summary, sizeof dnn->summary, "oneDNN %d.%d.%d, %s", version->major,
             version->minor, version->patch, isa_name(&dnn->block));
    *out = dnn;
    return WARD_OK;
}

void dnn_close(struct dnn *dnn)
{
    if (!dnn)
        return;
    if (dnn->stream)
        dnnl_stream_destroy(dnn->stream);
    if (dnn->engine)
        dnnl_engine_destroy(dnn->engine);
    mem_free(dnn);
}

const char *dnn_describe(const struct dnn *dnn)
{
    return dnn->summary;
}

size_t dnn_block(const struct dnn *dnn)
{
    return dnn->block;
}

/* ---- memory descriptors ---- */

static dnnl_format_tag_t value_tag(size_t block)
{
    return block == 16 ? dnnl_nChw16c : block == 8 ? dnnl_nChw8c : dnnl_nchw;
}

static void value_dims(const struct dims *d, dnnl_dims_t out)
{
    out[0] = (dnnl_dim_t)d->n;
    out[1] = (dnnl_dim_t)d->c;
    out[2] = (dnnl_dim_t)d->h;
    out[3] = (dnnl_dim_t)d->w;
}

static dnnl_status_t value_md(dnnl_memory_desc_t *md, const struct dims *d, size_t block)
{
    dnnl_dims_t dims;

    value_dims(d, dims);
    return dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32, value_tag(block));
}

/* The output of a dense layer has no height and width to oneDNN. */
static dnnl_status_t out_md(dnnl_memory_desc_t *md, const struct dnn_linear_config *c)
{
    dnnl_dims_t dims;

    if (!c->is_dense)
        return value_md(md, &c->out, c->out_block);
    value_dims(&c->out, dims);
    return dnnl_memory_desc_init_by_tag(md, 2, dims, dnnl_f32, dnnl_nc);
}

static dnnl_status_t weights_md(dnnl_memory_desc_t *md, const struct dnn_linear_config *c,
                                dnnl_format_tag_t tag)
{
    dnnl_dims_t dims = {(dnnl_dim_t)c->out.c, (dnnl_dim_t)c->in.c,
                        (dnnl_dim_t)(c->is_dense ? c->in.h : c->kernel),
                        (dnnl_dim_t)(c->is_dense ? c->in.w : c->kernel)};

    return dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32, tag);
}

/* Of the packed weights. A dense layer's are rows, whatever oneDNN would rather have: it takes them
 * in all passes, and to turn a matrix round between passes costs as much as to multiply it. */
static dnnl_format_tag_t packed_tag(const struct dnn_linear_config *c)
{
    if (!c->is_dense)
        return dnnl_format_tag_any;
    return c->in_block == 16 ? dnnl_aBcd16b : c->in_block == 8 ? dnnl_aBcd8b : dnnl_oihw;
}

static dnnl_status_t bias_md(dnnl_memory_desc_t *md, const struct dnn_linear_config *c)
{
    dnnl_dims_t dims = {(dnnl_dim_t)c->out.c};

    return dnnl_memory_desc_init_by_tag(md, 1, dims, dnnl_f32, dnnl_x);
}

/* ---- creating the passes ---- */

union linear_desc {
    dnnl_convolution_desc_t conv;
    dnnl_inner_product_desc_t dense;
};

static dnnl_status_t pass_describe(union linear_desc *desc, const struct dnn_linear_config *c,
                                   enum dnn_pass pass)
{
    dnnl_memory_desc_t x, w, b, y;
    const dnnl_memory_desc_t *bias = c->has_bias ? &b : NULL;
    dnnl_dims_t strides = {(dnnl_dim_t)c->stride, (dnnl_dim_t)c->stride};
    dnnl_dims_t padding = {(dnnl_dim_t)c->padding, (dnnl_dim_t)c->padding};
    dnnl_dims_t after = {
        (dnnl_dim_t)((c->out.h - 1) * c->stride + c->kernel - c->in.h - c->padding),
        (dnnl_dim_t)((c->out.w - 1) * c->stride + c->kernel - c->in.w - c->padding)};
    dnnl_prop_kind_t kind = c->is_training ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_status_t status = value_md(&x, &c->in, c->in_block);

    if (!status)
        status = weights_md(&w, c, packed_tag(c));
    if (!status && c->like && pass == DNN_FORWARD)
        w = c->like->weights;
    if (!status)
        status = bias_md(&b, c);
    if (!status)
        status = out_md(&y, c);
    if (status)
        return status;
    if (c->is_dense) {
        if (pass == DNN_FORWARD)
            return dnnl_inner_product_forward_desc_init(&desc->dense, kind, &x, &w, bias, &y);
        if (pass == DNN_BACKWARD_DATA)
            return dnnl_inner_product_backward_data_desc_init(&desc->dense, &x, &w, &y);
        return dnnl_inner_product_backward_weights_desc_init(&desc->dense, &x, &w, bias, &y);
    }
    if (pass == DNN_FORWARD)
        return dnnl_convolution_forward_desc_init(&desc->conv, kind, dnnl_convolution_direct, &x,
                                                  &w, bias, &y, strides, padding, after);
    if (pass == DNN_BACKWARD_DATA)
        return dnnl_convolution_backward_data_desc_init(&desc->conv, dnnl_convolution_direct, &x,
                                                        &w, &y, strides, padding, after);
    return dnnl_convolution_backward_weights_desc_init(&desc->conv, dnnl_convolution_direct, &x, &w,
                                                       bias, &y, strides, padding, after);
}

static dnnl_status_t relu_attribute(dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&ops);

    if (!status)
        status = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
    if (!status)
        status = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return status;
}

static ward_status pass_create(struct dnn_linear *l, enum dnn_pass which)
{
    static const char *const names[DNN_PASS_COUNT] = {"forward", "backward data",
                                                      "backward weights"};
    const struct dnn_linear_config *c = &l->config;
    struct pass *pass = &l->pass[which];
    dnnl_primitive_attr_t attr = NULL;
    union linear_desc desc;
    dnnl_status_t status = pass_describe(&desc, c, which);

    if (!status)
        status = dnnl_primitive_attr_create(&attr);
    /* oneDNN's own scratchpad belongs to the thread that makes a primitive; another may run it. */
    if (!status)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!status && which == DNN_FORWARD && c->has_relu)
        status = relu_attribute(attr);
    if (!status)
        status =
            dnnl_primitive_desc_create(&pass->desc, &desc, attr, l->dnn->engine,
                                       which == DNN_FORWARD ? NULL : l->pass[DNN_FORWARD].desc);
    if (!status)
        status = dnnl_primitive_desc_query(pass->desc, dnnl_query_impl_info_str, 0,
                                           &pass->implementation);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (status)
        return failed(names[which], status);
    if (strstr(pass->implementation, "ref"))
        return ward_fail(WARD_ERR_DEVICE,
                         "oneDNN has only a reference implementation (%s) of the %s pass of a %s "
                         "with %zu to %zu channels",
                         pass->implementation, names[which],
                         c->is_dense ? "dense layer" : "convolution", c->in.c, c->out.c);
    status = dnnl_primitive_create(&pass->primitive, pass->desc);
    return status ? failed(names[which], status) : WARD_OK;
}

ward_status dnn_linear_new(struct dnn_linear **out, struct dnn *dnn,
                           const struct dnn_linear_config *config)
{
    struct dnn_linear *l = NULL;
    dnnl_status_t status;
    ward_status st = mem_new(&l, 1, sizeof *l);

    if (st)
        return st;
    l->dnn = dnn;
    l->config = *config;
    l->config.has_pass[DNN_FORWARD] = true;
    st = pass_create(l, DNN_FORWARD);
    for (int p = DNN_BACKWARD_DATA; p < DNN_PASS_COUNT && !st; p++)
        if (config->has_pass[p])
            st = pass_create(l, (enum dnn_pass)p);
    if (!st) {
        l->weights =
            *dnnl_primitive_desc_query_md(l->pass[DNN_FORWARD].desc, dnnl_query_weights_md, 0);
        status = weights_md(&l->plain, config, dnnl_oihw);
        if (status)
            st = failed("describe weights", status);
    }
    if (st) {
        dnn_linear_free(l);
        return st;
    }
    *out = l;
    return WARD_OK;
}

static void pass_release(struct pass *pass)
{
    for (int i = 0; i < pass->arg_count; i++)
        dnnl_memory_destroy(pass->args[i].memory);
    if (pass->primitive)
        dnnl_primitive_destroy(pass->primitive);
    if (pass->desc)
        dnnl_primitive_desc_destroy(pass->desc);
    if (pass->scratchpad)
        mem_wipe(pass->scratchpad, pass->scratchpad_len);
    mem_free(pass->scratchpad);
}

static void turn_release(dnnl_primitive_t turn, dnnl_exec_arg_t args[2], float *turned, size_t len)
{
    for (int i = 0; i < 2; i++)
        if (args[i].memory)
            dnnl_memory_destroy(args[i].memory);
    if (turn)
        dnnl_primitive_destroy(turn);
    if (turned)
        mem_wipe(turned, len);
    mem_free(turned);
}

static const dnnl_memory_desc_t *pass_weights(const struct dnn_linear *l, enum dnn_pass pass)
{
    return dnnl_primitive_desc_query_md(
        l->pass[pass].desc,
        pass == DNN_BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

void dnn_linear_free(struct dnn_linear *l)
{
    if (!l)
        return;
    turn_release(l->turn_data, l->turn_data_args, l->turned_data,
                 l->turned_data ? dnnl_memory_desc_get_size(pass_weights(l, DNN_BACKWARD_DATA))
                                : 0);
    turn_release(
        l->turn_weights, l->turn_weights_args, l->turned_weights,
        l->turned_weights ? dnnl_memory_desc_get_size(pass_weights(l, DNN_BACKWARD_WEIGHTS)) : 0);
    for (int p = 0; p < DNN_PASS_COUNT; p++)
        pass_release(&l->pass[p]);
    mem_free(l);
}

size_t dnn_linear_weights_len(const struct dnn_linear *l)
{
    return dnnl_memory_desc_get_size(&l->weights) / sizeof(float);
}

/* ---- weights between layouts ---- */

static dnnl_status_t reorder_new(struct dnn *dnn, const dnnl_memory_desc_t *from,
                                 const dnnl_memory_desc_t *to, void *src, void *dst,
                                 dnnl_primitive_t *primitive, dnnl_exec_arg_t args[2])
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status =
        dnnl_reorder_primitive_desc_create(&desc, from, dnn->engine, to, dnn->engine, NULL);

    if (!status)
        status = dnnl_primitive_create(primitive, desc);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    args[0].arg = DNNL_ARG_FROM;
    args[1].arg = DNNL_ARG_TO;
    if (!status)
        status = dnnl_memory_create(&args[0].memory, from, dnn->engine, src);
    if (!status)
        status = dnnl_memory_create(&args[1].memory, to, dnn->engine, dst);
    return status;
}

static ward_status reorder_once(struct dnn_linear *l, const dnnl_memory_desc_t *from,
                                const dnnl_memory_desc_t *to, const float *src, float *dst)
{
    dnnl_primitive_t primitive = NULL;
    dnnl_exec_arg_t args[2] = {{0, NULL}, {0, NULL}};
    sigset_t before;
    dnnl_status_t status =
        reorder_new(l->dnn, from, to, (void *)(uintptr_t)src, dst, &primitive, args);

    signals_block(&before);
    if (!status)
        status = dnnl_primitive_execute(primitive, l->dnn->stream, 2, args);
    if (!status)
        status = dnnl_stream_wait(l->dnn->stream);
    signals_restore(&before);
    turn_release(primitive, args, NULL, 0);
    return status ? failed("pack weights", status) : WARD_OK;
}

ward_status dnn_linear_pack(struct dnn_linear *l, const float *plain, float *packed)
{
    return reorder_once(l, &l->plain, &l->weights, plain, packed);
}

ward_status dnn_linear_unpack(struct dnn_linear *l, const float *packed, float *plain)
{
    return reorder_once(l, &l->weights, &l->plain, packed, plain);
}

/* ---- binding and running ---- */

static ward_status pass_arg(struct dnn_linear *l, struct pass *pass, int arg,
                            const dnnl_memory_desc_t *md, float *data)
{
    dnnl_exec_arg_t *slot = &pass->args[pass->arg_count];
    dnnl_status_t status = dnnl_memory_create(&slot->memory, md, l->dnn->engine, data);

    if (status)
        return failed("bind a buffer", status);
    slot->arg = arg;
    pass->arg_count++;
    return WARD_OK;
}

static ward_status pass_scratchpad(struct dnn_linear *l, struct pass *pass)
{
    const dnnl_memory_desc_t *md =
        dnnl_primitive_desc_query_md(pass->desc, dnnl_query_scratchpad_md, 0);
    size_t len = md ? dnnl_memory_desc_get_size(md) : 0;
    ward_status st;

    if (len == 0)
        return WARD_OK;
    st = mem_new_aligned(&pass->scratchpad, len, 64);
    if (st)
        return st;
    pass->scratchpad_len = len;
    return pass_arg(l, pass, DNNL_ARG_SCRATCHPAD, md, pass->scratchpad);
}

/* A buffer for the weights in the pass's own layout where that is not the packed one, else *use
 * stays the packed buffer. */
static ward_status turn_new(struct dnn_linear *l, enum dnn_pass pass, float *packed, float **use)
{
    const dnnl_memory_desc_t *md = pass_weights(l, pass);
    bool is_data = pass == DNN_BACKWARD_DATA;
    float **turned = is_data ? &l->turned_data : &l->turned_weights;
    dnnl_status_t status;
    ward_status st;

    *use = packed;
    if (dnnl_memory_desc_equal(md, &l->weights))
        return WARD_OK;
    st = mem_new_aligned(turned, dnnl_memory_desc_get_size(md), 64);
    if (st)
        return st;
    if (is_data)
        status =
            reorder_new(l->dnn, &l->weights, md, packed, *turned, &l->turn_data, l->turn_data_args);
    else
        status = reorder_new(l->dnn, md, &l->weights, *turned, packed, &l->turn_weights,
                             l->turn_weights_args);
    if (status)
        return failed("turn weights", status);
    *use = *turned;
    return WARD_OK;
}

ward_status dnn_linear_bind(struct dnn_linear *l, const struct dnn_linear_buffers *b)
{
    const struct {
        bool is_used;
        enum dnn_pass pass;
        int x, w, b, y; /* oneDNN's names of the arguments; 0: not one of this pass */
        float *x_data, *w_data, *b_data, *y_data;
    } passes[] = {
        {true, DNN_FORWARD, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST, b->x, b->w,
         b->b, b->y},
        {l->config.has_pass[DNN_BACKWARD_DATA], DNN_BACKWARD_DATA, DNNL_ARG_DIFF_SRC,
         DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DIFF_DST, b->dx, b->w, NULL, b->dy},
        {l->config.has_pass[DNN_BACKWARD_WEIGHTS], DNN_BACKWARD_WEIGHTS, DNNL_ARG_SRC,
         DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST, b->x, b->dw, b->db, b->dy},
    };
    dnnl_memory_desc_t x, bias, y;
    ward_status st = WARD_OK;

    if (value_md(&x, &l->config.in, l->config.in_block) || bias_md(&bias, &l->config) ||
        out_md(&y, &l->config))
        return failed("describe a value", dnnl_invalid_arguments);
    for (size_t i = 0; i < sizeof passes / sizeof passes[0] && !st; i++) {
        struct pass *pass = &l->pass[passes[i].pass];
        float *w = passes[i].w_data;

        if (!passes[i].is_used)
            continue;
        if (passes[i].pass != DNN_FORWARD)
            st = turn_new(l, passes[i].pass, passes[i].w_data, &w);
        if (!st)
            st = pass_arg(l, pass, passes[i].x, &x, passes[i].x_data);
        if (!st)
            st = pass_arg(l, pass, passes[i].w, pass_weights(l, passes[i].pass), w);
        if (!st)
            st = pass_arg(l, pass, passes[i].y, &y, passes[i].y_data);
        if (!st && l->config.has_bias && passes[i].b)
            st = pass_arg(l, pass, passes[i].b, &bias, passes[i].b_data);
        if (!st)
            st = pass_scratchpad(l, pass);
    }
    return st;
}

ward_status dnn_linear_run(struct dnn_linear *l, enum dnn_pass which)
{
    struct pass *pass = &l->pass[which];
    dnnl_status_t status = dnnl_success;

    if (which == DNN_BACKWARD_DATA && l->turn_data)
        status = dnnl_primitive_execute(l->turn_data, l->dnn->stream, 2, l->turn_data_args);
    if (!status)
        status =
            dnnl_primitive_execute(pass->primitive, l->dnn->stream, pass->arg_count, pass->args);
    if (!status && which == DNN_BACKWARD_WEIGHTS && l->turn_weights)
        status = dnnl_primitive_execute(l->turn_weights, l->dnn->stream, 2, l->turn_weights_args);
    if (!status)
        status = dnnl_stream_wait(l->dnn->stream);
    return status ? failed("run a primitive", status) : WARD_OK;
}

const char *dnn_linear_implementation(const struct dnn_linear *l, enum dnn_pass pass)
{
    return l->pass[pass].implementation ? l->pass[pass].implementation : "";
}
