/* Parts of a run as ONNX files: see ward/onnx.h. */
#include "base/file.h"
#include "exchange/notes.h"
#include "model/run.h"
#include "onnx/onnx.h"
#include "ward/onnx.h"

static const struct part {
    const char *name, *result;
    bool is_secret;
    const char *input, *description;
} parts[] = {
    [WARD_ONNX_NETWORK] =
        {NOTES_NETWORK, "logits", false,
         "processed: images that the secret transform of this model has been applied to",
         "A protected network. It is accurate only on images that were processed by its secret "
         "transform, which is not in this file."},
    [WARD_ONNX_TRANSFORM] =
        {NOTES_TRANSFORM, "processed", true, "raw",
         "SECRET: the transform that unlocks a protected network. Give it to authorised users "
         "only."},
    [WARD_ONNX_JOINED] =
        {NOTES_JOINED, "logits", true, "raw",
         "SECRET: a protected network together with the transform that unlocks it. Give it to "
         "authorised users only."},
};

enum { PART_COUNT = sizeof parts / sizeof parts[0] };

static const struct part plain = {NOTES_NETWORK, "logits", false, "raw", "An unprotected network."};

/* ---- the graph ---- */

static ward_status source_graph(const struct ward_run *run, ward_onnx_part part, struct graph *g,
                                int *result)
{
    const struct net_spec *spec = &run->model.net.spec;
    const struct net_use use = {.is_frozen = true};
    int x = graph_input(g, (struct dims){1, spec->channels, spec->height, spec->width});

    if (part != WARD_ONNX_NETWORK)
        x = transform_build(&run->transform.spec, g, x, true);
    if (part != WARD_ONNX_TRANSFORM)
        x = net_build(spec, g, x, use);
    *result = x;
    return graph_finish(g);
}

/* ---- the metadata ---- */

static ward_status notes_new(const struct ward_run *run, const struct part *part, bool is_folded,
                             json_t **out)
{
    const char *const strings[][2] = {
        {"format", NOTES_FORMAT},      {"format_version", NOTES_VERSION},
        {"part", part->name},          {"is_secret", part->is_secret ? "true" : "false"},
        {"input", part->input},        {"batch_norm", is_folded ? "folded" : "kept"},
        {"notice", part->description},
    };
    json_t *notes = NULL;
    ward_status st = model_metadata(&run->model, &notes);

    for (size_t i = 0; i < sizeof strings / sizeof strings[0] && !st; i++)
        st = json_set(notes, strings[i][0], json_string(strings[i][1]));
    if (st)
        json_decref(notes);
    else
        *out = notes;
    return st;
}

/* ---- the file ---- */

static ward_status write_part(const struct ward_run *run, const char *path,
                              const ward_onnx_options *options, const struct part *part,
                              const struct onnx_source *source)
{
    int flags = (part->is_secret ? FILE_SECRET : 0) | (options->replaces ? FILE_REPLACE : 0);
    struct onnx_source with_notes = *source;
    json_t *notes = NULL;
    struct wr bytes = WR_INIT;
    ward_status st = notes_new(run, part, options->is_folded, &notes);

    with_notes.notes = notes;
    if (!st)
        st = onnx_write(&bytes, &with_notes);
    if (!st)
        st = file_write(path, bytes.data, bytes.len, flags);
    wr_release(&bytes);
    json_decref(notes);
    return st;
}

ward_status ward_onnx_export(const ward_run *run, const char *path,
                             const ward_onnx_options *options)
{
    const struct tensor_list *const params[] = {&run->model.net.params, &run->transform.params};
    struct onnx_source source = {
        .params = params, .param_lists = 2, .is_folded = options->is_folded};
    const struct part *part;
    struct graph g;
    ward_status st;

    if ((int)options->part < 0 || (int)options->part >= PART_COUNT)
        return ward_fail(WARD_ERR_ARG, "unknown part %d of a run", (int)options->part);
    if (options->part != WARD_ONNX_NETWORK && !run->has_transform)
        return ward_fail(WARD_ERR_ARG, "the run has no transform");
    part = options->part == WARD_ONNX_NETWORK && run->model.method == WARD_METHOD_BASELINE
               ? &plain
               : &parts[options->part];
    source.name = part->name;
    source.result_name = part->result;
    source.description = part->description;
    graph_init(&g);
    st = source_graph(run, options->part, &g, &source.result);
    source.graph = &g;
    if (!st)
        st = write_part(run, path, options, part, &source);
    graph_release(&g);
    return st;
}
