/* Readers of every layout, where data sets are looked for, pins and downloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_test.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/util.h"
#include "data/cifar.h"
#include "data/dataset.h"
#include "ward/data.h"

#define FASHION "/usr/share/datasets/fashion-mnist"

static char dir[64];

/* Text that lasts as long as the program. */
static const char *format(const char *text, ...) BASE_PRINTF(1, 2);
static const char *format(const char *text, ...)
{
    static char arena[1 << 20];
    static size_t used;
    char *to = arena + used;
    va_list args;
    int len;

    va_start(args, text);
    len = vsnprintf(to, sizeof arena - used, text, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof arena - used)
        fail_msg("no room for '%s'", text);
    used += (size_t)len + 1;
    return to;
}

static const char *in_dir(const char *name)
{
    return format("%s/%s", dir, name);
}

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static int enter(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/ward-test-data-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    unsetenv("WARD_DATA");
    unsetenv("XDG_DATA_HOME");
    shell(format("rm -rf '%s'", dir));
    return 0;
}

static void check_ok(ward_status st)
{
    if (st)
        fail_msg("%s: %s", ward_status_name(st), ward_error_message());
}

static void check_fault(ward_status st, ward_status expected, const char *file, const char *what)
{
    const char *message = ward_error_message();

    if (st != expected || !strstr(message, file) || !strstr(message, what))
        fail_msg("expected %s with '%s' and '%s', got %s: %s", ward_status_name(expected), file,
                 what, ward_status_name(st), st ? message : "no fault");
}

static void check_open_fault(const char *spec, ward_status expected, const char *file,
                             const char *what)
{
    ward_dataset *const untouched = (ward_dataset *)dir;
    ward_dataset *data = untouched;

    check_fault(ward_dataset_open(&data, spec), expected, file, what);
    assert_ptr_equal(data, untouched);
}

static void write_file(const char *path, const void *data, size_t len)
{
    check_ok(file_write(path, data, len, FILE_REPLACE));
}

/* IDX: a training set of 6 images of 2x3, a test set of 4. Pixel i of the file is 7 i, label i % 3.
 */

enum { IDX_TRAIN = 6, IDX_TEST = 4, IDX_AREA = 6 };

static size_t make_idx(uint8_t *out, uint32_t magic, uint32_t count, uint32_t height,
                       uint32_t width)
{
    uint32_t header[4] = {magic, count, height, width};
    bool is_images = magic == 0x803;
    size_t len = 0;

    for (size_t i = 0; i < (is_images ? 4 : 2); i++)
        for (unsigned shift = 32; shift > 0; shift -= 8)
            out[len++] = (uint8_t)(header[i] >> (shift - 8));
    for (size_t i = 0; i < count * (is_images ? height * width : 1); i++)
        out[len++] = (uint8_t)(is_images ? 7 * i : i % 3);
    return len;
}

static const char *make_idx_folder(const char *name)
{
    const char *folder = in_dir(name);
    uint8_t bytes[256];

    shell(format("rm -rf '%s' && mkdir '%s'", folder, folder));
    write_file(format("%s/train-images-idx3-ubyte", folder), bytes,
               make_idx(bytes, 0x803, IDX_TRAIN, 2, 3));
    write_file(format("%s/train-labels-idx1-ubyte", folder), bytes,
               make_idx(bytes, 0x801, IDX_TRAIN, 0, 0));
    write_file(format("%s/t10k-images-idx3-ubyte", folder), bytes,
               make_idx(bytes, 0x803, IDX_TEST, 2, 3));
    write_file(format("%s/t10k-labels-idx1-ubyte", folder), bytes,
               make_idx(bytes, 0x801, IDX_TEST, 0, 0));
    return folder;
}

static void check_idx_contents(const char *spec)
{
    float x[IDX_TRAIN * IDX_AREA];
    int32_t y[IDX_TRAIN];
    ward_dataset *data;

    check_ok(ward_dataset_open(&data, spec));
    assert_int_equal(ward_dataset_get_info(data)->train_count, IDX_TRAIN);
    assert_int_equal(ward_dataset_get_info(data)->test_count, IDX_TEST);
    assert_int_equal(ward_dataset_get_info(data)->input.height, 2);
    assert_int_equal(ward_dataset_get_info(data)->input.width, 3);
    check_ok(ward_dataset_read(data, WARD_SPLIT_TRAIN, 0, IDX_TRAIN, x, y));
    for (size_t i = 0; i < IDX_TRAIN * IDX_AREA; i++)
        assert_float_equal(x[i], (float)(uint8_t)(7 * i) / 255.0f, 1e-7);
    for (int i = 0; i < IDX_TRAIN; i++)
        assert_int_equal(y[i], i % 3);
    ward_dataset_free(data);
}

