#include <stdio.h>
#include <ward/ward.h>

int main(void)
{
    ward_device *device = NULL;
    ward_dataset *data = NULL;
    ward_run *run = NULL;
    ward_train_config config;
    ward_evaluation e;
    ward_status st = ward_device_open(&device, "cpu");

    if (!st)
        st = ward_train_defaults(&config, "demo", "fashion-mnist", "simple-cnn",
                                 WARD_METHOD_GENERATOR);
    if (!st)
        st = ward_train(device, &config, &(ward_train_options){.out = "my-run"});
    if (!st)
        st = ward_run_open(&run, "my-run");
    if (!st)
        st = ward_dataset_open(&data, "fashion-mnist");
    if (!st)
        st = ward_evaluate(run, device, data, WARD_SPLIT_TEST, false, &e, NULL, NULL);
    if (!st) {
        printf("authorised %.4f, unauthorised %.4f\n", e.authorised, e.unauthorised);
        ward_evaluation_release(&e);
    } else {
        fprintf(stderr, "%s\n", ward_error_message());
    }
    ward_dataset_free(data);
    ward_run_close(run);
    ward_device_close(device);
    return st != WARD_OK;
}
