/* The devices of this build, by name. */
#include "compute/device.h"

#include "base/mem.h"
#include "base/parallel.h"
#include "base/util.h"

static const struct backend *const backends[] = {&backend_cpu, &backend_ref, NULL};

static const struct backend *backend_find(const char *name)
{
    for (size_t i = 0; backends[i]; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

ward_status ward_device_open(ward_device **out, const char *name)
{
    const struct backend *backend = backend_find(name ? name : "cpu");
    ward_device *device = NULL;
    ward_status st;

    if (!backend)
        return ward_fail(WARD_ERR_ARG, "no device '%s' in this build", name ? name : "cpu");
    st = mem_new(&device, 1, sizeof *device);
    if (st)
        goto done;
    device->backend = backend;
    st = backend->open(&device->state);
    if (st)
        goto done;
    *out = device;
    device = NULL;
done:
    mem_free(device);
    return st;
}

void ward_device_close(ward_device *device)
{
    if (!device)
        return;
    device->backend->close(device->state);
    mem_free(device);
}

const char *ward_device_name(const ward_device *device)
{
    return device->backend->name;
}

const char *ward_device_summary(const ward_device *device)
{
    return device->backend->describe(device->state);
}

const char *ward_device_list(size_t i)
{
    size_t count = sizeof backends / sizeof backends[0] - 1;

    return i < count ? backends[i]->name : NULL;
}

void ward_set_threads(unsigned threads)
{
    parallel_set_threads((unsigned)min_size(threads, 256));
}

unsigned ward_threads(void)
{
    return parallel_threads();
}
