/* Progress lines: see progress.h. */
#include "progress.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double TERMINAL_SECONDS = 0.2, PLAIN_SECONDS = 10.0;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

void progress_init(struct progress *p, const struct cli *cli)
{
    *p = (struct progress){.is_quiet = cli_has(cli, 'q'), .is_terminal = isatty(STDERR_FILENO)};
    p->next = now() + (p->is_terminal ? TERMINAL_SECONDS : PLAIN_SECONDS);
}

bool progress_is_due(struct progress *p)
{
    double t;

    if (p->is_quiet)
        return false;
    t = now();
    if (t < p->next)
        return false;
    p->next = t + (p->is_terminal ? TERMINAL_SECONDS : PLAIN_SECONDS);
    return true;
}

void progress_draw(struct progress *p, const char *format, ...)
{
    char line[512];
    va_list arguments;
    int len, columns;

    if (p->is_quiet)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (!p->is_terminal) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    len = (int)strlen(line);
    columns = terminal_columns() - 1; /* the last column would wrap */
    if (len > columns)
        len = columns;
    fprintf(stderr, "\r%.*s%*s", len, line, p->drawn > len ? p->drawn - len : 0, "");
    p->drawn = len;
    fflush(stderr);
}

void progress_note(struct progress *p, const char *text)
{
    if (p->is_quiet)
        return;
    progress_finish(p);
    fprintf(stderr, "%s\n", text);
}

void progress_finish(struct progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r%*s\r", p->drawn, "");
    p->drawn = 0;
}

void progress_time(char *text, size_t len, double seconds)
{
    unsigned long s;

    if (!(seconds >= 0) || seconds > 1e8) {
        snprintf(text, len, "?");
        return;
    }
    s = (unsigned long)ceil(seconds);
    if (s >= 3600)
        snprintf(text, len, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, len, "%lu:%02lu", s / 60, s % 60);
}

bool progress_images(void *context, size_t done, size_t count)
{
    struct progress *p = context;

    if (progress_is_due(p))
        progress_draw(p, "%zu of %zu images", done, count);
    return true;
}