static void idx_reads_the_same_plain_and_in_gzip(void **state)
{
    const char *folder = make_idx_folder("idx");

    (void)state;
    check_idx_contents(folder);
    shell(format("gzip '%s'/*images*", folder));
    check_idx_contents(folder);
    shell(format("gzip '%s'/*labels*", folder));
    check_idx_contents(format("%s/", folder));
    check_idx_contents(format("mnist:%s", folder));
}

static void idx_without_a_known_name_counts_its_classes(void **state)
{
    const char *folder = make_idx_folder("idx");
    ward_dataset *data;

    (void)state;
    check_ok(ward_dataset_open(&data, folder));
    assert_string_equal(ward_dataset_get_info(data)->name, "idx");
    assert_int_equal(ward_dataset_get_info(data)->classes, 3);
    assert_string_equal(ward_dataset_class_name(data, 2), "2");
    assert_null(ward_dataset_class_name(data, 3));
    ward_dataset_free(data);
    check_ok(ward_dataset_open(&data, format("fashion-mnist:%s", folder)));
    assert_string_equal(ward_dataset_get_info(data)->name, "fashion-mnist");
    assert_int_equal(ward_dataset_get_info(data)->classes, 10);
    assert_string_equal(ward_dataset_class_name(data, 9), "Ankle boot");
    ward_dataset_free(data);
}

/* Replaces one file by one with the given header and payload length, cut or padded. */
static void spoil_idx(const char *name, uint32_t magic, uint32_t count, uint32_t side, int extra)
{
    uint8_t bytes[512] = {0};
    size_t len;

    make_idx_folder("idx");
    len = make_idx(bytes, magic, count, side, side);
    write_file(format("%s/idx/%s", dir, name), bytes, (size_t)((int)len + extra));
}

static void each_idx_fault_is_named_with_its_file(void **state)
{
    static const struct {
        const char *name;
        uint32_t magic, count, side;
        int extra;
        const char *what;
    } fault[] = {
        {"train-images-idx3-ubyte", 0x803, 6, 2, -1, "truncated: 6 images need 24 bytes, 23"},
        {"train-images-idx3-ubyte", 0x803, 6, 2, 1, "oversized: 6 images need 24 bytes, 25"},
        {"train-images-idx3-ubyte", 0x803, 0, 2, 0, "holds no images"},
        {"train-images-idx3-ubyte", 0x803, 6, 0, 0, "impossible image size 0x0"},
        {"train-images-idx3-ubyte", 0x801, 6, 0, 0, "not an IDX file of images: starts with 0000"},
        {"train-images-idx3-ubyte", 0x803, 0, 0, -9, "truncated: 7 bytes are no IDX header"},
        {"train-images-idx3-ubyte", 0x803, 0, 0, -16, "the file is empty"},
        {"t10k-images-idx3-ubyte", 0x803, 4, 3, 0, "images of 3x3 pixels, but the training images"},
        {"train-labels-idx1-ubyte", 0x803, 6, 1, 0, "not an IDX file of labels"},
        {"train-labels-idx1-ubyte", 0x801, 5, 0, 0, "5 labels for 6 images"},
        {"t10k-labels-idx1-ubyte", 0x801, 4, 0, -2, "truncated: 4 labels need 4 bytes, 2"}};

    (void)state;
    for (size_t i = 0; i < sizeof fault / sizeof *fault; i++) {
        spoil_idx(fault[i].name, fault[i].magic, fault[i].count, fault[i].side, fault[i].extra);
        check_open_fault(in_dir("idx"), WARD_ERR_FORMAT, fault[i].name, fault[i].what);
    }
}

static void labels_past_the_classes_are_refused(void **state)
{
    const char *folder = make_idx_folder("idx");
    const char *labels = format("%s/train-labels-idx1-ubyte", folder);
    uint8_t bytes[14];

    (void)state;
    make_idx(bytes, 0x801, IDX_TRAIN, 0, 0);
    bytes[8 + 4] = 10;
    write_file(labels, bytes, sizeof bytes);
    check_open_fault(format("mnist:%s", folder), WARD_ERR_FORMAT, labels,
                     "label 10 of image 4 is out of range");
    memset(bytes + 8, 0, 6);
    write_file(labels, bytes, sizeof bytes);
    /* The test labels then have classes that training never shows. */
    check_open_fault(folder, WARD_ERR_FORMAT, "t10k-labels", "out of range: there are 1 classes");
}

