/*
 * Reading JSON where it lies, without a tree: for requests, whose one large array of numbers goes
 * straight into floats. As strict as base/json.h: RFC 8259, UTF-8, no duplicate keys among those
 * that the caller knows (it keeps count of them), at most READER_DEPTH levels.
 *
 * The first fault sticks: from then on every function says false, so that loops end by themselves.
 */
#ifndef SERVE_READER_H
#define SERVE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { READER_DEPTH = 16 };

struct reader {
    const char *begin, *at, *end;
    const char *fault; /* NULL: none so far */
    unsigned depth;
    bool is_first[READER_DEPTH + 1]; /* whether nothing of the value at that depth was read yet */
};

/* Text between quotation marks, as it stands there: escapes are checked, not resolved. */
struct span {
    const char *text;
    size_t len;
};

void reader_init(struct reader *r, const char *text, size_t len);
/* Record a fault; always false. */
bool reader_fail(struct reader *r, const char *fault);
/* Nothing but white space is left. */
bool reader_is_done(struct reader *r);

/* What the next value starts with; '\0' at the end or after a fault. */
char reader_peek(struct reader *r);

/*
 * while (reader_key(&r, &key)) ... after reader_open(&r, '{'), and likewise reader_item() after
 * reader_open(&r, '['). Each step has to read one value. The end of the object or array is read by
 * the call that says false.
 */
bool reader_open(struct reader *r, char bracket);
bool reader_key(struct reader *r, struct span *key);
bool reader_item(struct reader *r);

bool reader_string(struct reader *r, struct span *out);
/* A whole number from 0 to max, written without fraction and exponent. */
bool reader_count(struct reader *r, uint64_t max, uint64_t *out);
/*
 * Any number. It is rounded twice, to 64 bits of mantissa, then to a float: a float written with 9
 * or more digits reads back the same.
 */
bool reader_float(struct reader *r, float *out);
bool reader_bool(struct reader *r, bool *out);
/* Any value. */
bool reader_skip(struct reader *r);

bool span_is(struct span span, const char *word);

#endif
