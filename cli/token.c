/* ward token: who may ask a server, and how much. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"

enum option_key {
    OPT_TOKENS = CLI_LONG,
    OPT_USER,
    OPT_RATE,
    OPT_BUDGET,
    OPT_DISTINCT,
    OPT_EXPIRES
};

static const struct cli_option options[] = {
    {OPT_TOKENS, "tokens", "FILE", "the tokens file"},
    {OPT_USER, "user", "NAME", "new: whose the token is"},
    {OPT_RATE, "rate", "N", "new: images a second [unlimited]"},
    {OPT_BUDGET, "budget", "N", "new: images a day, UTC [unlimited]"},
    {OPT_DISTINCT, "distinct", "N",
     "new: different images whose processed form is handed out,\never [unlimited]"},
    {OPT_EXPIRES, "expires", "DAY", "new: the last day, as 2027-01-31, UTC [never]"},
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "token",
    .operands = "new --tokens FILE --user NAME [options]\n"
                "       ward token list --tokens FILE [options]\n"
                "       ward token revoke ID|USER --tokens FILE [options]",
    .text = "Make, list and revoke the tokens by which a server knows its users. A new token is\n"
            "printed once; the file keeps only its digest. A running server takes the file's\n"
            "changes on SIGHUP.",
    .options = options,
    .operands_min = 1,
    .operands_max = 2,
};

static int copy_text(const struct cli *cli, int key, char *out, size_t room)
{
    const char *text = cli_text(cli, key);

    if (text && strlen(text) >= room)
        return cli_usage(cli, "--%s '%s' is too long", cli_name(cli, key), text);
    if (text)
        memcpy(out, text, strlen(text) + 1);
    return CLI_RUN;
}

static int read_terms(const struct cli *cli, ward_token *terms)
{
    enum { MOST = 1000000000 };
    int code;

    if (!cli_has(cli, OPT_USER))
        return cli_usage(cli, "--user is missing");
    if (!cli_count(cli, OPT_RATE, 1, MOST, &terms->rate) ||
        !cli_count(cli, OPT_BUDGET, 1, MOST, &terms->budget) ||
        !cli_count(cli, OPT_DISTINCT, 1, MOST, &terms->distinct))
        return CLI_USAGE;
    code = copy_text(cli, OPT_USER, terms->user, sizeof(terms->user));
    if (code == CLI_RUN)
        code = copy_text(cli, OPT_EXPIRES, terms->expires, sizeof(terms->expires));
    return code;
}

static void print_terms(struct js *js, const ward_token *t)
{
    const struct {
        const char *key;
        uint64_t value;
    } limits[] = {{"rate", t->rate}, {"budget", t->budget}, {"distinct", t->distinct}};

    js_text(js, "user", t->user);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        if (limits[i].value)
            js_count(js, limits[i].key, limits[i].value);
        else
            js_null(js, limits[i].key);
    js_text(js, "expires", t->expires[0] ? t->expires : NULL);
}

static int make(const struct cli *cli, const char *path)
{
    ward_token terms = {.rate = 0};
    char *token = NULL;
    struct js js;
    ward_status st;
    int code = read_terms(cli, &terms);

    if (code != CLI_RUN)
        return code;
    st = ward_token_new(path, &terms, &token);
    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON)) {
        js_begin(&js, stdout);
        js_text(&js, "token", token);
        print_terms(&js, &terms);
        js_finish(&js);
    } else {
        printf("%s\n", token);
    }
    cli_talk(cli, "it is shown this once; give it to '%s' by a way that nobody else reads",
             terms.user);
    explicit_bzero(token, strlen(token));
    ward_string_free(token);
    return CLI_DONE;
}

static void print_limit(uint64_t limit)
{
    if (limit)
        printf("  %10llu", (unsigned long long)limit);
    else
        printf("  %10s", "unlimited");
}

static void print_lines(const ward_token *tokens, size_t count)
{
    if (count)
        printf("%-8s  %-16s  %10s  %10s  %10s  %s\n", "id", "user", "a second", "a day", "distinct",
               "expires");
    for (size_t i = 0; i < count; i++) {
        printf("%-8s  %-16s", tokens[i].id, tokens[i].user);
        print_limit(tokens[i].rate);
        print_limit(tokens[i].budget);
        print_limit(tokens[i].distinct);
        printf("  %s\n", tokens[i].expires[0] ? tokens[i].expires : "never");
    }
}

static int list(const struct cli *cli, const char *path)
{
    ward_token *tokens = NULL;
    size_t count = 0;
    struct js js;
    ward_status st = ward_token_list(path, &tokens, &count);

    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON)) {
        js_begin(&js, stdout);
        js_array(&js, "tokens");
        for (size_t i = 0; i < count; i++) {
            js_object(&js, NULL);
            js_text(&js, "id", tokens[i].id);
            print_terms(&js, &tokens[i]);
            js_end(&js);
        }
        js_finish(&js);
    } else {
        print_lines(tokens, count);
    }
    ward_tokens_free(tokens);
    return CLI_DONE;
}

static int revoke(const struct cli *cli, const char *path, const char *which)
{
    struct js js;
    size_t count = 0;
    ward_status st = ward_token_revoke(path, which, &count);

    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON)) {
        js_begin(&js, stdout);
        js_count(&js, "revoked", count);
        js_finish(&js);
    } else {
        printf("%zu revoked\n", count);
    }
    return CLI_DONE;
}

int cmd_token(int argc, char **argv)
{
    static const int for_new[] = {OPT_USER, OPT_RATE, OPT_BUDGET, OPT_DISTINCT, OPT_EXPIRES};
    struct cli cli;
    const char *what, *path;
    bool is_new, is_revoke;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    what = cli.operands[0];
    is_new = strcmp(what, "new") == 0;
    is_revoke = strcmp(what, "revoke") == 0;
    path = cli_text(&cli, OPT_TOKENS);
    if (!is_new && !is_revoke && strcmp(what, "list") != 0)
        return cli_usage(&cli, "'%s' is not one of new, list, revoke", what);
    if (cli.operand_count != (is_revoke ? 2 : 1))
        return is_revoke ? cli_usage(&cli, "which token? its id or its user is missing")
                         : cli_usage(&cli, "unexpected operand '%s'", cli.operands[1]);
    for (size_t i = 0; !is_new && i < sizeof(for_new) / sizeof(for_new[0]); i++)
        if (cli_has(&cli, for_new[i]))
            return cli_usage(&cli, "--%s is for new tokens", cli_name(&cli, for_new[i]));
    if (!path || !*path)
        return cli_usage(&cli, "--tokens is missing");
    return is_new      ? make(&cli, path)
           : is_revoke ? revoke(&cli, path, cli.operands[1])
                       : list(&cli, path);
}
