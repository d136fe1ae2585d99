/* The few small things that several rooms need and that are no subject of their own. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds from a clock that never goes back. */
double clock_seconds(void);

/*
 * How fast something goes on, of the last one or two minutes: so that what is said of the time left
 * soon forgets that the process was stopped, or shared its cores.
 */
struct pace {
    double time[2], done[2]; /* of the last two marks, at least a minute apart */
};

/* now is of clock_seconds(); nothing is done yet. */
void pace_start(struct pace *pace, double now);
/* Done per second; 0 as long as nothing is known. Neither now nor done goes back. */
double pace_rate(struct pace *pace, double now, double done);

/* 2 * len hex digits and a NUL. */
void hex_encode(const uint8_t *data, size_t len, char *out);
/* Exactly 2 * len hex digits; false otherwise. */
bool hex_decode(const char *text, uint8_t *out, size_t len);

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Whether none of the values is NaN or infinite. Looks at all, so that it may do so in vectors. */
static inline bool all_finite(const float *values, size_t count)
{
    int bad = 0;

    for (size_t i = 0; i < count; i++)
        bad |= (values[i] - values[i]) != 0.0f; /* of others the difference is NaN */
    return bad == 0;
}

#endif
