/* Choosing kernels, and the parts of their contracts that depend on no instruction set. */
#include "compute/native/tables.h"

static const struct native_kernels avx512 = {"avx512", 16, &thin_kernels_avx512,
                                             &norm_kernels_avx512, &plane_kernels_avx512};
static const struct native_kernels avx2 = {"avx2", 8, &thin_kernels_avx2, &norm_kernels_avx2,
                                           &plane_kernels_avx2};
static const struct native_kernels portable = {"portable", 8, &thin_kernels_portable,
                                               &norm_kernels_portable, &plane_kernels_portable};

const struct native_kernels *native_kernels(size_t lanes)
{
    if (lanes == 16)
        return &avx512;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : &portable;
}

/* Position in the packed weights of the plain ones' [oc][ic][tap]. */
static size_t packed_at(const struct thin_conv *c, size_t lanes, size_t oc, size_t ic, size_t tap)
{
    size_t taps = c->kernel * c->kernel;

    if (c->is_out_blocked)
        return ((oc / lanes * c->in.c + ic) * taps + tap) * lanes + oc % lanes;
    return ((ic / lanes * c->out.c + oc) * taps + tap) * lanes + ic % lanes;
}

void thin_conv_pack(const struct thin_conv *c, size_t lanes, const float *plain, float *packed)
{
    size_t taps = c->kernel * c->kernel;

    for (size_t i = 0; i < c->out.c * c->in.c * taps; i++)
        packed[packed_at(c, lanes, i / taps / c->in.c, i / taps % c->in.c, i % taps)] = plain[i];
}

void thin_conv_unpack(const struct thin_conv *c, size_t lanes, const float *packed, float *plain)
{
    size_t taps = c->kernel * c->kernel;

    for (size_t i = 0; i < c->out.c * c->in.c * taps; i++)
        plain[i] = packed[packed_at(c, lanes, i / taps / c->in.c, i / taps % c->in.c, i % taps)];
}

size_t thin_conv_scratch(const struct thin_conv *c)
{
    /* One thread's gradients of weights and bias; whole cache lines, so threads do not share any. */
    size_t len = c->in.c * c->out.c * c->kernel * c->kernel + c->out.c;

    return (len + 15) / 16 * 16;
}

size_t norm_partial_len(size_t channels, unsigned threads)
{
    return 2 * channels * threads;
}
