/* The last failure of each thread: the only mutable state that the library has outside objects. */
#include "base/status.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { MESSAGE_LEN = 1024 };

static _Thread_local char message[MESSAGE_LEN];

/* A file name may hold a newline or a terminal's escape sequence; a message is one plain line. */
static void make_one_line(char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7f)
            *text = '?';
    }
}

/* Written aside first, for the arguments may point into the message itself. */
static void store(const char *prefix_of, const char *format, va_list args)
{
    char text[MESSAGE_LEN];
    size_t len;

    vsnprintf(text, sizeof(text), format, args);
    if (prefix_of) {
        len = strlen(text);
        snprintf(text + len, sizeof(text) - len, ": %s", prefix_of);
    }
    make_one_line(text);
    memcpy(message, text, sizeof(text));
}

ward_status ward_fail(ward_status status, const char *format, ...)
{
    va_list args;

    assert(status != WARD_OK);
    va_start(args, format);
    store(NULL, format, args);
    va_end(args);
    return status;
}

ward_status ward_fail_within(ward_status status, const char *format, ...)
{
    va_list args;

    assert(status != WARD_OK);
    va_start(args, format);
    store(message, format, args);
    va_end(args);
    return status;
}

const char *ward_error_message(void)
{
    return message;
}

void ward_string_free(char *text)
{
    mem_free(text);
}

const char *ward_status_name(ward_status status)
{
    switch (status) {
    case WARD_OK: return "WARD_OK";
    case WARD_ERR_NOMEM: return "WARD_ERR_NOMEM";
    case WARD_ERR_IO: return "WARD_ERR_IO";
    case WARD_ERR_FORMAT: return "WARD_ERR_FORMAT";
    case WARD_ERR_ARG: return "WARD_ERR_ARG";
    case WARD_ERR_EXISTS: return "WARD_ERR_EXISTS";
    case WARD_ERR_DEVICE: return "WARD_ERR_DEVICE";
    case WARD_ERR_NUMERIC: return "WARD_ERR_NUMERIC";
    case WARD_ERR_STOPPED: return "WARD_ERR_STOPPED";
    case WARD_ERR_AUTH: return "WARD_ERR_AUTH";
    case WARD_ERR_BUSY: return "WARD_ERR_BUSY";
    }
    return "unknown status";
}
