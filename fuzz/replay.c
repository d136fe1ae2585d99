/* Stands in for libFuzzer: hands each file of the folders named as operands to the target once. */
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"

enum { LARGEST_INPUT = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static ward_status replay_file(const char *dir, const char *name)
{
    char *path;
    uint8_t *data;
    size_t len;
    ward_status st = file_join(&path, dir, name);

    if (st)
        return st;
    st = file_read(path, LARGEST_INPUT, &data, &len);
    if (!st) {
        LLVMFuzzerTestOneInput(data, len);
        mem_free(data);
    }
    mem_free(path);
    return st;
}

/* An empty folder fails: a replay of nothing shows nothing. */
static ward_status replay_folder(const char *dir)
{
    char **names;
    size_t count;
    ward_status st = file_list(dir, &names, &count);

    if (st)
        return st;
    if (count == 0)
        st = ward_fail(WARD_ERR_IO, "no input in '%s'", dir);
    for (size_t i = 0; i < count && !st; i++)
        st = replay_file(dir, names[i]);
    if (!st)
        printf("%zu inputs of %s\n", count, dir);
    file_list_free(names, count);
    return st;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (replay_folder(argv[i])) {
            fprintf(stderr, "%s\n", ward_error_message());
            return 1;
        }
    }
    return argc < 2;
}
