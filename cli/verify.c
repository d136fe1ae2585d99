/* ward verify: whether a run is what its owner has signed. */
#include <unistd.h>

#include "cli.h"
#include "json.h"
#include "keys.h"

enum option_key { OPT_OWNER = CLI_LONG };

static const struct cli_option options[] = {
    {OPT_OWNER, "owner", "PUBLIC",
     "whose signature it must be: a public key, or a file that\n"
     "holds one [the user's own owner key]"},
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "verify",
    .operands = "RUN [options]",
    .text = "Check a run's files against the manifest that its owner has signed (ward seal).\n"
            "Nothing secret is opened, and no passphrase is needed.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

static int owner_of(const struct cli *cli, char **out)
{
    char *path = NULL;
    ward_status st;
    int code = CLI_RUN;

    if (cli_has(cli, OPT_OWNER))
        return keys_public(cli, cli_text(cli, OPT_OWNER), out);
    st = ward_key_default_path(WARD_KEY_OWNER, &path);
    if (!st && access(path, F_OK) != 0)
        code = cli_usage(cli, "--owner is missing, and you have no owner key");
    else if (!st)
        st = ward_key_public(path, out);
    if (st)
        code = cli_failed(cli, st);
    ward_string_free(path);
    return code;
}

static void print_terms(const ward_manifest_info *info)
{
    if (info->expires[0])
        printf("users may open its transform until %s\n", info->expires);
    if (info->uses)
        printf("each user may open its transform %llu times\n", (unsigned long long)info->uses);
}

static void print(const struct cli *cli, const ward_manifest_info *info)
{
    struct js js;

    if (!cli_has(cli, CLI_JSON)) {
        printf("%s: %zu files as signed, model %s\n", cli->operands[0], info->file_count,
               info->model_id);
        print_terms(info);
        return;
    }
    js_begin(&js, stdout);
    js_text(&js, "run", cli->operands[0]);
    js_bool(&js, "verified", true);
    js_text(&js, "owner", info->owner);
    js_text(&js, "model_id", info->model_id);
    js_count(&js, "files", info->file_count);
    js_text(&js, "expires", info->expires[0] ? info->expires : NULL);
    if (info->uses)
        js_count(&js, "uses", info->uses);
    else
        js_text(&js, "uses", NULL);
    js_finish(&js);
}

int cmd_verify(int argc, char **argv)
{
    struct cli cli;
    ward_manifest_info info;
    char *owner = NULL;
    ward_status st;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code == CLI_RUN)
        code = owner_of(&cli, &owner);
    if (code != CLI_RUN)
        return code;
    st = ward_run_verify(cli.operands[0], owner, &info);
    if (!st)
        print(&cli, &info);
    ward_string_free(owner);
    return st ? cli_failed(&cli, st) : CLI_DONE;
}
