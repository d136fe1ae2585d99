/* What each kernel file exports, under a name for each instruction set; gathered by kernels.c. */
#ifndef COMPUTE_NATIVE_TABLES_H
#define COMPUTE_NATIVE_TABLES_H

#include "compute/native/kernels.h"

#define DECLARE_KERNELS(isa)                                 \
    extern const struct conv_kernels thin_kernels_##isa;     \
    extern const struct conv_kernels winograd_kernels_##isa; \
    extern const struct dense_kernels dense_kernels_##isa;   \
    extern const struct norm_kernels norm_kernels_##isa;     \
    extern const struct plane_kernels plane_kernels_##isa;   \
    extern const struct random_kernels random_kernels_##isa

DECLARE_KERNELS(portable);
DECLARE_KERNELS(avx2);
DECLARE_KERNELS(avx512);

/* meson.build defines ISA as one of these names for each copy. */
#define KERNEL_JOIN(name, isa) name##_##isa
#define KERNEL_EXPAND(name, isa) KERNEL_JOIN(name, isa)
#define KERNEL(name) KERNEL_EXPAND(name, ISA)

#endif
