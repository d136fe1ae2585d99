/* What ward train says while it trains, and afterwards. */
#ifndef CLI_TRAIN_WATCH_H
#define CLI_TRAIN_WATCH_H

#include "progress.h"

struct watch {
    const struct cli *cli;
    struct progress progress;
    ward_train_progress last;
    bool has_drawn, has_trained;
};

void watch_init(struct watch *watch, const struct cli *cli);
/* For ward_train_options; context is a struct watch. Obeys stop.h. */
bool watch_progress(void *context, const ward_train_progress *p);
/* What the training that wrote to `out` came to, as text or with --json as an object. */
void watch_print(const struct watch *watch, const char *out, double seconds);

#endif
