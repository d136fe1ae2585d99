/* The part of ward attack that does suite v1 and prints what it found. */
#ifndef CLI_REDTEAM_H
#define CLI_REDTEAM_H

#include "cli.h"
#include "progress.h"

struct redteam {
    const struct cli *cli;
    const ward_run *run;
    const ward_run_info *info;
    ward_dataset *data;
    ward_device *device;
    const char *directory; /* NULL: nothing is kept */
    struct progress *progress;
};

/* Do it and print. Failures are the caller's to tell. */
ward_status redteam_do(const struct redteam *call, const ward_redteam_settings *settings);

#endif