static void missing_and_unreadable_idx_files_are_named(void **state)
{
    const char *folder = make_idx_folder("idx");

    (void)state;
    shell(format("rm '%s/t10k-images-idx3-ubyte'", folder));
    check_open_fault(folder, WARD_ERR_IO, folder,
                     "neither t10k-images-idx3-ubyte nor t10k-images-idx3-ubyte.gz");
    shell(format("mkdir '%s/t10k-images-idx3-ubyte'", folder));
    check_open_fault(folder, WARD_ERR_IO, "t10k-images-idx3-ubyte'", "directory");
    if (geteuid() != 0) {
        folder = make_idx_folder("idx");
        shell(format("chmod 0 '%s/t10k-images-idx3-ubyte'", folder));
        check_open_fault(folder, WARD_ERR_IO, "t10k-images-idx3-ubyte'", "Permission denied");
    }
}

static void damaged_gzip_is_refused_wherever_it_is_cut(void **state)
{
    const char *folder = make_idx_folder("idx");
    const char *path = format("%s/train-images-idx3-ubyte.gz", folder);
    uint8_t *packed;
    size_t len;

    (void)state;
    shell(format("gzip '%s/train-images-idx3-ubyte'", folder));
    check_ok(file_read(path, 4096, &packed, &len));
    for (size_t cut = 3; cut < len; cut++) {
        write_file(path, packed, cut);
        check_open_fault(folder, WARD_ERR_FORMAT, "train-images-idx3-ubyte.gz", "truncated");
    }
    packed[len - 8] ^= 1; /* the sum of the contents */
    write_file(path, packed, len);
    check_open_fault(folder, WARD_ERR_FORMAT, "train-images-idx3-ubyte.gz", "damaged gzip stream");
    packed[len - 8] ^= 1;
    check_ok(mem_resize(&packed, len, len + 2, 1));
    write_file(path, packed, len + 2);
    check_open_fault(folder, WARD_ERR_FORMAT, "train-images-idx3-ubyte.gz", "oversized: 2 stray");
    mem_free(packed);
}

/* CIFAR-10's layout with 4 records a file: record r of file f has label (f + r) % 10. */

enum { RECORDS = 4 };

static struct known_set small_cifar(void)
{
    struct known_set set = *known_find("cifar10", 7);

    set.records = RECORDS;
    return set;
}

static uint8_t cifar_pixel(size_t file, size_t record, size_t i)
{
    return (uint8_t)(file * 50 + record * 11 + i);
}

static const char *make_cifar_folder(const char *name)
{
    static uint8_t bytes[RECORDS * CIFAR_RECORD];
    const char *folder = in_dir(name);

    shell(format("rm -rf '%s' && mkdir '%s'", folder, folder));
    for (size_t file = 0; file < CIFAR_FILES; file++) {
        for (size_t r = 0; r < RECORDS; r++) {
            bytes[r * CIFAR_RECORD] = (uint8_t)((file + r) % 10);
            for (size_t i = 0; i < CIFAR_PIXELS; i++)
                bytes[r * CIFAR_RECORD + 1 + i] = cifar_pixel(file, r, i);
        }
        write_file(format("%s/%s", folder, cifar_file_name(file)), bytes, sizeof bytes);
    }
    return folder;
}

static ward_status load_cifar(ward_dataset **out, const char *path)
{
    const struct known_set set = small_cifar();

    return dataset_load(out, "cifar10", path, LAYOUT_CIFAR, &set);
}

static void check_cifar_contents(const char *path)
{
    enum { SIDE = 28, AREA = SIDE * SIDE };
    static float x[5 * RECORDS * 3 * AREA];
    int32_t y[5 * RECORDS];
    const ward_dataset_info *info;
    ward_dataset *data;

    check_ok(load_cifar(&data, path));
    info = ward_dataset_get_info(data);
    assert_int_equal(info->train_count, 5 * RECORDS);
    assert_int_equal(info->test_count, RECORDS);
    assert_int_equal(info->input.height, SIDE);
    assert_int_equal(info->input.stored_height, 32);
    assert_true(info->random_crop && info->random_flip);
    check_ok(ward_dataset_read(data, WARD_SPLIT_TRAIN, 0, 5 * RECORDS, x, y));
    for (size_t n = 0; n < 5 * RECORDS; n++) {
        assert_int_equal(y[n], (n / RECORDS + n % RECORDS) % 10);
        for (size_t i = 0; i < 3 * AREA; i++) {
            size_t at = i / AREA * 1024 + (i % AREA / SIDE + 2) * 32 + i % SIDE + 2;
            float v = (float)cifar_pixel(n / RECORDS, n % RECORDS, at) / 127.5f - 1.0f;

            assert_float_equal(x[n * 3 * AREA + i], v, 1e-6);
        }
    }
    check_ok(ward_dataset_read(data, WARD_SPLIT_TEST, 1, 1, x, y));
    assert_int_equal(y[0], 6);
    ward_dataset_free(data);
}

