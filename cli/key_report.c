/* ward key report: how accurate a run's network is under keys that are wrong. */
#include <math.h>

#include "images.h"
#include "key.h"
#include "progress.h"
#include "stop.h"

static const uint64_t default_seed = 1, max_seed = UINT64_C(1) << 53;

static bool on_progress(void *context, const ward_keyspace_progress *p)
{
    struct progress *progress = context;
    char left[32];

    if (p->done > 0 && progress_is_due(progress)) {
        progress_time(left, sizeof(left), p->seconds_left);
        progress_draw(progress, "%zu of %zu keys, %.1f a second, %s left", p->done, p->keys,
                      p->keys_per_second, left);
    }
    return !stop_is_asked();
}

static double percent(double fraction)
{
    return 100 * fraction;
}

static void print_keys(const char *name, const ward_keyspace_keys *k)
{
    printf("%-20s%6.2f %%   best %6.2f %%   95 %% interval %.2f .. %.2f %%\n", name,
           percent(k->mean), percent(k->best), percent(k->best_ci.low), percent(k->best_ci.high));
}

static void print_verdict(const ward_keyspace_result *r)
{
    if (r->random.unlocks == 0)
        printf("none of %zu random keys unlocks: at most %.2f %% of all keys do (95 %%)\n",
               r->random.count, percent(r->random.bound));
    else
        printf("%zu of %zu random keys unlock: at most %.2f %% of all keys do (95 %%)\n",
               r->random.unlocks, r->random.count, percent(r->random.bound));
    printf("%zu of %zu keys with a wrong bit unlock; by chance as many (Fisher): p = %.3g\n",
           r->one_bit.unlocks, r->one_bit.count, r->one_bit_unlocks_p);
    printf("their accuracies against those of random keys (Mann-Whitney): p = %.3g\n",
           r->one_bit_p);
    printf("a key unlocks if its accuracy lies above %.0f %%; chance is %.2f %%\n",
           percent(r->threshold), percent(r->chance));
}

static void print_table(const ward_run_info *run, const ward_dataset *data,
                        const ward_keyspace_result *r)
{
    printf("%s, %s; %s test, %zu images; accuracies\n", run->arch, ward_method_name(run->method),
           ward_dataset_get_info(data)->name, r->count);
    printf("%-20s%6.2f %%   95 %% interval %.2f .. %.2f %%\n", "the right key",
           percent(r->authorised), percent(r->authorised_ci.low), percent(r->authorised_ci.high));
    print_keys("random keys", &r->random);
    print_keys("one bit wrong", &r->one_bit);
    for (size_t i = 0; i < WARD_KEYSPACE_SHARES; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%.0f %% is right", percent(r->share[i]));
        print_keys(name, &r->partial[i]);
    }
    print_verdict(r);
}

static int measure(const struct cli *cli, const ward_run *run, const ward_run_info *info,
                   ward_device *device, const ward_dataset *data)
{
    uint64_t keys = 0, count = 0, seed = default_seed;
    ward_keyspace_options options = {.progress = on_progress};
    ward_keyspace_result result = {.count = 0};
    struct progress progress;
    ward_status st;

    if (!cli_count(cli, OPT_KEYS, 1, 1000000, &keys) ||
        !cli_count(cli, OPT_COUNT, 1, SIZE_MAX, &count) ||
        !cli_count(cli, OPT_SEED, 0, max_seed, &seed))
        return CLI_USAGE;
    options.keys = (size_t)keys;
    options.images = (size_t)count;
    options.seed = seed;
    options.context = &progress;
    progress_init(&progress, cli);
    stop_catch_signals();
    st = ward_keyspace(run, device, data, &options, &result);
    progress_finish(&progress);
    if (st == WARD_ERR_STOPPED)
        return cli_error(cli, "stopped; nothing is kept of it");
    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON))
        puts(result.json);
    else
        print_table(info, data, &result);
    ward_keyspace_result_release(&result);
    return CLI_DONE;
}

/* Refused before a data set is looked for. */
static int check_run(const struct cli *cli, const ward_run_info *info)
{
    if (info->method != WARD_METHOD_KEYED)
        return cli_usage(cli, "the run's method is %s: only keyed has a key",
                         ward_method_name(info->method));
    return CLI_RUN;
}

int key_report(const struct cli *cli, ward_keys *keys)
{
    ward_device *device = NULL;
    ward_dataset *data = NULL;
    ward_run *run = NULL;
    ward_run_info info;
    ward_status st = ward_run_open_with(&run, cli->operands[1], keys);
    int code;

    if (st)
        return cli_failed(cli, st);
    ward_run_describe(run, &info);
    code = check_run(cli, &info);
    if (code == CLI_RUN)
        code = images_open_data(cli, &info, cli_text(cli, OPT_DATA), &data);
    if (code == CLI_RUN)
        code = cli_open_device(cli, &device);
    if (code == CLI_RUN)
        code = measure(cli, run, &info, device, data);
    ward_device_close(device);
    ward_dataset_free(data);
    ward_run_close(run);
    return code;
}
