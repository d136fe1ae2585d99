/* A run's directory: see run_dir.h. */
#include "model/run_dir.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

ward_status run_dir_init(struct run_dir *dir, const char *path)
{
    struct run_dir made = {0};
    struct {
        char **out;
        const char *name;
    } files[] = {
        {&made.model, "model.safetensors"},    {&made.transform, "transform.ward"},
        {&made.checkpoint, "checkpoint.ward"}, {&made.metrics, "metrics.jsonl"},
        {&made.config, "config.json"},         {&made.manifest, "manifest.ward"},
    };
    ward_status st = mem_strdup(&made.path, path);

    for (size_t i = 0; i < sizeof files / sizeof files[0] && !st; i++)
        st = file_join(files[i].out, path, files[i].name);
    if (st)
        run_dir_release(&made);
    else
        *dir = made;
    return st;
}

void run_dir_release(struct run_dir *dir)
{
    mem_free(dir->path);
    mem_free(dir->model);
    mem_free(dir->transform);
    mem_free(dir->checkpoint);
    mem_free(dir->metrics);
    mem_free(dir->config);
    mem_free(dir->manifest);
    *dir = (struct run_dir){0};
}

bool run_dir_is_used(const struct run_dir *dir)
{
    return file_exists(dir->model) || file_exists(dir->transform) || file_exists(dir->checkpoint) ||
           file_exists(dir->metrics) || file_exists(dir->config);
}

bool run_dir_is_complete(const struct run_dir *dir)
{
    return file_exists(dir->model) && !file_exists(dir->checkpoint);
}

static ward_status file_remove(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return WARD_OK;
    return ward_fail(WARD_ERR_IO, "cannot remove '%s': %s", path, strerror(errno));
}

ward_status run_dir_sweep(const struct run_dir *dir)
{
    const char *const files[] = {dir->model, dir->checkpoint, dir->transform, dir->config,
                                 dir->manifest};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof files / sizeof files[0] && !st; i++)
        st = file_sweep(files[i]);
    return st;
}

ward_status run_dir_clear(const struct run_dir *dir)
{
    /* The model first: what is left after a kill in between is no run that could be used. */
    const char *const files[] = {dir->model,   dir->checkpoint, dir->transform,
                                 dir->metrics, dir->config,     dir->manifest};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof files / sizeof files[0] && !st; i++)
        st = file_remove(files[i]);
    return st ? st : run_dir_sweep(dir);
}

ward_status run_dir_remove_checkpoint(const struct run_dir *dir)
{
    return file_remove(dir->checkpoint);
}

ward_status run_metrics_append(const struct run_dir *dir, const json_t *object, uint64_t *len)
{
    char *text = NULL;
    size_t text_len;
    ward_status st = json_to_text(object, 0, &text);

    if (st)
        return st;
    text_len = strlen(text);
    text[text_len] = '\n'; /* in place of the NUL, so that the line is one write */
    st = file_append(dir->metrics, text, text_len + 1, 0);
    if (!st)
        *len += text_len + 1;
    mem_free(text);
    return st;
}

ward_status run_metrics_cut(const struct run_dir *dir, uint64_t len)
{
    if (len == 0 && !file_exists(dir->metrics))
        return WARD_OK;
    return file_truncate(dir->metrics, len);
}
