/* See reader.h. */
#include "serve/reader.h"

#include <math.h>
#include <string.h>

void reader_init(struct reader *r, const char *text, size_t len)
{
    *r = (struct reader){.begin = text, .at = text, .end = text + len};
}

bool reader_fail(struct reader *r, const char *fault)
{
    if (!r->fault)
        r->fault = fault;
    r->end = r->at;
    return false;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

char reader_peek(struct reader *r)
{
    skip_space(r);
    return r->at < r->end ? *r->at : '\0';
}

bool reader_is_done(struct reader *r)
{
    skip_space(r);
    return !r->fault && r->at == r->end;
}

static bool take(struct reader *r, char c)
{
    if (reader_peek(r) != c || r->at == r->end)
        return false;
    r->at++;
    return true;
}

bool reader_open(struct reader *r, char bracket)
{
    if (!take(r, bracket))
        return reader_fail(r, bracket == '{' ? "an object is expected" : "an array is expected");
    if (r->depth == READER_DEPTH)
        return reader_fail(r, "nested too deep");
    r->is_first[++r->depth] = true;
    return true;
}

/* Whether another member or element follows. */
static bool another(struct reader *r, char bracket)
{
    bool is_first = r->is_first[r->depth];

    if (r->fault)
        return false;
    if (take(r, bracket)) {
        r->depth--;
        return false;
    }
    r->is_first[r->depth] = false;
    if (!is_first && !take(r, ','))
        return reader_fail(r, "',' or a closing bracket is expected");
    return true;
}

bool reader_item(struct reader *r)
{
    return another(r, ']');
}

bool reader_key(struct reader *r, struct span *key)
{
    if (!another(r, '}') || !reader_string(r, key))
        return false;
    return take(r, ':') || reader_fail(r, "':' is expected");
}

/* ---- strings ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Four hex digits at `at`, or -1. */
static int code_unit(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        if (!is_hex(at[i]))
            return -1;
        value = 16 * value + (at[i] <= '9' ? at[i] - '0' : (at[i] | 32) - 'a' + 10);
    }
    return value;
}

/* An escape's length at its backslash; 0 if it is none. Half a surrogate pair is none. */
static size_t escape_len(const char *at, const char *end)
{
    int first, second;

    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] && strchr("\"\\/bfnrt", at[1]) ? 2 : 0;
    first = code_unit(at + 2, end);
    if (first < 0 || (first >= 0xdc00 && first <= 0xdfff))
        return 0;
    if (first < 0xd800 || first > 0xdbff)
        return 6;
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return 0;
    second = code_unit(at + 8, end);
    return second >= 0xdc00 && second <= 0xdfff ? 12 : 0;
}

/* Length of a well-formed UTF-8 character (Unicode, table 3-7); 0 if it is none. */
static size_t utf8_len(const char *text, const char *end)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t len = c[0] < 0x80   ? 1
                 : c[0] < 0xc2 ? 0
                 : c[0] < 0xe0 ? 2
                 : c[0] < 0xf0 ? 3
                 : c[0] < 0xf5 ? 4
                               : 0;

    if (len == 0 || (size_t)(end - text) < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return len;
}

bool reader_string(struct reader *r, struct span *out)
{
    const char *from;

    if (!take(r, '"'))
        return reader_fail(r, "a string is expected");
    from = r->at;
    while (r->at < r->end && *r->at != '"') {
        size_t len = *r->at == '\\' ? escape_len(r->at, r->end) : utf8_len(r->at, r->end);

        if (len == 0 || (unsigned char)*r->at < 0x20)
            return reader_fail(r, "a string has a character that JSON does not allow");
        r->at += len;
    }
    if (r->at == r->end)
        return reader_fail(r, "a string is cut off");
    *out = (struct span){from, (size_t)(r->at - from)};
    r->at++;
    return true;
}

bool span_is(struct span span, const char *word)
{
    return span.len == strlen(word) && memcmp(span.text, word, span.len) == 0;
}

/* ---- numbers ---- */

/* A number's parts: mantissa * 10^exponent. */
struct number {
    bool is_negative, is_whole; /* written as whole: neither fraction nor exponent */
    uint64_t mantissa;
    long exponent;
};

