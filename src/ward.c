/*
 * What this build is: ward/version.h. The WARD_ constants come from the build files.
 *
 * One complete constant for each level of processor features, so that nothing has to be put
 * together, or kept, at run time.
 */
#include "ward/version.h"

#include "commit.h"

/* clang-format off */
#define BUILD(features) {WARD_VERSION, WARD_COMMIT, WARD_COMPILER, features, WARD_LIBRARIES}
/* clang-format on */

enum level { PORTABLE, SSE41, AVX, AVX2, AVX512, AVX512_VNNI };

static const ward_build builds[] = {
    [PORTABLE] = BUILD("portable"),
    [SSE41] = BUILD("sse4.1"),
    [AVX] = BUILD("avx sse4.1"),
    [AVX2] = BUILD("avx2 fma avx sse4.1"),
    [AVX512] = BUILD("avx512f avx512bw avx2 fma avx sse4.1"),
    [AVX512_VNNI] = BUILD("avx512vnni avx512f avx512bw avx2 fma avx sse4.1"),
};

/* The steps in which oneDNN chooses its code. */
static enum level processor_level(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.1"))
        return PORTABLE;
    if (!__builtin_cpu_supports("avx"))
        return SSE41;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return AVX;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw"))
        return AVX2;
    return __builtin_cpu_supports("avx512vnni") ? AVX512_VNNI : AVX512;
#else
    return PORTABLE;
#endif
}

const ward_build *ward_build_info(void)
{
    return &builds[processor_level()];
}