static void cifar_reads_the_same_from_folder_and_archives(void **state)
{
    const char *folder = make_cifar_folder("cifar-10-batches-bin");

    (void)state;
    shell(format("echo airplane > '%s/batches.meta.txt'; echo > '%s/readme.html'", folder, folder));
    check_cifar_contents(folder);
    check_cifar_contents(dir); /* the folder in it */
    shell(format(
        "cd '%s' && mkdir tar && tar -czf tar/cifar-10-binary.tar.gz cifar-10-batches-bin && "
        "tar -cJf as-xz.tar.xz cifar-10-batches-bin && "
        "tar -cf bare.tar -C cifar-10-batches-bin .",
        dir));
    check_cifar_contents(in_dir("tar"));
    check_cifar_contents(in_dir("as-xz.tar.xz"));
    check_cifar_contents(in_dir("bare.tar"));
    shell(format("rm -rf '%s' '%s/tar'", folder, dir));
}

static void check_cifar_fault(const char *path, ward_status expected, const char *file,
                              const char *what)
{
    ward_dataset *data;

    check_fault(load_cifar(&data, path), expected, file, what);
}

static void each_cifar_fault_is_named_with_its_file(void **state)
{
    static const uint8_t label_10[RECORDS * CIFAR_RECORD + 1] = {10};
    const char *folder = make_cifar_folder("cifar");
    const char *file = format("%s/data_batch_3.bin", folder);

    (void)state;
    write_file(file, label_10, RECORDS * CIFAR_RECORD - 1);
    check_cifar_fault(folder, WARD_ERR_FORMAT, file, "truncated: 4 images need 12292 bytes");
    write_file(file, label_10, RECORDS * CIFAR_RECORD + 1);
    check_cifar_fault(folder, WARD_ERR_FORMAT, file, "larger than 12292 bytes");
    write_file(file, label_10, RECORDS * CIFAR_RECORD);
    check_cifar_fault(folder, WARD_ERR_FORMAT, file, "label 10 of image 0 is out of range");
    write_file(file, "", 0);
    check_cifar_fault(folder, WARD_ERR_FORMAT, file, "the file is empty");
    shell(format("rm '%s'", file));
    check_cifar_fault(folder, WARD_ERR_IO, file, "No such file");
    shell(format("mkdir '%s'", file));
    check_cifar_fault(folder, WARD_ERR_IO, file, "directory");
}

static void a_cifar_archive_with_anything_unexpected_is_refused(void **state)
{
    static const struct {
        const char *name, *what;
    } fault[] = {{"missing", "test_batch.bin is not in the archive"},
                 {"twice", "second entry 'cifar-10-batches-bin/data_batch_1.bin'"},
                 {"foreign", "unexpected entry '../evil'"},
                 {"link", "unexpected entry 'cifar-10-batches-bin/data_batch_1.bin'"},
                 {"short", "data_batch_1.bin: truncated: 1 images need 3073 bytes, it has 2"},
                 {"label", "data_batch_1.bin: label 10 of image 0 is out of range"},
                 {"cut", "data_batch_1.bin: damaged or no tar archive"},
                 {"cut2", "damaged or no tar archive"}};
    struct known_set set = small_cifar();
    ward_dataset *data;

    (void)state;
    set.records = 1;
    for (size_t i = 0; i < sizeof fault / sizeof *fault; i++) {
        const char *path = format("fuzz/corpus/cifar/%s.tar.gz", fault[i].name);

        check_fault(dataset_load(&data, "cifar10", path, LAYOUT_CIFAR, &set), WARD_ERR_FORMAT, path,
                    fault[i].what);
    }
    check_open_fault("/etc/passwd", WARD_ERR_FORMAT, "/etc/passwd", "damaged or no tar archive");
}

/* Folders of pictures: SIZE is 3x2, the class is written into the first byte. */

static void put_picture(const char *root, const char *name, unsigned width, unsigned channels,
                        uint8_t first)
{
    uint8_t pixels[5 * 2 * 3];
    ward_image image = {width, 2, channels, pixels};

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(first + i);
    check_ok(ward_image_write(&image, format("%s/%s", root, name), WARD_IMAGE_REPLACE));
}

