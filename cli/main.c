/* The ward command: a table of commands and a loop. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cli.h"

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"train", "train a protected network and its secret transform", cmd_train},
    {"eval", "measure a run's accuracy with and without its transform", cmd_eval},
    {"attack", "measure what a thief reaches without the transform", cmd_attack},
    {"transform", "apply a run's secret transform to images", cmd_transform},
    {"predict", "say what images show", cmd_predict},
    {"figure", "draw raw images, processed images and perturbations", cmd_figure},
    {"report", "make a page of runs and attacks, beside the paper's numbers", cmd_report},
    {"export", "write a run's network as an ONNX file", cmd_export},
    {"import", "make a run of an ONNX file", cmd_import},
    {"reproduce", "make the paper's tables and figure, beside its numbers", cmd_reproduce},
    {"key", "make keys, say who may open a run, and what its own key is worth", cmd_key},
    {"seal", "seal a run's transform and sign its files", cmd_seal},
    {"verify", "check a run's files against its owner's signature", cmd_verify},
    {"relock", "give a run a new transform after the old one has leaked", cmd_relock},
    {"token", "say who may ask a server, and how much", cmd_token},
    {"serve", "answer others over HTTP", cmd_serve},
    {"data", "list, fetch and verify data sets", cmd_data},
    {"bench", "measure speed", cmd_bench},
    {"version", "say what this build is", cmd_version},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int print_help(void)
{
    printf("usage: ward COMMAND [options] [operands]\n\n"
           "Image classifiers that work only for holders of a secret transform.\n\n"
           "commands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-12s%s\n", commands[i].name, commands[i].summary);
    printf("  %-12s%s\n\n", "help", "print this, or the help of a command");
    printf("See ward COMMAND -h, or the manual page ward-COMMAND(1).\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage, 3 access denied.\n");
    return CLI_DONE;
}

static int run(const char *name, int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc, argv);
    fprintf(stderr, "ward: unknown command '%s' (see ward help)\n", name);
    return CLI_USAGE;
}

static int run_help(int argc, char **argv)
{
    static char help[] = "-h";
    char *asked[] = {argc > 1 ? argv[1] : NULL, help, NULL};

    if (argc == 1)
        return print_help();
    if (argc == 2)
        return run(argv[1], 2, asked);
    fprintf(stderr, "ward help: unexpected operand '%s' (see ward help)\n", argv[2]);
    return CLI_USAGE;
}

static int dispatch(int argc, char **argv)
{
    static char version[] = "version";
    char *asked[] = {version, NULL};

    if (argc < 2) {
        fprintf(stderr, "ward: no command given (see ward help)\n");
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0)
        return run(version, 1, asked);
    if (strcmp(argv[1], "help") == 0)
        return run_help(argc - 1, argv + 1);
    return run(argv[1], argc - 1, argv + 1);
}

/*
 * Threads of libgomp that wait for each other spin for milliseconds by default: beside two jobs
 * that wanted their cores, a training took 2.5 times as long as by giving way
 * (docs/performance.md). So what computes for minutes lets them sleep after a thousand turns,
 * unless the environment says otherwise. libgomp reads it when it is loaded, before main(), hence
 * anew: but not where the program at hand is the dynamic loader. A server's threads keep the
 * default, which answers sooner.
 */
static void wait_politely(int argc, char **argv)
{
    static const char *const names[] = {"train", "attack", "reproduce"};
    char self[PATH_MAX];
    ssize_t len = 0;

    if (argc < 2 || getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || !getauxval(AT_BASE))
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && len == 0; i++)
        if (strcmp(argv[1], names[i]) == 0)
            len = readlink("/proc/self/exe", self, sizeof self);
    if (len <= 0 || (size_t)len >= sizeof self || setenv("GOMP_SPINCOUNT", "1000", 1) != 0)
        return;
    self[len] = '\0';
    execv(self, argv); /* if that fails, it is slower beside other jobs: no more */
}

int main(int argc, char **argv)
{
    int code;

    wait_politely(argc, argv);
    ward_guard_enter(argc, argv);
    code = dispatch(argc, argv);
    /* A result that could not be written is not a result. */
    if ((fflush(stdout) || ferror(stdout)) && code == CLI_DONE) {
        fprintf(stderr, "ward: cannot write to standard output: %s\n", strerror(errno));
        code = CLI_FAILED;
    }
    return code;
}
