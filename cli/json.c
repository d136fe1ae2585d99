/* The JSON writer: see json.h. */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

/* Length of the well-formed UTF-8 sequence at s (RFC 3629: no surrogates, nothing overlong); 0 if
 * there is none. The NUL at the end of the text stops it from reading on. */
static size_t utf8_len(const unsigned char *s)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
        if (s[i] < low || s[i] > high)
            return 0;
    return len;
}

static void put_text(FILE *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    putc('"', out);
    while (*s) {
        size_t len = utf8_len(s);

        if (!len) {
            fputs("\\ufffd", out);
            s++;
        } else if (*s < 0x20 || *s == 0x7f) {
            fprintf(out, "\\u%04x", (unsigned)*s++);
        } else {
            if (*s == '"' || *s == '\\')
                putc('\\', out);
            fwrite(s, 1, len, out);
            s += len;
        }
    }
    putc('"', out);
}

static void item(struct js *js, const char *key)
{
    if (js->has_items[js->depth])
        putc(',', js->out);
    js->has_items[js->depth] = true;
    if (key) {
        put_text(js->out, key);
        putc(':', js->out);
    }
}

static void open_level(struct js *js, char opening, char closing)
{
    if (js->depth + 1 >= JS_DEPTH)
        abort();
    putc(opening, js->out);
    js->depth++;
    js->close[js->depth] = closing;
    js->has_items[js->depth] = false;
}

void js_begin(struct js *js, FILE *out)
{
    *js = (struct js){.out = out};
    open_level(js, '{', '}');
}

void js_finish(struct js *js)
{
    while (js->depth)
        js_end(js);
    putc('\n', js->out);
}

void js_object(struct js *js, const char *key)
{
    item(js, key);
    open_level(js, '{', '}');
}

void js_array(struct js *js, const char *key)
{
    item(js, key);
    open_level(js, '[', ']');
}

void js_end(struct js *js)
{
    putc(js->close[js->depth--], js->out);
}

void js_text(struct js *js, const char *key, const char *value)
{
    if (!value) {
        js_null(js, key);
        return;
    }
    item(js, key);
    put_text(js->out, value);
}

void js_real(struct js *js, const char *key, double value)
{
    if (!isfinite(value)) {
        js_null(js, key);
        return;
    }
    item(js, key);
    fprintf(js->out, "%.9g", value);
}

void js_count(struct js *js, const char *key, uint64_t value)
{
    item(js, key);
    fprintf(js->out, "%" PRIu64, value);
}

void js_bool(struct js *js, const char *key, bool value)
{
    item(js, key);
    fputs(value ? "true" : "false", js->out);
}

void js_null(struct js *js, const char *key)
{
    item(js, key);
    fputs("null", js->out);
}
