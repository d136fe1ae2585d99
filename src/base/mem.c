/* The library's only calls of malloc and free, and the hook that makes them fail in tests. */
#define BASE_MEM_IMPLEMENTATION
#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

enum { HUGE_PAGE = 1 << 21 };

static atomic_ulong allocations;
static atomic_ulong first_failure; /* 0: none is made to fail */

bool mem_may_allocate(void)
{
    unsigned long number = atomic_fetch_add(&allocations, 1) + 1;
    unsigned long limit = atomic_load(&first_failure);

    return limit == 0 || number < limit;
}

unsigned long mem_fail_after(unsigned long n)
{
    atomic_store(&first_failure, n);
    return atomic_exchange(&allocations, 0);
}

static ward_status out_of_memory(size_t len)
{
    return ward_fail(WARD_ERR_NOMEM, "out of memory (%zu bytes)", len);
}

bool mul_size(size_t a, size_t b, size_t *out)
{
    if (a != 0 && b > SIZE_MAX / a)
        return false;
    *out = a * b;
    return true;
}

bool add_size(size_t a, size_t b, size_t *out)
{
    if (b > SIZE_MAX - a)
        return false;
    *out = a + b;
    return true;
}

/* Callers pass the address of a typed pointer; copying it bytewise keeps to the aliasing rules. */
static void put_pointer(void *out, void *block)
{
    memcpy(out, &block, sizeof(block));
}

static void *get_pointer(const void *in)
{
    void *block;

    memcpy(&block, in, sizeof(block));
    return block;
}

ward_status mem_new(void *out, size_t count, size_t elem)
{
    size_t len;
    void *block;

    if (!mul_size(count, elem, &len))
        return out_of_memory(SIZE_MAX);
    block = mem_may_allocate() ? calloc(1, len > 0 ? len : 1) : NULL;
    if (!block)
        return out_of_memory(len);
    put_pointer(out, block);
    return WARD_OK;
}

ward_status mem_resize(void *block, size_t old, size_t count, size_t elem)
{
    size_t len;
    void *fresh;

    if (!mul_size(count, elem, &len))
        return out_of_memory(SIZE_MAX);
    fresh = mem_may_allocate() ? realloc(get_pointer(block), len > 0 ? len : 1) : NULL;
    if (!fresh)
        return out_of_memory(len);
    if (count > old)
        memset((char *)fresh + old * elem, 0, (count - old) * elem);
    put_pointer(block, fresh);
    return WARD_OK;
}

/*
 * Blocks from half a megabyte on get huge pages where the system has them: what a kernel works on
 * is then in one piece in physical memory, too, so its parts do not displace each other in a cache.
 */
static bool wants_huge_pages(size_t len)
{
    return len >= HUGE_PAGE / 4 && len <= SIZE_MAX - HUGE_PAGE;
}

ward_status mem_new_aligned(void *out, size_t len, size_t align)
{
    void *block = NULL;
    size_t size = max_size(len, 1);

    assert(align >= 64 && (align & (align - 1)) == 0);
    if (wants_huge_pages(len)) {
        align = max_size(align, HUGE_PAGE);
        size = (len + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    }
    if (!mem_may_allocate() || posix_memalign(&block, align, size) != 0)
        return out_of_memory(len);
    if (wants_huge_pages(len))
        (void)madvise(block, size, MADV_HUGEPAGE); /* a wish */
    memset(block, 0, len);
    put_pointer(out, block);
    return WARD_OK;
}

ward_status mem_strdup(char **out, const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = NULL;
    ward_status st = mem_new(&copy, len, 1);

    if (st)
        return st;
    memcpy(copy, text, len);
    *out = copy;
    return WARD_OK;
}

ward_status mem_printf(char **out, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    ward_status st;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return ward_fail(WARD_ERR_ARG, "cannot format a text");
    st = mem_new(&text, (size_t)len + 1, 1);
    if (st)
        return st;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    *out = text;
    return WARD_OK;
}

void mem_free(void *block)
{
    free(block);
}

void mem_wipe(void *block, size_t len)
{
    if (len > 0)
        explicit_bzero(block, len);
}
