/* Lanes: eight tracks worked on together, on whatever vectors the machine has.
 *
 * A lane kernel is one Cython function `static void NAME(void *work)` whose innermost loops run over the
 * LANES tracks. LANE_VARIANTS(NAME) compiles its body three times, for AVX-512, AVX2 and the baseline of the
 * platform (`flatten` pulls everything that it calls into each variant), and defines NAME_variant(level),
 * the variant for one instruction set. Results are the same bytes: only + - * / sqrt, no contraction.
 */
#ifndef SHAREDSKY_LANES_H
#define SHAREDSKY_LANES_H

#include <stdint.h>
#include <string.h>

#define LANES 8

typedef void (*lane_kernel)(void *work);

#if defined(__x86_64__) && defined(__GNUC__)

#define LANE_VARIANTS(NAME)                                                                              \
    static void NAME(void *work);                                                                        \
    __attribute__((flatten, target("avx512f,prefer-vector-width=512"))) static void NAME##_avx512(       \
        void *work) { NAME(work); }                                                                      \
    __attribute__((flatten, target("avx2"))) static void NAME##_avx2(void *work) { NAME(work); }         \
    __attribute__((flatten)) static void NAME##_baseline(void *work) { NAME(work); }                     \
    static lane_kernel NAME##_variant(int level)                                                         \
    {                                                                                                    \
        return level == 2 ? NAME##_avx512 : level == 1 ? NAME##_avx2 : NAME##_baseline;                  \
    }

/* The best instruction set of this machine: 2 AVX-512, 1 AVX2, 0 baseline. */
static inline int lanes_best(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") ? 2 : __builtin_cpu_supports("avx2") ? 1 : 0;
}

#else

#define LANE_VARIANTS(NAME)                                                                              \
    static void NAME(void *work);                                                                        \
    static lane_kernel NAME##_variant(int level) { (void)level; return NAME; }

static inline int lanes_best(void) { return 0; }

#endif

/* The bits of a double as an unsigned integer, and back. */
static inline uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
