/*
 * Calls libgomp by the entry point that compilers emit for "#pragma omp parallel", which is part of
 * its stable ABI, so that gcc and clang builds share one pool of threads with oneDNN.
 */
#include "base/parallel.h"

#include <stdlib.h>

#include "base/signals.h"
#include "base/util.h"

extern void GOMP_parallel(void (*fn)(void *), void *data, unsigned num_threads, unsigned flags);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern int omp_get_max_threads(void);
extern int omp_get_num_procs(void);
extern int omp_in_parallel(void);
extern void omp_set_num_threads(int count);

enum { MAX_THREADS = 256 };

struct job {
    parallel_body *body;
    void *context;
    size_t count;
    unsigned parts;
};

static unsigned clamp_threads(long count)
{
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (unsigned)count;
}

/* The first of the remainder's parts get one item more. */
static size_t part_begin(const struct job *job, unsigned part)
{
    return job->count / job->parts * part + min_size(part, job->count % job->parts);
}

/* The runtime may grant fewer threads than asked for; the split stays the same even then. */
static void run_parts(void *data)
{
    const struct job *job = data;
    unsigned threads = (unsigned)omp_get_num_threads();

    for (unsigned part = (unsigned)omp_get_thread_num(); part < job->parts; part += threads)
        job->body(job->context, part_begin(job, part), part_begin(job, part + 1), part);
}

void parallel_for(size_t count, parallel_body *body, void *context)
{
    struct job job = {body, context, count, 1};
    sigset_t before;

    if (count == 0)
        return;
    if (!omp_in_parallel())
        job.parts = (unsigned)min_size(count, parallel_threads());
    if (job.parts == 1) {
        body(context, 0, count, 0);
    } else {
        signals_block(&before); /* threads that it starts keep the mask of this one */
        GOMP_parallel(run_parts, &job, job.parts, 0);
        signals_restore(&before);
    }
}

/* One a core that this process may use, or what OMP_NUM_THREADS says. */
static unsigned default_threads(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    long wanted = text ? strtol(text, NULL, 10) : 0;

    return clamp_threads(wanted > 0 ? wanted : omp_get_num_procs());
}

void parallel_set_threads(unsigned threads)
{
    unsigned count = threads > 0 ? clamp_threads((long)threads) : default_threads();

    omp_set_num_threads((int)count);
}

unsigned parallel_threads(void)
{
    return clamp_threads(omp_get_max_threads());
}
