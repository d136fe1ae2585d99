/* See remote.h. */
#include "remote.h"

bool remote_operands(const struct cli *cli, bool needs_images, size_t *before)
{
    static const int for_remote[] = {CLI_TOKEN_FILE, CLI_CA, CLI_CERT, CLI_CERT_KEY};

    *before = cli_has(cli, CLI_REMOTE) ? 0 : 1;
    for (size_t i = 0; *before && i < sizeof(for_remote) / sizeof(for_remote[0]); i++)
        if (cli_has(cli, for_remote[i])) {
            cli_usage(cli, "--%s means nothing without --remote", cli_name(cli, for_remote[i]));
            return false;
        }
    if (cli->operand_count >= *before + needs_images)
        return true;
    cli_usage(cli, *before && !cli->operand_count ? "missing operand: a run, or --remote"
                                                  : "missing operand: which images?");
    return false;
}

int remote_open(const struct cli *cli, ward_remote **out, ward_run_info *info)
{
    const ward_remote_options options = {.token_file = cli_text(cli, CLI_TOKEN_FILE),
                                         .ca = cli_text(cli, CLI_CA),
                                         .certificate = cli_text(cli, CLI_CERT),
                                         .private_key = cli_text(cli, CLI_CERT_KEY)};
    ward_remote_info remote;
    ward_status st = ward_remote_open(out, cli_text(cli, CLI_REMOTE), &options);

    if (st)
        return cli_failed(cli, st);
    ward_remote_describe(*out, &remote);
    *info = (ward_run_info){.data = remote.name,
                            .channels = remote.channels,
                            .height = remote.height,
                            .width = remote.width,
                            .low = remote.low,
                            .high = remote.high,
                            .classes = remote.classes,
                            .class_names = remote.class_names,
                            .model_id = remote.model_id,
                            .has_transform = !remote.is_baseline && cli_has(cli, CLI_TOKEN_FILE)};
    return CLI_RUN;
}
