/* Pictures from files and from data sets, as a run's network is fed them. */
#ifndef CLI_IMAGES_H
#define CLI_IMAGES_H

#include "cli.h"

/* Numbers in one image; always above 0. */
size_t images_len(const ward_run_info *info);

/*
 * Read picture files. All print what is wrong and return CLI_RUN or an exit status.
 *
 *   x  receives [count, channels, height, width], owned: free()
 */
int images_read(const struct cli *cli, const ward_run_info *info, char *const *paths, size_t count,
                float **x);

/*
 * Open a data set for a run: the one named, or (spec NULL) the one the run was trained on. Its
 * images must fit the run. Owned: ward_dataset_free().
 */
int images_open_data(const struct cli *cli, const ward_run_info *info, const char *spec,
                     ward_dataset **out);

/* count zeroed elements, never fewer than one; owned: free(). */
int images_allocate(const struct cli *cli, size_t count, size_t elem, void *out);

#endif