static const char *make_picture_folder(unsigned channels)
{
    const char *root = in_dir("pets");

    shell(format("cd '%s' && rm -rf pets && mkdir -p pets/train/dog pets/train/cat pets/test/dog "
                 "pets/test/cat && touch pets/.DS_Store pets/train/.hidden pets/train/dog/.x",
                 dir));
    put_picture(root, "train/dog/b.png", 3, channels, 30);
    put_picture(root, "train/dog/a.PNG", 3, channels, 20);
    put_picture(root, "train/cat/z.png", 3, channels, 10);
    put_picture(root, "test/dog/1.png", 3, channels, 50);
    put_picture(root, "test/cat/1.png", 3, channels, 40);
    return root;
}

static void picture_folders_are_read_in_sorted_order(void **state)
{
    (void)state;
    for (unsigned channels = 1; channels <= 3; channels += 2) {
        const char *root = make_picture_folder(channels);
        float x[3 * 6 * 3];
        int32_t y[3];
        ward_dataset *data;

        check_ok(ward_dataset_open(&data, root));
        assert_string_equal(ward_dataset_get_info(data)->name, "pets");
        assert_int_equal(ward_dataset_get_info(data)->classes, 2);
        assert_string_equal(ward_dataset_class_name(data, 0), "cat");
        assert_string_equal(ward_dataset_class_name(data, 1), "dog");
        assert_int_equal(ward_dataset_get_info(data)->input.channels, channels);
        check_ok(ward_dataset_read(data, WARD_SPLIT_TRAIN, 0, 3, x, y));
        for (unsigned n = 0; n < 3; n++) {
            assert_int_equal(y[n], n > 0);
            for (unsigned c = 0; c < channels; c++)
                for (unsigned i = 0; i < 6; i++)
                    assert_float_equal(x[(n * channels + c) * 6 + i] * 255.0f,
                                       (float)(10 * (n + 1) + i * channels + c), 1e-4);
        }
        ward_dataset_free(data);
    }
}

static void each_picture_fault_is_named_with_its_file(void **state)
{
    static const struct {
        const char *command, *file, *what;
    } fault[] = {
        {"mkdir pets/train/bird", "pets/train/bird", "is empty"},
        {"rm -r pets/test/dog", "pets/test'", "lacks the class 'dog'"},
        {"mkdir pets/test/ant", "pets/test'", "class 'ant' that the training images lack"},
        {"mv pets/test/cat pets/test/cow", "pets/test'", "lacks the class 'cat'"},
        {"rm -r pets/train/dog", "pets/train'", "has 1 classes instead of 2 to 1000"},
        {"rm -r pets/train/*", "pets/train'", "is empty"},
        {"touch pets/train/notes.txt", "notes.txt", "is not a class folder"},
        {"touch pets/test/cat/notes.txt", "notes.txt", "is not a PNG or JPEG file"},
        {"mkdir pets/test/cat/x.png", "cat/x.png", "is not a PNG or JPEG file"},
        {"touch pets/test/cat/0.png", "cat/0.png", "the file is empty"},
        {"cp /etc/passwd pets/test/cat/0.jpg", "cat/0.jpg", "neither a PNG nor a JPEG file"},
        {"head -c 60 pets/train/cat/z.png > pets/test/cat/0.png", "cat/0.png", "PNG: "}};
    const char *root;

    (void)state;
    for (size_t i = 0; i < sizeof fault / sizeof *fault; i++) {
        root = make_picture_folder(3);
        shell(format("cd '%s' && %s", dir, fault[i].command));
        check_open_fault(root, WARD_ERR_FORMAT, fault[i].file, fault[i].what);
    }
    root = make_picture_folder(3);
    put_picture(root, "test/cat/2.png", 5, 3, 0);
    check_open_fault(root, WARD_ERR_FORMAT, "cat/2.png",
                     "5x2 pixels, RGB, but the first picture has 3x2, RGB");
    root = make_picture_folder(3);
    put_picture(root, "train/dog/c.png", 3, 1, 0);
    check_open_fault(root, WARD_ERR_FORMAT, "dog/c.png",
                     "3x2 pixels, grey, but the first picture has 3x2, RGB");
    shell(format("rm -r '%s/test'", root));
    root = make_picture_folder(3);
    shell(format("rm -r '%s/test'", root));
    check_open_fault(root, WARD_ERR_IO, "pets/test'", "No such file");
}

/* Names and places. */

