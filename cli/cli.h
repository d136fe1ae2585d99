/*
 * What all commands share: one table of options that is both parsed and printed as help, one way to
 * report a failure, and the options that mean the same everywhere.
 *
 * stdout carries results only; everything else goes to stderr.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <ward/ward.h>

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

enum cli_exit {
    CLI_RUN = -1, /* of cli_parse(): nothing to exit for */
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_DENIED = 3
};

/* Options without a letter get a key of their own: CLI_LONG, CLI_LONG + 1, ... */
enum { CLI_LONG = 256, CLI_OPTIONS_MAX = 72, CLI_RECIPIENTS_MAX = 64 };

struct cli_option {
    int key;
    const char *name;     /* without the dashes */
    const char *argument; /* its name in the help; NULL: a flag */
    const char *help;     /* "\n" breaks the line */
};

/* The options that mean the same everywhere. A table ends with CLI_OPTION_HELP, CLI_OPTION_END. */
enum {
    CLI_DEVICE = CLI_LONG + 1000,
    CLI_THREADS,
    CLI_JSON,
    CLI_FORCE,
    CLI_IDENTITY,
    CLI_PASSPHRASE_FILE,
    CLI_PASSPHRASE_FD,
    CLI_TPM,
    CLI_RECIPIENT
};
/* clang-format off */
#define CLI_OPTION_DEVICE {CLI_DEVICE, "device", "NAME", "what computes: cpu or ref [cpu]"}
#define CLI_OPTION_THREADS \
    {CLI_THREADS, "threads", "N", \
     "threads to compute with, 1 .. 256\n[what OMP_NUM_THREADS says, or one a core]"}
#define CLI_OPTION_JSON {CLI_JSON, "json", NULL, "print the result as one JSON object"}
#define CLI_OPTION_FORCE {CLI_FORCE, "force", NULL, "overwrite what is there"}
/* With what a sealed run is opened: cli/keys.h. */
#define CLI_OPTIONS_KEYS                                                                     \
    {CLI_IDENTITY, "identity", "FILE",                                                       \
     "the key file that opens what is sealed\n[the owner's, then the user's in the data folder]"}, \
        {CLI_PASSPHRASE_FILE, "passphrase-file", "FILE",                                     \
         "the first line of it is the key file's passphrase or PIN\n[asked for on the terminal]"}, \
        {CLI_PASSPHRASE_FD, "passphrase-fd", "N", "the same from an open descriptor"},        \
        {CLI_TPM, "tpm", "TCTI", "which TPM, as tpm2-tss spells it [the machine's own]"}
#define CLI_OPTION_RECIPIENT(text) {CLI_RECIPIENT, "recipient", "PUBLIC", text}
#define CLI_OPTION_QUIET {'q', "quiet", NULL, "no messages but errors"}
#define CLI_OPTION_HELP {'h', "help", NULL, "print this help"}
#define CLI_OPTION_END {0, NULL, NULL, NULL}
/* clang-format on */

struct cli_command {
    const char *name;
    const char *operands; /* the rest of the usage line; more lines: other ways to call it */
    const char *text;     /* what the command does: for the help */
    const struct cli_option *options;
    size_t operands_min, operands_max;
    /* Prints " [DEFAULT]" for options whose default is computed; may be NULL. */
    void (*print_default)(FILE *out, int key);
};

/* A parsed command line. */
struct cli {
    const struct cli_command *command;
    const char *values[CLI_OPTIONS_MAX]; /* by place in the table; "" for a flag; NULL: not given */
    const char *recipients[CLI_RECIPIENTS_MAX]; /* of each --recipient, the only one that repeats */
    size_t recipient_count;
    char **operands;
    size_t operand_count;
};

/*
 * Parse argv (argv[0] is the command's name). Returns CLI_RUN, or the exit status after having
 * printed help or a usage error.
 */
int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv);

bool cli_has(const struct cli *cli, int key);
/* The option's argument; NULL if it was not given. */
const char *cli_text(const struct cli *cli, int key);
/* The option's long name. */
const char *cli_name(const struct cli *cli, int key);

/*
 * Numbers in full: no sign, no blanks, nothing after them. *out stays as it is if the option was
 * not given; false after a usage error was printed.
 */
bool cli_count(const struct cli *cli, int key, uint64_t min, uint64_t max, uint64_t *out);
/* Several, separated by commas; what is left of room becomes 0. */
bool cli_counts(const struct cli *cli, int key, uint64_t min, uint64_t max, uint64_t *out,
                size_t room);
bool cli_real(const struct cli *cli, int key, double *out);
/* One of several words, a list that ends with NULL: *out becomes its place. */
bool cli_word(const struct cli *cli, int key, const char *const *words, size_t *out);
/* --split test or train; test if it was not given. */
bool cli_split(const struct cli *cli, int key, ward_split *out);

/* "ward NAME: TEXT (see ward NAME -h)" on stderr; returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...) CLI_PRINTF(2, 3);
/* Options that each name a file to write: CLI_RUN, or a usage error if two name the same. */
int cli_check_files(const struct cli *cli, const int *keys, size_t count);
/* "ward NAME: TEXT" on stderr; returns CLI_FAILED. */
int cli_error(const struct cli *cli, const char *format, ...) CLI_PRINTF(2, 3);
/* The library's last message on stderr; returns the exit status that belongs to it. */
int cli_failed(const struct cli *cli, ward_status status);
/* A line on stderr, unless -q was given. */
void cli_talk(const struct cli *cli, const char *format, ...) CLI_PRINTF(2, 3);

/* Obeys --device and --threads; prints what is wrong. Owned: ward_device_close(). */
int cli_open_device(const struct cli *cli, ward_device **out);

/* The commands. argv[0] is the command's name; each returns an exit status. */
int cmd_train(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_attack(int argc, char **argv);
int cmd_transform(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_figure(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_reproduce(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_seal(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_relock(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif
