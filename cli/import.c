/* ward import: an ONNX file of other software as a run. */
#include "cli.h"
#include "json.h"

enum option_key { OPT_DATA = CLI_LONG };

static const struct cli_option options[] = {
    {'o', "out", "RUN", "the directory to write the run to"},
    {OPT_DATA, "data", "DATA",
     "what the network was trained on: NAME, NAME:PATH or PATH\n"
     "[as a file from ward export says]"},
    CLI_OPTION_FORCE,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "import",
    .operands = "FILE --out RUN [options]",
    .text =
        "Read a network of an architecture known here from an ONNX file, written by ward export\n"
        "or by PyTorch, and make it a run of method baseline: to be evaluated, or protected with\n"
        "ward train --from.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

static void print(const struct cli *cli, const ward_run_info *info, const ward_onnx_found *found)
{
    const char *out = cli_text(cli, 'o');
    struct js js;

    if (!cli_has(cli, CLI_JSON)) {
        printf("%s: %s, %zu classes of %s%s\n", out, info->arch, info->classes, info->data,
               found->is_folded ? "; batch norm was folded away" : "");
        printf("next: ward eval %s\n", out);
        return;
    }
    js_begin(&js, stdout);
    js_text(&js, "run", out);
    js_text(&js, "arch", info->arch);
    js_text(&js, "data", info->data);
    js_count(&js, "classes", info->classes);
    js_text(&js, "model_id", info->model_id);
    js_text(&js, "protected_by",
            found->method == WARD_METHOD_BASELINE ? NULL : ward_method_name(found->method));
    js_bool(&js, "is_folded", found->is_folded);
    js_finish(&js);
}

/* As anybody else would see the new run. */
static int show(const struct cli *cli, const ward_onnx_found *found)
{
    ward_run *run = NULL;
    ward_run_info info;
    ward_status st = ward_run_open(&run, cli_text(cli, 'o'));

    if (st)
        return cli_failed(cli, st);
    ward_run_describe(run, &info);
    if (found->method != WARD_METHOD_BASELINE)
        cli_talk(cli, "protected by method %s: accurate only on images processed by its transform",
                 ward_method_name(found->method));
    print(cli, &info, found);
    ward_run_close(run);
    return CLI_DONE;
}

int cmd_import(int argc, char **argv)
{
    struct cli cli;
    ward_dataset *data = NULL;
    ward_onnx_found found;
    ward_status st = WARD_OK;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (!cli_has(&cli, 'o'))
        return cli_usage(&cli, "--out is missing");
    if (cli_has(&cli, OPT_DATA))
        st = ward_dataset_open(&data, cli_text(&cli, OPT_DATA));
    if (!st)
        st = ward_onnx_import(cli.operands[0], cli_text(&cli, 'o'), data, cli_has(&cli, CLI_FORCE),
                              &found);
    if (st == WARD_ERR_EXISTS)
        code = cli_error(&cli, "%s; --force replaces it", ward_error_message());
    else
        code = st ? cli_failed(&cli, st) : show(&cli, &found);
    ward_dataset_free(data);
    return code;
}