static void fashion_is_found_and_is_the_published_one(void **state)
{
    const ward_dataset_info *info;
    ward_dataset *data;
    int32_t y[3];
    float x[784];

    (void)state;
    setenv("WARD_DATA", "/nowhere", 1);
    setenv("XDG_DATA_HOME", "/nowhere", 1);
    check_ok(ward_dataset_open(&data, "fashion-mnist"));
    info = ward_dataset_get_info(data);
    assert_string_equal(info->path, FASHION);
    assert_int_equal(info->train_count, 60000);
    assert_int_equal(info->test_count, 10000);
    assert_int_equal(info->classes, 10);
    assert_int_equal(info->input.channels, 1);
    assert_int_equal(info->input.height, 28);
    assert_false(info->random_crop || info->random_flip);
    check_ok(ward_dataset_read(data, WARD_SPLIT_TEST, 0, 3, NULL, y));
    assert_string_equal(ward_dataset_class_name(data, (unsigned)y[0]), "Ankle boot");
    check_ok(ward_dataset_read(data, WARD_SPLIT_TEST, 9999, 1, x, NULL));
    check_fault(ward_dataset_read(data, WARD_SPLIT_TEST, 9999, 2, x, NULL), WARD_ERR_ARG, "10000",
                "asked for");
    check_fault(ward_dataset_read(data, WARD_SPLIT_TEST, SIZE_MAX, 2, x, NULL), WARD_ERR_ARG,
                "10000", "asked for");
    check_fault(ward_dataset_read(data, WARD_SPLIT_VALIDATION, 0, 1, x, NULL), WARD_ERR_ARG, "only",
                "test images");
    ward_dataset_free(data);
    check_ok(ward_data_verify("fashion-mnist"));
}

static void places_are_searched_in_the_stated_order(void **state)
{
    char path[256];

    (void)state;
    shell(format("mkdir -p '%s/a/mnist' '%s/b/ward' '%s/b/ward/fashion-mnist'", dir, dir, dir));
    make_idx_folder("b/ward/mnist");
    setenv("WARD_DATA", in_dir("a"), 1);
    setenv("XDG_DATA_HOME", in_dir("b"), 1);
    check_ok(ward_data_find("mnist", path, sizeof path)); /* a/mnist is empty: passed by */
    assert_string_equal(path, in_dir("b/ward/mnist"));
    make_idx_folder("a/mnist");
    check_ok(ward_data_find("mnist", path, sizeof path));
    assert_string_equal(path, in_dir("a/mnist"));
    check_ok(ward_data_find("fashion-mnist", path, sizeof path));
    assert_string_equal(path, FASHION);
    check_fault(ward_data_find("fashion-mnist", path, 10), WARD_ERR_ARG, "no room", FASHION);
    check_fault(ward_data_find("emnist", path, sizeof path), WARD_ERR_ARG, "unknown data set",
                "'emnist'");
    /* A damaged copy is reported, not passed by. */
    shell(format("rm '%s/a/mnist/train-images-idx3-ubyte'", dir));
    check_open_fault("mnist", WARD_ERR_IO, in_dir("a/mnist"), "train-images-idx3-ubyte");
    check_fault(ward_data_verify("mnist"), WARD_ERR_IO, in_dir("a/mnist"), "train-images");
}

static void a_missing_set_says_what_to_put_where(void **state)
{
    (void)state;
    setenv("WARD_DATA", "/nowhere", 1);
    setenv("XDG_DATA_HOME", in_dir("none"), 1);
    check_open_fault("mnist", WARD_ERR_IO, in_dir("none/ward/mnist"), "ward data fetch mnist");
    check_open_fault("mnist", WARD_ERR_IO, "t10k-labels-idx1-ubyte.gz", "is not on this machine");
    check_open_fault("cifar10", WARD_ERR_IO, in_dir("none/ward/cifar10"), "cifar-10-binary.tar.gz");
    check_open_fault("emnist", WARD_ERR_ARG, "'emnist'", "mnist, fashion-mnist, cifar10");
    check_open_fault("/nowhere/x", WARD_ERR_IO, "'/nowhere/x'", "neither a file, a folder");
    check_open_fault("mnist:/nowhere/x", WARD_ERR_IO, "'/nowhere/x'", "neither a file, a folder");
    shell(format("mkdir '%s/void'", dir));
    check_open_fault(in_dir("void"), WARD_ERR_FORMAT, in_dir("void"), "holds no data set");
    check_open_fault(format("cifar10:%s", in_dir("void")), WARD_ERR_FORMAT, in_dir("void"),
                     "does not hold cifar10");
    check_open_fault("", WARD_ERR_ARG, "''", "neither");
}