static bool is_digit(const struct reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* Digits past the 19th significant one are counted, not kept: a double has no bit for them. */
static void take_digits(struct reader *r, struct number *n, bool is_fraction)
{
    for (; is_digit(r); r->at++) {
        if (n->mantissa < 1000000000000000000u) {
            n->mantissa = 10 * n->mantissa + (uint64_t)(*r->at - '0');
            n->exponent -= is_fraction;
        } else {
            n->exponent += !is_fraction;
            n->is_whole = false;
        }
    }
}

static bool take_exponent(struct reader *r, struct number *n)
{
    long value = 0;
    bool is_negative;

    r->at++;
    is_negative = r->at < r->end && *r->at == '-';
    if (r->at < r->end && (*r->at == '-' || *r->at == '+'))
        r->at++;
    if (!is_digit(r))
        return false;
    for (; is_digit(r); r->at++)
        if (value < 100000)
            value = 10 * value + (*r->at - '0');
    n->exponent += is_negative ? -value : value;
    n->is_whole = false;
    return true;
}

static bool read_number(struct reader *r, struct number *n)
{
    *n = (struct number){.is_whole = true};
    skip_space(r);
    if (r->at < r->end && *r->at == '-') {
        n->is_negative = true;
        r->at++;
    }
    if (!is_digit(r))
        return reader_fail(r, "a number is expected");
    if (*r->at == '0') {
        r->at++;
        if (is_digit(r))
            return reader_fail(r, "a number has a leading zero");
    } else {
        take_digits(r, n, false);
    }
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        n->is_whole = false;
        if (!is_digit(r))
            return reader_fail(r, "a number has no digit after its point");
        take_digits(r, n, true);
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E') && !take_exponent(r, n))
        return reader_fail(r, "a number has no digit in its exponent");
    return true;
}

bool reader_count(struct reader *r, uint64_t max, uint64_t *out)
{
    struct number n;

    if (!read_number(r, &n))
        return false;
    if (!n.is_whole || n.is_negative || n.mantissa > max)
        return reader_fail(r, "a whole number is expected, or it is too large");
    *out = n.mantissa;
    return true;
}

/* 10^0 to 10^27 are exact in 64 bits of mantissa. */
static long double power_of_ten(long exponent)
{
    static const long double exact[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                        1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                        1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                        1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    long double power = 1;

    for (; exponent > 27; exponent -= 27)
        power *= exact[27];
    return power * exact[exponent];
}

bool reader_float(struct reader *r, float *out)
{
    enum { BEYOND = 100 }; /* 10^100 overflows any float, and 10^-100 is none but zero */
    struct number n;
    long double value;
    float rounded;

    if (!read_number(r, &n))
        return false;
    value = (long double)n.mantissa;
    if (n.exponent > BEYOND && n.mantissa)
        return reader_fail(r, "a number is too large for FP32");
    if (n.exponent < -BEYOND || !n.mantissa)
        value = 0;
    else if (n.exponent < 0)
        value /= power_of_ten(-n.exponent);
    else
        value *= power_of_ten(n.exponent);
    rounded = (float)(n.is_negative ? -value : value);
    if (!isfinite(rounded))
        return reader_fail(r, "a number is too large for FP32");
    *out = rounded;
    return true;
}

/* ---- the rest ---- */

static bool take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

bool reader_bool(struct reader *r, bool *out)
{
    skip_space(r);
    if (take_word(r, "true"))
        *out = true;
    else if (take_word(r, "false"))
        *out = false;
    else
        return reader_fail(r, "true or false is expected");
    return true;
}

/* Recursion is bounded by READER_DEPTH. */
bool reader_skip(struct reader *r)
{
    struct span text;
    struct number number;

    switch (reader_peek(r)) {
    case '"': return reader_string(r, &text);
    case '{':
        if (reader_open(r, '{'))
            while (reader_key(r, &text))
                reader_skip(r);
        return !r->fault;
    case '[':
        if (reader_open(r, '['))
            while (reader_item(r))
                reader_skip(r);
        return !r->fault;
    case 't':
    case 'f':
    case 'n':
        return take_word(r, "true") || take_word(r, "false") || take_word(r, "null") ||
               reader_fail(r, "a value is expected");
    default: return read_number(r, &number);
    }
}
