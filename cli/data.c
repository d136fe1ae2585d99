/* ward data: which data sets there are, getting them, and checking them. */
#include <signal.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "progress.h"

enum option_key { OPT_DIRECTORY = CLI_LONG };

enum { PATH_LEN = 4096 };

static const struct cli_option options[] = {
    {OPT_DIRECTORY, "directory", "DIR", "fetch: where to put the files [the user's data folder]"},
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "data",
    .operands = "list | fetch NAME | verify [DATA] [options]",
    .text = "List the known data sets and where they are on this machine, fetch one from its\n"
            "publisher, or check one (or all that are here) against the published SHA-256 sums.",
    .options = options,
    .operands_min = 1,
    .operands_max = 2,
};

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
    (void)number;
    is_stopped = 1;
}

/* path becomes "" for a set that is not on this machine. */
static int find(const struct cli *cli, const char *name, char path[PATH_LEN])
{
    ward_status st = ward_data_find(name, path, PATH_LEN);

    if (!st)
        return CLI_RUN;
    path[0] = '\0';
    return st == WARD_ERR_IO ? CLI_RUN : cli_failed(cli, st);
}

static int list(const struct cli *cli)
{
    struct js js, *json = cli_has(cli, CLI_JSON) ? &js : NULL;
    int code = CLI_RUN;
    const char *name;

    if (json) {
        js_begin(json, stdout);
        js_array(json, "data");
    }
    for (size_t i = 0; code == CLI_RUN && (name = ward_data_name(i)); i++) {
        char path[PATH_LEN];

        code = find(cli, name, path);
        if (json) {
            js_object(json, NULL);
            js_text(json, "name", name);
            js_text(json, "path", path[0] ? path : NULL);
            js_end(json);
        } else if (path[0]) {
            printf("%-14s %s\n", name, path);
        } else {
            printf("%-14s not here: ward data fetch %s\n", name, name);
        }
    }
    if (json)
        js_finish(json);
    return code == CLI_RUN ? CLI_DONE : code;
}

static int show_fetch(void *context, const char *file, uint64_t done, uint64_t total)
{
    struct progress *p = context;

    if (!is_stopped && progress_is_due(p)) {
        if (total)
            progress_draw(p, "%s: %.1f of %.1f MB", file, (double)done / 1e6, (double)total / 1e6);
        else
            progress_draw(p, "%s: %.1f MB", file, (double)done / 1e6);
    }
    return is_stopped;
}

/* An interrupted download leaves no file behind, so signals stop it by way of its progress. */
static int fetch(const struct cli *cli, const char *name)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct progress progress;
    ward_status st;
    struct js js;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    progress_init(&progress, cli);
    st = ward_data_fetch(name, cli_text(cli, OPT_DIRECTORY), show_fetch, &progress);
    progress_finish(&progress);
    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON)) {
        js_begin(&js, stdout);
        js_text(&js, "fetched", name);
        js_finish(&js);
    } else {
        printf("%s: in place and verified\n", name);
    }
    return CLI_DONE;
}

/* js is NULL for text. */
static int verify_one(const struct cli *cli, const char *spec, struct js *js)
{
    ward_status st = ward_data_verify(spec);

    if (js) {
        js_object(js, NULL);
        js_text(js, "name", spec);
        js_bool(js, "verified", !st);
        js_end(js);
    } else if (!st) {
        printf("%s: verified\n", spec);
    }
    return st ? cli_failed(cli, st) : CLI_DONE;
}

/* Each that is here, to the end, whatever is found. */
static int verify_all(const struct cli *cli, struct js *js)
{
    int worst = CLI_DONE;
    bool has_any = false;
    const char *name;

    for (size_t i = 0; (name = ward_data_name(i)); i++) {
        char path[PATH_LEN];
        int code = find(cli, name, path);

        if (code != CLI_RUN)
            return code;
        if (!path[0])
            continue;
        has_any = true;
        code = verify_one(cli, name, js);
        if (code != CLI_DONE)
            worst = code;
    }
    return has_any ? worst : cli_error(cli, "no known data set is on this machine");
}

static int verify(const struct cli *cli, const char *spec)
{
    struct js js, *json = cli_has(cli, CLI_JSON) ? &js : NULL;
    int code;

    if (json) {
        js_begin(json, stdout);
        js_array(json, "data");
    }
    code = spec ? verify_one(cli, spec, json) : verify_all(cli, json);
    if (json)
        js_finish(json);
    return code;
}

int cmd_data(int argc, char **argv)
{
    struct cli cli;
    const char *verb, *operand;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    verb = cli.operands[0];
    operand = cli.operand_count == 2 ? cli.operands[1] : NULL;
    if (cli_has(&cli, OPT_DIRECTORY) && strcmp(verb, "fetch") != 0)
        return cli_usage(&cli, "--directory goes with fetch only");
    if (strcmp(verb, "list") == 0)
        return operand ? cli_usage(&cli, "unexpected operand '%s'", operand) : list(&cli);
    if (strcmp(verb, "fetch") == 0)
        return operand ? fetch(&cli, operand) : cli_usage(&cli, "fetch needs a name");
    if (strcmp(verb, "verify") == 0)
        return verify(&cli, operand);
    return cli_usage(&cli, "'%s' is not list, fetch or verify", verb);
}