static void verify_names_the_file_that_differs(void **state)
{
    const char *folder = make_idx_folder("idx");

    (void)state;
    check_fault(ward_data_verify(format("mnist:%s", folder)), WARD_ERR_FORMAT,
                "idx/train-images-idx3-ubyte'", "not the published file");
    check_fault(ward_data_verify(folder), WARD_ERR_ARG, folder, "no published data set");
    /* In gzip as in plain, what counts is the contents. */
    shell(format("cd '%s' && gzip -dc " FASHION
                 "/train-images-idx3-ubyte.gz > train-images-idx3-ubyte "
                 "&& cp " FASHION "/train-labels-idx1-ubyte.gz . && rm train-labels-idx1-ubyte",
                 folder));
    check_fault(ward_data_verify(format("fashion-mnist:%s", folder)), WARD_ERR_FORMAT,
                "idx/t10k-images-idx3-ubyte'", "not the published file");
}

/* Downloads, from a folder that stands in for the publisher. */

static char digests[KNOWN_MAX_FILES][2 * SHA256_LEN + 1];

/* A set of which the small IDX files are the published ones. */
static struct known_set small_mnist(const char *folder)
{
    struct known_set set = *known_find("mnist", 5);

    for (size_t i = 0; i < 4; i++) {
        uint8_t *bytes, digest[SHA256_LEN];
        struct sha256 sha;
        size_t len;

        check_ok(file_read(format("%s/%s", folder, set.file[i].name), 4096, &bytes, &len));
        sha256_init(&sha);
        sha256_update(&sha, bytes, len);
        sha256_finish(&sha, digest);
        hex_encode(digest, sizeof digest, digests[i]);
        set.file[i].sha256 = digests[i];
        mem_free(bytes);
    }
    shell(format("gzip '%s'/*", folder));
    return set;
}

static int count_calls(void *context, const char *file, uint64_t done, uint64_t total)
{
    (void)file;
    (void)done;
    (void)total;
    ++*(unsigned *)context;
    return 0;
}

static int stop(void *context, const char *file, uint64_t done, uint64_t total)
{
    (void)context;
    (void)file;
    (void)done;
    (void)total;
    return 1;
}

static size_t files_in(const char *path)
{
    char **names;
    size_t count;

    check_ok(file_list(path, &names, &count));
    file_list_free(names, count);
    return count;
}

static void a_fetched_set_is_verified_and_complete(void **state)
{
    struct known_set set = small_mnist(make_idx_folder("publisher"));
    const char *url = format("file://%s/publisher/", dir), *to = in_dir("fetched/mnist");
    unsigned calls = 0;

    (void)state;
    check_ok(data_fetch(&set, url, to, count_calls, &calls));
    assert_true(calls > 0);
    assert_int_equal(files_in(to), 4);
    check_idx_contents(to);
    check_ok(data_verify(&set, to));
    /* What is there and right is kept: the publisher is not asked again. */
    check_ok(data_fetch(&set, "file:///nowhere/", to, NULL, NULL));
    write_file(format("%s/t10k-labels-idx1-ubyte.gz", to), "mine", 4);
    check_fault(data_fetch(&set, url, to, NULL, NULL), WARD_ERR_EXISTS,
                "fetched/mnist/t10k-labels-idx1-ubyte.gz'", "move it away");
}

static void a_fetched_archive_is_verified_by_its_members(void **state)
{
    struct known_set set = small_cifar();
    const char *folder = make_cifar_folder("cifar-10-batches-bin");

    (void)state;
    for (size_t i = 0; i < CIFAR_FILES; i++) {
        uint8_t *bytes, digest[SHA256_LEN];
        struct sha256 sha;
        size_t len;

        check_ok(file_read(format("%s/%s", folder, cifar_file_name(i)), 1 << 20, &bytes, &len));
        sha256_init(&sha);
        sha256_update(&sha, bytes, len);
        sha256_finish(&sha, digest);
        hex_encode(digest, sizeof digest, digests[i]);
        set.file[i].sha256 = digests[i];
        mem_free(bytes);
    }
    shell(format("cd '%s' && mkdir -p pub && tar -czf pub/cifar-10-binary.tar.gz "
                 "cifar-10-batches-bin && rm -r cifar-10-batches-bin",
                 dir));
    check_ok(
        data_fetch(&set, format("file://%s/pub/", dir), in_dir("fetched/cifar10"), NULL, NULL));
    check_cifar_contents(in_dir("fetched/cifar10"));
    set.file[5].sha256 = digests[0];
    check_fault(data_verify(&set, in_dir("fetched/cifar10")), WARD_ERR_FORMAT,
                "cifar-10-binary.tar.gz': test_batch.bin", "not the published file");
}

