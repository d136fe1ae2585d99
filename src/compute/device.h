/* Opening a device by name. The public side of this is ward/device.h. */
#ifndef COMPUTE_DEVICE_H
#define COMPUTE_DEVICE_H

#include "compute/backend.h"
#include "ward/device.h"

struct ward_device {
    const struct backend *backend;
    void *state;
};

/* All backends of this build, NULL-terminated. */
const struct backend *const *device_backends(void);

#endif
