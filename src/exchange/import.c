/* An ONNX file as a run of method baseline: see ward/onnx.h. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "exchange/notes.h"
#include "model/model.h"
#include "model/run_dir.h"
#include "model/spec.h"
#include "nn/calibrate.h"
#include "onnx/file.h"
#include "onnx/onnx.h"
#include "ward/onnx.h"

/* ---- what is not in the network itself ---- */

static ward_status describe_by_data(struct model *m, const ward_dataset *data)
{
    const ward_dataset_info *info = ward_dataset_get_info(data);
    const struct net_spec *spec = &m->net.spec;
    const char **names = NULL;
    ward_status st;

    if (spec->channels != info->input.channels || spec->height != info->input.height ||
        spec->width != info->input.width || spec->classes != info->classes)
        return ward_fail(WARD_ERR_ARG,
                         "the network takes images of %zu x %zu x %zu in %zu classes, but %s has "
                         "%u x %u x %u in %u",
                         spec->channels, spec->height, spec->width, spec->classes, info->name,
                         info->input.channels, info->input.height, info->input.width,
                         info->classes);
    st = mem_new(&names, info->classes, sizeof *names);
    if (st)
        return st;
    for (unsigned k = 0; k < info->classes; k++)
        names[k] = ward_dataset_class_name(data, k);
    st = model_describe(m, info->name, info->input.low, info->input.high, names, info->classes);
    mem_free(names);
    return st;
}

/* The metadata of a file of our own, but for the network, which is `of`. */
static ward_status describe_by_notes(struct model *m, const json_t *notes, const struct net *of)
{
    ward_status st = model_metadata_expect(notes, "format_version", NOTES_VERSION);

    if (!st)
        st = model_metadata_read(notes, m);
    if (!st &&
        (strcmp(m->net.spec.arch, of->spec.arch) != 0 ||
         m->net.spec.channels != of->spec.channels || m->net.spec.height != of->spec.height ||
         m->net.spec.width != of->spec.width || m->net.spec.classes != of->spec.classes))
        st = ward_fail(WARD_ERR_FORMAT, "the metadata describe another network");
    return st;
}

static bool is_ours(const json_t *notes)
{
    const char *format = json_string_value(json_object_get(notes, "format"));

    return format && strcmp(format, NOTES_FORMAT) == 0;
}

/* Only the network is imported. */
static ward_status refuse_secret(const json_t *notes)
{
    const char *part = json_string_value(json_object_get(notes, "part"));

    if (!part || strcmp(part, NOTES_NETWORK) != 0)
        return ward_fail(WARD_ERR_FORMAT, "it has a transform; only a network can be imported");
    return WARD_OK;
}

/* m is all zero but for the network. */
static ward_status describe(struct model *m, const json_t *notes, const ward_dataset *data)
{
    struct net net = m->net;
    struct model noted = {.data = NULL};
    ward_status st;

    if (data)
        return describe_by_data(m, data);
    if (!is_ours(notes))
        return ward_fail(WARD_ERR_ARG, "it does not say what it was trained on: name the data set");
    st = describe_by_notes(&noted, notes, &net);
    if (st) {
        model_release(&noted);
        return st;
    }
    noted.net = net;
    *m = noted;
    return WARD_OK;
}

/* ---- the file ---- */

/* The method that the metadata name; baseline if none. */
static ward_method noted_method(const json_t *notes)
{
    const char *text = json_string_value(json_object_get(notes, "method"));
    ward_method method = WARD_METHOD_BASELINE;

    if (!is_ours(notes) || !text || ward_method_parse(text, &method))
        return WARD_METHOD_BASELINE;
    return method;
}

static ward_status model_from_bytes(struct model *m, ward_onnx_found *found,
                                    const ward_dataset *data, const uint8_t *bytes, size_t len)
{
    struct model made = {.data = NULL};
    ward_onnx_found what = {.is_folded = false};
    struct onnx_file file = {.notes = NULL};
    ward_status st = onnx_file_parse(&file, bytes, len);

    if (!st && is_ours(file.notes))
        st = refuse_secret(file.notes);
    if (!st)
        st = onnx_net_match(&file, &made.net);
    if (!st)
        st = spec_shape_check(made.net.spec.channels, made.net.spec.height, made.net.spec.width);
    if (!st)
        st = describe(&made, file.notes, data);
    if (!st)
        st = net_is_neutral(&made.net, &what.is_folded);
    if (!st) {
        what.method = noted_method(file.notes);
        made.method = WARD_METHOD_BASELINE;
        model_identify(&made);
        *m = made;
        *found = what;
        made = (struct model){.data = NULL};
    }
    model_release(&made);
    onnx_file_release(&file);
    return st;
}

static ward_status model_from_file(struct model *m, ward_onnx_found *found,
                                   const ward_dataset *data, const char *path)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    ward_status st = file_read(path, ONNX_MAX_FILE, &bytes, &len);

    if (st)
        return st;
    st = model_from_bytes(m, found, data, bytes, len);
    mem_free(bytes);
    return st ? ward_fail_within(st, "'%s'", path) : WARD_OK;
}

/* ---- the run ---- */

static ward_status write_run(const struct run_dir *dir, const struct model *m, bool replaces)
{
    int lock = -1;
    ward_status st = file_make_directory(dir->path);

    if (!st)
        st = file_lock(dir->path, &lock);
    if (!st && run_dir_is_used(dir) && !replaces)
        st = ward_fail(WARD_ERR_EXISTS, "'%s' already holds a run", dir->path);
    if (!st)
        st = run_dir_clear(dir);
    if (!st)
        st = model_write(dir->model, m);
    file_unlock(lock);
    return st;
}

ward_status ward_onnx_import(const char *path, const char *out, const ward_dataset *data,
                             bool replaces, ward_onnx_found *found)
{
    struct run_dir dir = {.path = NULL};
    struct model m = {.data = NULL};
    ward_onnx_found what;
    ward_status st = model_from_file(&m, &what, data, path);

    if (!st)
        st = run_dir_init(&dir, out);
    if (!st)
        st = write_run(&dir, &m, replaces);
    if (!st && found)
        *found = what;
    run_dir_release(&dir);
    model_release(&m);
    return st;
}
