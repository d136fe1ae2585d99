/* Choosing kernels, and the parts of their contracts that depend on no instruction set. */
#include "compute/native/tables.h"

#define TABLE(isa, lanes)                                              \
    static const struct native_kernels isa = {#isa,                    \
                                              lanes,                   \
                                              &thin_kernels_##isa,     \
                                              &winograd_kernels_##isa, \
                                              &dense_kernels_##isa,    \
                                              &norm_kernels_##isa,     \
                                              &plane_kernels_##isa,    \
                                              &random_kernels_##isa}

TABLE(avx512, 16);
TABLE(avx2, 8);
TABLE(portable, 8);

const struct native_kernels *native_kernels(size_t lanes)
{
    if (lanes == 16)
        return &avx512;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : &portable;
}

/* What the sources for 16 lanes are compiled with: meson.build. */
size_t native_lanes(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
               ? 16
               : 8;
}

/* Position in the packed weights of the plain ones' [oc][ic][tap]. */
static size_t packed_at(const struct native_conv *c, size_t lanes, size_t oc, size_t ic, size_t tap)
{
    size_t taps = c->kernel * c->kernel;

    if (c->is_out_blocked)
        return ((oc / lanes * c->in.c + ic) * taps + tap) * lanes + oc % lanes;
    return ((ic / lanes * c->out.c + oc) * taps + tap) * lanes + ic % lanes;
}

void native_conv_pack(const struct native_conv *c, size_t lanes, const float *plain, float *packed)
{
    size_t taps = c->kernel * c->kernel;

    for (size_t i = 0; i < c->out.c * c->in.c * taps; i++)
        packed[packed_at(c, lanes, i / taps / c->in.c, i / taps % c->in.c, i % taps)] = plain[i];
}

void native_conv_unpack(const struct native_conv *c, size_t lanes, const float *packed,
                        float *plain)
{
    size_t taps = c->kernel * c->kernel;

    for (size_t i = 0; i < c->out.c * c->in.c * taps; i++)
        plain[i] = packed[packed_at(c, lanes, i / taps / c->in.c, i / taps % c->in.c, i % taps)];
}

size_t norm_partial_len(size_t channels, unsigned threads)
{
    return 2 * channels * threads;
}
