/* ward version: what this build is and what it can use here. */
#include <string.h>

#include "cli.h"
#include "json.h"

static const struct cli_option options[] = {
    CLI_OPTION_JSON,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "version",
    .operands = "[options]",
    .text = "Print the version, the commit it was built from, the devices that it can compute on\n"
            "here, the libraries it uses and the processor's features.",
    .options = options,
    .operands_max = 0,
};

/* The next word of a list with blanks between; NULL at the end. Words are cut to len. */
static const char *next_word(const char *list, char *word, size_t len)
{
    size_t n;

    list += strspn(list, " ");
    n = strcspn(list, " ");
    if (!n)
        return NULL;
    snprintf(word, len, "%.*s", (int)n, list);
    return list + n;
}

/* The device's own words; the message if it cannot be opened here. */
static void add_device(struct js *js, const char *name)
{
    ward_device *device = NULL;
    ward_status st = ward_device_open(&device, name);

    if (js) {
        js_object(js, NULL);
        js_text(js, "name", name);
        js_bool(js, "usable", !st);
        js_text(js, "summary", st ? ward_error_message() : ward_device_summary(device));
        js_end(js);
    } else {
        printf("device     %s: %s\n", name,
               st ? ward_error_message() : ward_device_summary(device));
    }
    ward_device_close(device);
}

static void print_text(const ward_build *build)
{
    const char *name;

    printf("ward %s\n", build->version);
    printf("commit     %s\n", build->commit);
    printf("compiler   %s\n", build->compiler);
    printf("processor  %s\n", build->cpu_features);
    for (size_t i = 0; (name = ward_device_list(i)); i++)
        add_device(NULL, name);
    printf("libraries  %s\n", build->libraries);
}

static void add_libraries(struct js *js, const char *list)
{
    char word[64];

    js_object(js, "libraries");
    while ((list = next_word(list, word, sizeof(word)))) {
        char *version = strchr(word, '/');

        if (version)
            *version++ = '\0';
        js_text(js, word, version);
    }
    js_end(js);
}

static void print_json(const ward_build *build)
{
    const char *name, *list = build->cpu_features;
    char word[64];
    struct js js;

    js_begin(&js, stdout);
    js_text(&js, "version", build->version);
    js_text(&js, "commit", build->commit);
    js_text(&js, "compiler", build->compiler);
    js_array(&js, "cpu_features");
    while ((list = next_word(list, word, sizeof(word))))
        js_text(&js, NULL, word);
    js_end(&js);
    js_array(&js, "devices");
    for (size_t i = 0; (name = ward_device_list(i)); i++)
        add_device(&js, name);
    js_end(&js);
    add_libraries(&js, build->libraries);
    js_finish(&js);
}

int cmd_version(int argc, char **argv)
{
    struct cli cli;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    if (cli_has(&cli, CLI_JSON))
        print_json(ward_build_info());
    else
        print_text(ward_build_info());
    return CLI_DONE;
}
