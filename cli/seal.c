/* ward seal: a run's transform for its owner and the users he names, and his signature. */
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "keys.h"

enum option_key { OPT_EXPIRES = CLI_LONG, OPT_USES };

static const struct cli_option options[] = {
    CLI_OPTION_RECIPIENT("seal it to this user, too: a public key, or a file that holds\n"
                         "one; may be repeated"),
    {OPT_EXPIRES, "expires", "DATE", "the last day on which users may open it, 2027-01-31 (UTC)"},
    {OPT_USES, "uses", "N", "how often each user may open it, 1 .. 1000000000"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "seal",
    .operands = "RUN [options]",
    .text =
        "Seal a run's transform, and its checkpoint if there is one, to the owner's key, and\n"
        "sign its files once it is trained. A plain run becomes a sealed one; of a sealed one,\n"
        "users stay, and terms unless some are given. Terms bind this software only: whoever\n"
        "holds a key may use other.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

/* The list of public keys, ended by NULL. */
static int take_recipients(const struct cli *cli, char *out[CLI_RECIPIENTS_MAX + 1])
{
    int code = CLI_RUN;

    for (size_t i = 0; i < cli->recipient_count && code == CLI_RUN; i++)
        code = keys_public(cli, cli->recipients[i], &out[i]);
    return code;
}

/* What has no model yet is sealed alone. */
static bool is_signed(const char *run)
{
    char *model = NULL;
    bool is_there;

    if (asprintf(&model, "%s/model.safetensors", run) < 0)
        return false;
    is_there = access(model, F_OK) == 0;
    free(model);
    return is_there;
}

int cmd_seal(int argc, char **argv)
{
    struct cli cli;
    char *recipients[CLI_RECIPIENTS_MAX + 1] = {NULL};
    ward_terms terms = {.uses = 0};
    ward_keys *keys = NULL;
    ward_status st;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_count(&cli, OPT_USES, 1, 1000000000, &terms.uses))
        return CLI_USAGE;
    terms.expires = cli_text(&cli, OPT_EXPIRES);
    code = take_recipients(&cli, recipients);
    if (code == CLI_RUN)
        code = keys_open(&cli, &keys);
    if (code == CLI_RUN) {
        st = ward_run_seal(cli.operands[0], keys, (const char *const *)recipients,
                           terms.expires || terms.uses ? &terms : NULL);
        code = st ? cli_failed(&cli, st) : CLI_DONE;
    }
    if (code == CLI_DONE)
        printf("%s: sealed%s\n", cli.operands[0],
               is_signed(cli.operands[0]) ? " and signed" : "; not signed, as it is not complete");
    ward_keys_free(keys);
    for (size_t i = 0; i < CLI_RECIPIENTS_MAX; i++)
        ward_string_free(recipients[i]);
    return code;
}
