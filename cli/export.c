/* ward export: a run's network, and its transform, as ONNX files for other software. */
#include "cli.h"
#include "json.h"
#include "keys.h"

enum option_key { OPT_ONNX = CLI_LONG, OPT_TRANSFORM, OPT_JOINED, OPT_FOLD };

static const struct cli_option options[] = {
    {OPT_ONNX, "onnx", "FILE", "write the network F: public"},
    {OPT_TRANSFORM, "with-transform", "FILE", "write the transform G alone: secret, mode 0600"},
    {OPT_JOINED, "joined", "FILE", "write F after G as one network: secret, mode 0600"},
    {OPT_FOLD, "fold", NULL, "fold batch norm into the convolutions: smaller, faster"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_FORCE,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "export",
    .operands = "RUN --onnx FILE [options]",
    .text =
        "Write a run's network as an ONNX file, which other software can run; and, if asked to,\n"
        "its transform, by itself or joined with the network. RUN may also be a bare\n"
        "model.safetensors, then without a transform.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

static const struct {
    int key;
    ward_onnx_part part;
} outputs[] = {
    {OPT_ONNX, WARD_ONNX_NETWORK},
    {OPT_TRANSFORM, WARD_ONNX_TRANSFORM},
    {OPT_JOINED, WARD_ONNX_JOINED},
};

enum { OUTPUTS = sizeof(outputs) / sizeof(outputs[0]) };

static int export_one(const struct cli *cli, const ward_run *run, size_t i)
{
    const char *path = cli_text(cli, outputs[i].key);
    ward_onnx_options wanted = {.part = outputs[i].part,
                                .is_folded = cli_has(cli, OPT_FOLD),
                                .replaces = cli_has(cli, CLI_FORCE)};
    ward_status st = ward_onnx_export(run, path, &wanted);

    if (st == WARD_ERR_EXISTS)
        return cli_error(cli, "'%s' is there already; --force overwrites it", path);
    return st ? cli_failed(cli, st) : CLI_RUN;
}

static void print(const struct cli *cli, const ward_run_info *info)
{
    struct js js;

    if (cli_has(cli, CLI_JSON)) {
        js_begin(&js, stdout);
        js_text(&js, "model_id", info->model_id);
    }
    for (size_t i = 0; i < OUTPUTS; i++) {
        if (!cli_has(cli, outputs[i].key))
            continue;
        if (cli_has(cli, CLI_JSON))
            js_text(&js, cli_name(cli, outputs[i].key), cli_text(cli, outputs[i].key));
        else
            printf("%s\n", cli_text(cli, outputs[i].key));
    }
    if (cli_has(cli, CLI_JSON))
        js_finish(&js);
}

static int export_all(const struct cli *cli, const ward_run *run)
{
    ward_run_info info;
    int code = CLI_RUN;

    ward_run_describe(run, &info);
    for (size_t i = 1; i < OUTPUTS; i++)
        if (cli_has(cli, outputs[i].key) && !info.has_transform)
            return cli_error(cli, "--%s: '%s' has no transform", cli_name(cli, outputs[i].key),
                             cli->operands[0]);
    for (size_t i = 0; i < OUTPUTS && code == CLI_RUN; i++)
        if (cli_has(cli, outputs[i].key))
            code = export_one(cli, run, i);
    if (code != CLI_RUN)
        return code;
    print(cli, &info);
    return CLI_DONE;
}

static int check_command_line(const struct cli *cli)
{
    int keys[OUTPUTS];
    size_t given = 0;

    for (size_t i = 0; i < OUTPUTS; i++) {
        keys[i] = outputs[i].key;
        if (!cli_has(cli, outputs[i].key))
            continue;
        given++;
        if (!*cli_text(cli, outputs[i].key))
            return cli_usage(cli, "--%s is empty", cli_name(cli, outputs[i].key));
    }
    return given ? cli_check_files(cli, keys, OUTPUTS) : cli_usage(cli, "--onnx is missing");
}

int cmd_export(int argc, char **argv)
{
    struct cli cli;
    ward_run *run = NULL;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code == CLI_RUN)
        code = check_command_line(&cli);
    if (code != CLI_RUN)
        return code;
    code = keys_open_run(&cli, cli.operands[0], &run);
    if (code == CLI_RUN)
        code = export_all(&cli, run);
    ward_run_close(run);
    return code;
}
