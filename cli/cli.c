/* Options, help and error lines: see cli.h. */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static size_t options_count(const struct cli_command *command)
{
    size_t n = 0;

    while (command->options[n].name)
        n++;
    return n;
}

/* The option's place in the table; asking for one that is not there is a bug in the caller. */
static size_t option_place(const struct cli_command *command, int key)
{
    for (size_t i = 0; command->options[i].name; i++)
        if (command->options[i].key == key)
            return i;
    abort();
}

bool cli_has(const struct cli *cli, int key)
{
    return cli_text(cli, key) != NULL;
}

const char *cli_text(const struct cli *cli, int key)
{
    return cli->values[option_place(cli->command, key)];
}

const char *cli_name(const struct cli *cli, int key)
{
    return cli->command->options[option_place(cli->command, key)].name;
}

static void print_line(const char *name, const char *format, va_list arguments, const char *after)
{
    fprintf(stderr, "ward %s: ", name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "%s\n", after);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "ward %s: ", cli->command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (see ward %s -h)\n", cli->command->name);
    va_end(arguments);
    return CLI_USAGE;
}

/* Of the directory that the first len bytes of a path name; none: the working directory. */
static int stat_directory(const char *path, size_t len, struct stat *info)
{
    char *dir = len > 0 ? strndup(path, len) : strdup(".");
    int code = dir ? stat(dir, info) : -1;

    free(dir);
    return code;
}

/* Two paths of files that need not be there: the same name in the same directory. */
static bool is_same_file(const char *a, const char *b)
{
    const char *last_a = strrchr(a, '/'), *last_b = strrchr(b, '/');
    const char *name_a = last_a ? last_a + 1 : a, *name_b = last_b ? last_b + 1 : b;
    struct stat in_a, in_b;

    return strcmp(name_a, name_b) == 0 && stat_directory(a, (size_t)(name_a - a), &in_a) == 0 &&
           stat_directory(b, (size_t)(name_b - b), &in_b) == 0 && in_a.st_dev == in_b.st_dev &&
           in_a.st_ino == in_b.st_ino;
}

int cli_check_files(const struct cli *cli, const int *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (cli_has(cli, keys[i]) && cli_has(cli, keys[j]) &&
                is_same_file(cli_text(cli, keys[i]), cli_text(cli, keys[j])))
                return cli_usage(cli, "--%s and --%s name the same file", cli_name(cli, keys[i]),
                                 cli_name(cli, keys[j]));
    return CLI_RUN;
}

int cli_error(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_line(cli->command->name, format, arguments, "");
    va_end(arguments);
    return CLI_FAILED;
}

int cli_failed(const struct cli *cli, ward_status status)
{
    cli_error(cli, "%s", ward_error_message());
    switch (status) {
    case WARD_ERR_ARG: return CLI_USAGE;
    case WARD_ERR_AUTH: return CLI_DENIED;
    default: return CLI_FAILED;
    }
}

void cli_talk(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    if (cli_has(cli, 'q'))
        return;
    va_start(arguments, format);
    print_line(cli->command->name, format, arguments, "");
    va_end(arguments);
}

static void print_option(const struct cli_command *command, const struct cli_option *option)
{
    enum { COLUMN = 28 };
    int width = option->key < CLI_LONG ? printf("  -%c, --%s", option->key, option->name)
                                       : printf("      --%s", option->name);

    if (option->argument)
        width += printf(" %s", option->argument);
    if (width > COLUMN - 2)
        width = printf("\n") - 1;
    printf("%*s", COLUMN - width, "");
    for (const char *c = option->help; *c; c++) {
        putchar(*c);
        if (*c == '\n')
            printf("%*s", COLUMN, "");
    }
    if (command->print_default)
        command->print_default(stdout, option->key);
    putchar('\n');
}

static void print_help(const struct cli_command *command)
{
    printf("usage: ward %s %s\n\n%s\n\noptions:\n", command->name, command->operands,
           command->text);
    for (size_t i = 0; command->options[i].name; i++)
        print_option(command, &command->options[i]);
}

/* getopt's view of the table: a letter gets its own value, others CLI_LONG + their place. */
static void fill_getopt(const struct cli_command *command, struct option *longs, char *letters)
{
    *letters++ = ':'; /* tell a missing argument apart, and print nothing */
    for (size_t i = 0; command->options[i].name; i++) {
        const struct cli_option *option = &command->options[i];

        longs[i] = (struct option){option->name, option->argument ? required_argument : no_argument,
                                   NULL, CLI_LONG + (int)i};
        if (option->key >= CLI_LONG)
            continue;
        *letters++ = (char)option->key;
        if (option->argument)
            *letters++ = ':';
    }
    *letters = '\0';
}

static int bad_option(const struct cli *cli, int found, char **argv, int letter)
{
    const char *word = argv[optind - 1];

    if (found == ':' && letter >= CLI_LONG)
        return cli_usage(cli, "option '--%s' needs a value",
                         cli->command->options[letter - CLI_LONG].name);
    if (found == ':')
        return cli_usage(cli, "option '-%c' needs a value", letter);
    if (letter >= CLI_LONG)
        return cli_usage(cli, "option '--%s' takes no value",
                         cli->command->options[letter - CLI_LONG].name);
    if (letter)
        return cli_usage(cli, "unknown option '-%c'", letter);
    return cli_usage(cli, "unknown option '%s'", word);
}

