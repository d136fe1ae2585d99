/*
 * A small writer of strict JSON on standard output: one object, keys in the order of the calls.
 * Inside an array the key is NULL. Text that is not UTF-8 (a file name may be anything) gets
 * U+FFFD for each byte that does not belong; numbers that are not finite become null.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JS_DEPTH = 16 };

struct js {
    FILE *out;
    unsigned depth;
    char close[JS_DEPTH];
    bool has_items[JS_DEPTH];
};

/* Opens the outermost object. */
void js_begin(struct js *js, FILE *out);
/* Closes whatever is open, and ends the line. */
void js_finish(struct js *js);

void js_object(struct js *js, const char *key);
void js_array(struct js *js, const char *key);
/* Closes the innermost object or array. */
void js_end(struct js *js);

void js_text(struct js *js, const char *key, const char *value); /* NULL becomes null */
void js_real(struct js *js, const char *key, double value);      /* nine digits */
void js_count(struct js *js, const char *key, uint64_t value);
void js_bool(struct js *js, const char *key, bool value);
void js_null(struct js *js, const char *key);

#endif