static void a_failed_fetch_says_what_to_do_and_leaves_nothing(void **state)
{
    struct known_set set = small_mnist(make_idx_folder("publisher"));
    const char *url = format("file://%s/publisher/", dir), *to = in_dir("empty");

    (void)state;
    check_fault(data_fetch(&set, "file:///nowhere/", to, NULL, NULL), WARD_ERR_IO,
                "cannot fetch 'file:///nowhere/train-images-idx3-ubyte.gz'",
                format("put it at '%s/train-images-idx3-ubyte.gz'", to));
    /* Nothing listens on the discard port. */
    check_fault(data_fetch(&set, "http://127.0.0.1:9/", to, NULL, NULL), WARD_ERR_IO,
                "cannot fetch 'http://127.0.0.1:9/train-images-idx3-ubyte.gz'", "put it at");
    check_fault(data_fetch(&set, url, to, stop, NULL), WARD_ERR_STOPPED, "publisher/train-images",
                "was stopped");
    set.file[0].sha256 = digests[1];
    check_fault(data_fetch(&set, url, to, NULL, NULL), WARD_ERR_FORMAT, "publisher/train-images",
                "is not the published file");
    check_fault(ward_data_fetch("emnist", to, NULL, NULL), WARD_ERR_ARG, "unknown data set",
                "'emnist'");
    assert_int_equal(files_in(to), 0);
}

static ward_status open_and_free(void *spec)
{
    ward_dataset *data = NULL;
    ward_status st = ward_dataset_open(&data, spec);

    ward_dataset_free(data);
    return st;
}

static ward_status load_cifar_and_free(void *path)
{
    ward_dataset *data = NULL;
    ward_status st = load_cifar(&data, path);

    ward_dataset_free(data);
    return st;
}

static void any_allocation_may_fail(void **state)
{
    char path[256];

    (void)state;
    snprintf(path, sizeof path, "%s", make_idx_folder("idx"));
    assert_survives_failing_allocations(open_and_free, path);
    shell(format("gzip '%s'/*", path));
    assert_survives_failing_allocations(open_and_free, path);
    snprintf(path, sizeof path, "mnist:%s", in_dir("idx"));
    assert_survives_failing_allocations(open_and_free, path);
    snprintf(path, sizeof path, "%s", make_picture_folder(3));
    assert_survives_failing_allocations(open_and_free, path);
    snprintf(path, sizeof path, "%s", make_cifar_folder("cifar"));
    assert_survives_failing_allocations(load_cifar_and_free, path);
    shell(format("tar -czf '%s/cifar.tar.gz' -C '%s' .", dir, path));
    snprintf(path, sizeof path, "%s", in_dir("cifar.tar.gz"));
    assert_survives_failing_allocations(load_cifar_and_free, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_reads_the_same_plain_and_in_gzip),
        cmocka_unit_test(idx_without_a_known_name_counts_its_classes),
        cmocka_unit_test(each_idx_fault_is_named_with_its_file),
        cmocka_unit_test(labels_past_the_classes_are_refused),
        cmocka_unit_test(missing_and_unreadable_idx_files_are_named),
        cmocka_unit_test(damaged_gzip_is_refused_wherever_it_is_cut),
        cmocka_unit_test(cifar_reads_the_same_from_folder_and_archives),
        cmocka_unit_test(each_cifar_fault_is_named_with_its_file),
        cmocka_unit_test(a_cifar_archive_with_anything_unexpected_is_refused),
        cmocka_unit_test(picture_folders_are_read_in_sorted_order),
        cmocka_unit_test(each_picture_fault_is_named_with_its_file),
        cmocka_unit_test(fashion_is_found_and_is_the_published_one),
        cmocka_unit_test(places_are_searched_in_the_stated_order),
        cmocka_unit_test(a_missing_set_says_what_to_put_where),
        cmocka_unit_test(verify_names_the_file_that_differs),
        cmocka_unit_test(a_fetched_set_is_verified_and_complete),
        cmocka_unit_test(a_fetched_archive_is_verified_by_its_members),
        cmocka_unit_test(a_failed_fetch_says_what_to_do_and_leaves_nothing),
        cmocka_unit_test(any_allocation_may_fail)};

    return cmocka_run_group_tests(tests, enter, leave);
}