static int check_operands(const struct cli *cli)
{
    size_t count = cli->operand_count;

    if (count < cli->command->operands_min)
        return cli_usage(cli, "missing operand: ward %s %.*s", cli->command->name,
                         (int)strcspn(cli->command->operands, "\n"), cli->command->operands);
    if (count > cli->command->operands_max)
        return cli_usage(cli, "unexpected operand '%s'", cli->operands[cli->command->operands_max]);
    return CLI_RUN;
}

int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct option longs[CLI_OPTIONS_MAX] = {{0}};
    char letters[2 * CLI_OPTIONS_MAX + 2];
    int found;

    *cli = (struct cli){.command = command};
    if (options_count(command) >= CLI_OPTIONS_MAX)
        abort();
    fill_getopt(command, longs, letters);
    opterr = 0;
    optind = 1;
    while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        size_t place;

        if (found == '?' || found == ':')
            return bad_option(cli, found, argv, optopt);
        place = found >= CLI_LONG ? (size_t)(found - CLI_LONG) : option_place(command, found);
        if (command->options[place].key == 'h') {
            print_help(command);
            return CLI_DONE;
        }
        cli->values[place] = optarg ? optarg : "";
        if (command->options[place].key == 'o' && !*optarg)
            return cli_usage(cli, "--out is empty");
        if (command->options[place].key != CLI_RECIPIENT)
            continue;
        if (cli->recipient_count == CLI_RECIPIENTS_MAX)
            return cli_usage(cli, "more than %d recipients: see ward key grant",
                             CLI_RECIPIENTS_MAX);
        cli->recipients[cli->recipient_count++] = optarg;
    }
    cli->operands = argv + optind;
    cli->operand_count = (size_t)(argc - optind);
    return check_operands(cli);
}

/* The number that text of some length is. */
static bool read_count(const struct cli *cli, int key, const char *text, size_t len, uint64_t min,
                       uint64_t max, uint64_t *out)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || end != text + len || errno) {
        cli_usage(cli, "--%s '%.*s' is not a whole number", cli_name(cli, key), (int)len, text);
        return false;
    }
    if (value < min || value > max) {
        cli_usage(cli, "--%s %.*s is not within %llu .. %llu", cli_name(cli, key), (int)len, text,
                  (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = value;
    return true;
}

bool cli_count(const struct cli *cli, int key, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *text = cli_text(cli, key);

    return !text || read_count(cli, key, text, strlen(text), min, max, out);
}

bool cli_counts(const struct cli *cli, int key, uint64_t min, uint64_t max, uint64_t *out,
                size_t room)
{
    const char *text = cli_text(cli, key);
    size_t count = 0;

    if (!text)
        return true;
    memset(out, 0, room * sizeof(*out));
    for (;; text++) {
        size_t len = strcspn(text, ",");

        if (count == room) {
            cli_usage(cli, "--%s has more than %zu numbers", cli_name(cli, key), room);
            return false;
        }
        if (!read_count(cli, key, text, len, min, max, &out[count++]))
            return false;
        text += len;
        if (!*text)
            return true;
    }
}

bool cli_real(const struct cli *cli, int key, double *out)
{
    const char *text = cli_text(cli, key);
    double value;
    char *end;

    if (!text)
        return true;
    value = strtod(text, &end);
    if (end == text || *end || strchr(" \t\n\v\f\r", text[0]) || !isfinite(value)) {
        cli_usage(cli, "--%s '%s' is not a number", cli_name(cli, key), text);
        return false;
    }
    *out = value;
    return true;
}

bool cli_word(const struct cli *cli, int key, const char *const *words, size_t *out)
{
    const char *text = cli_text(cli, key);

    if (!text)
        return true;
    for (size_t i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return true;
        }
    fprintf(stderr, "ward %s: --%s '%s' is not one of", cli->command->name, cli_name(cli, key),
            text);
    for (size_t i = 0; words[i]; i++)
        fprintf(stderr, "%s %s", i ? "," : "", words[i]);
    fprintf(stderr, " (see ward %s -h)\n", cli->command->name);
    return false;
}

bool cli_split(const struct cli *cli, int key, ward_split *out)
{
    static const char *const words[] = {"test", "train", NULL};
    size_t which = 0;

    if (!cli_word(cli, key, words, &which))
        return false;
    *out = which ? WARD_SPLIT_TRAIN : WARD_SPLIT_TEST;
    return true;
}

int cli_open_device(const struct cli *cli, ward_device **out)
{
    uint64_t threads = 0;
    ward_status st;

    if (!cli_count(cli, CLI_THREADS, 1, 256, &threads))
        return CLI_USAGE;
    ward_set_threads((unsigned)threads);
    st = ward_device_open(out, cli_text(cli, CLI_DEVICE));
    return st ? cli_failed(cli, st) : CLI_RUN;
}
