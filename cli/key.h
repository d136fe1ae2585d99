/* What the verbs of ward key share: see key.c. */
#ifndef CLI_KEY_H
#define CLI_KEY_H

#include "cli.h"

enum key_option {
    OPT_TYPE = CLI_LONG,
    OPT_PROTECT,
    OPT_PCRS,
    OPT_PIN,
    OPT_MEMORY,
    OPT_PASSES,
    OPT_NAME,
    OPT_NEW_PASSPHRASE_FILE,
    OPT_NEW_PASSPHRASE_FD,
    OPT_KEYS,
    OPT_COUNT,
    OPT_SEED,
    OPT_DATA
};

/* ward key report RUN: key_report.c. */
int key_report(const struct cli *cli, ward_keys *keys);

#endif
