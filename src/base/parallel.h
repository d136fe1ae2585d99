/*
 * The one parallel_for. Work is handed to the threads of libgomp, the runtime that oneDNN brings
 * along, so that a process has one set of worker threads and never two that fight for the cores.
 */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include <stddef.h>

/* Does items [begin, end); thread counts from 0. */
typedef void parallel_body(void *context, size_t begin, size_t end, unsigned thread);

/*
 * Split [0, count) into as many contiguous, nearly equal ranges as there are threads (fewer if
 * count is small) and run body on each; returns when all are done. The split depends on count and
 * the thread count only, so sums over per-thread partial results are reproducible. Not nested: a
 * call from inside a body that runs beside others stays on that thread, as thread 0.
 */
void parallel_for(size_t count, parallel_body *body, void *context);

/* Threads used by calls from this thread (oneDNN's included); 1 .. 256; 0 asks for all cores. */
void parallel_set_threads(unsigned threads);
unsigned parallel_threads(void);

#endif
