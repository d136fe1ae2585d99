/*
 * Memory. All allocation of the library goes through here, so that a test can make the n-th one
 * fail, and so that no size is ever multiplied without a check. Bare malloc does not compile in a
 * file that includes this header.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* *out = a * b, or false on overflow. */
bool mul_size(size_t a, size_t b, size_t *out);
/* *out = a + b, or false on overflow. */
bool add_size(size_t a, size_t b, size_t *out);

/*
 * count elements of elem bytes each, zeroed. *out is written only on success; count == 0 gives a
 * non-NULL pointer. Owned: mem_free(). WARD_ERR_NOMEM on overflow or exhaustion.
 */
WARD_CHECK ward_status mem_new(void *out, size_t count, size_t elem);

/*
 * Grow or shrink *block, which holds old elements, to count; new elements are zeroed. On failure
 * *block is as it was.
 */
WARD_CHECK ward_status mem_resize(void *block, size_t old, size_t count, size_t elem);

/* As mem_new() for len bytes, aligned to align (a power of two >= 64): for tensors. mem_free(). */
WARD_CHECK ward_status mem_new_aligned(void *out, size_t len, size_t align);

/* A copy of a string, owned. */
WARD_CHECK ward_status mem_strdup(char **out, const char *text);
/* printf into a new string, owned. */
WARD_CHECK ward_status mem_printf(char **out, const char *format, ...) BASE_PRINTF(2, 3);

/* NULL is fine. */
void mem_free(void *block);

/* Overwrite with zeros in a way that the compiler keeps. */
void mem_wipe(void *block, size_t len);

/*
 * For tests only: let the n-th allocation from now (1 is the next) and all after it fail; 0 turns
 * that off. Process-wide. Returns how many allocations were made since the last call.
 */
unsigned long mem_fail_after(unsigned long n);

/* For the rooms whose memory comes from elsewhere (locked pages): counts one allocation. */
bool mem_may_allocate(void);

#ifndef BASE_MEM_IMPLEMENTATION
#undef malloc
#undef calloc
#undef realloc
#undef strdup
#undef strndup
#define malloc use_mem_new_instead_of_malloc
#define calloc use_mem_new_instead_of_calloc
#define realloc use_mem_resize_instead_of_realloc
#define strdup use_mem_strdup_instead_of_strdup
#define strndup use_mem_strdup_instead_of_strndup
#endif

#endif
