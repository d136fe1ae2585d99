/* Opening a device by name. The public side of this is ward/device.h. */
#ifndef COMPUTE_DEVICE_H
#define COMPUTE_DEVICE_H

#include "compute/backend.h"
#include "ward/device.h"

struct ward_device {
    const struct backend *backend;
    void *state;
};

#endif
