/* The published data sets: their names, publishers and sums, and where they are on this machine. */
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/util.h"
#include "data/cifar.h"
#include "data/dataset.h"
#include "data/idx.h"

static const char *const mnist_class[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *const fashion_class[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                            "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                            "Bag",         "Ankle boot"};
static const char *const cifar_class[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};

static const struct known_set set[] = {
    {.name = "mnist",
     .url = "https://ossci-datasets.s3.amazonaws.com/mnist/",
     .layout = LAYOUT_IDX,
     .class_names = mnist_class,
     .classes = 10,
     .file = {{"train-images-idx3-ubyte",
               "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
              {"train-labels-idx1-ubyte",
               "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
              {"t10k-images-idx3-ubyte",
               "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
              {"t10k-labels-idx1-ubyte",
               "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}}},
    {.name = "fashion-mnist",
     .url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
     .layout = LAYOUT_IDX,
     .package = "dataset-fashion-mnist",
     .class_names = fashion_class,
     .classes = 10,
     .file = {{"train-images-idx3-ubyte",
               "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
              {"train-labels-idx1-ubyte",
               "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
              {"t10k-images-idx3-ubyte",
               "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
              {"t10k-labels-idx1-ubyte",
               "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"}}},
    {.name = "cifar10",
     .url = "https://www.cs.toronto.edu/~kriz/",
     .layout = LAYOUT_CIFAR,
     .archive = "cifar-10-binary.tar.gz",
     .class_names = cifar_class,
     .classes = 10,
     .records = 10000,
     .file = {
         {"data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
         {"data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
         {"data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
         {"data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
         {"data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
         {"test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"}}}};

const struct known_set *known_set(size_t i)
{
    return i < sizeof set / sizeof *set ? &set[i] : NULL;
}

const struct known_set *known_find(const char *name, size_t len)
{
    for (size_t i = 0; known_set(i); i++)
        if (strlen(set[i].name) == len && memcmp(set[i].name, name, len) == 0)
            return &set[i];
    return NULL;
}

ward_status known_named(const char *name, const struct known_set **out)
{
    *out = known_find(name, strlen(name));
    return *out ? WARD_OK
                : ward_fail(WARD_ERR_ARG,
                            "unknown data set '%s': the names are mnist, fashion-mnist, cifar10",
                            name);
}

const char *ward_data_name(size_t i)
{
    return known_set(i) ? set[i].name : NULL;
}

ward_status known_wanted(const struct known_set *known, char **out)
{
    char *list = NULL;
    ward_status st = WARD_OK;

    if (known->archive)
        return mem_strdup(out, known->archive);
    for (size_t i = 0; !st && i < KNOWN_MAX_FILES && known->file[i].name; i++) {
        char *longer = NULL;

        st = mem_printf(&longer, "%s%s%s.gz", list ? list : "", list ? ", " : "",
                        known->file[i].name);
        mem_free(list);
        list = longer;
    }
    if (!st)
        *out = list;
    return st;
}

ward_status user_folder(const struct known_set *known, char **out)
{
    return file_user_path(out, known->name);
}

static ward_status has_idx(const char *path, bool *out)
{
    static const char *const ending[] = {"", ".gz"};
    ward_status st = WARD_OK;

    *out = false;
    for (size_t i = 0; !st && idx_file_name(i); i++)
        for (size_t e = 0; !st && e < 2; e++) {
            char *file = NULL;

            st = mem_printf(&file, "%s/%s%s", path, idx_file_name(i), ending[e]);
            *out = *out || (!st && file_exists(file));
            mem_free(file);
        }
    return st;
}

static ward_status has_folders(const char *path, bool *out)
{
    char *train = NULL, *test = NULL;
    ward_status st;

    st = file_join(&train, path, "train");
    if (!st)
        st = file_join(&test, path, "test");
    if (!st)
        *out = file_is_directory(train) || file_is_directory(test);
    mem_free(train);
    mem_free(test);
    return st;
}

ward_status layout_of(const char *path, enum layout *out)
{
    bool idx = false, folders = false;
    char *cifar = NULL;
    ward_status st;

    st = has_idx(path, &idx);
    if (!st)
        st = cifar_find(&cifar, path);
    if (!st)
        st = has_folders(path, &folders);
    if (!st)
        *out = idx ? LAYOUT_IDX : cifar ? LAYOUT_CIFAR : folders ? LAYOUT_FOLDER : LAYOUT_NONE;
    mem_free(cifar);
    return st;
}

/* The i-th place where a set may be; *out is owned, and NULL where there is no such place. */
static ward_status place(const struct known_set *known, size_t i, char **out)
{
    const char *root = getenv("WARD_DATA");
    ward_status st;

    *out = NULL;
    if (i == 0)
        return root && *root ? file_join(out, root, known->name) : WARD_OK;
    if (i == 1) {
        st = user_folder(known, out);
        return st == WARD_ERR_IO ? WARD_OK : st;
    }
    return file_join(out, "/usr/share/datasets", known->name);
}

static ward_status not_here(const struct known_set *known)
{
    char *folder = NULL, *wanted = NULL;
    ward_status st;

    st = user_folder(known, &folder);
    if (st == WARD_ERR_IO) /* there is no home */
        st = file_join(&folder, "$WARD_DATA", known->name);
    if (!st)
        st = known_wanted(known, &wanted);
    if (!st)
        st = ward_fail(WARD_ERR_IO,
                       "data set '%s' is not on this machine: run 'ward data fetch "
                       "%s'%s%s, or put %s into '%s'",
                       known->name, known->name,
                       known->package ? ", install the Debian package " : "",
                       known->package ? known->package : "", wanted, folder);
    mem_free(folder);
    mem_free(wanted);
    return st;
}

/* A place counts if it has any of the files, so that a damaged copy is reported, not passed by. */
static ward_status find_known(const struct known_set *known, char **out)
{
    for (size_t i = 0; i < 3; i++) {
        enum layout layout = LAYOUT_NONE;
        char *path = NULL;
        ward_status st = place(known, i, &path);

        if (!st && path)
            st = layout_of(path, &layout);
        if (!st && layout == known->layout) {
            *out = path;
            return WARD_OK;
        }
        mem_free(path);
        if (st)
            return st;
    }
    return not_here(known);
}

static ward_status check_given(const char *path, const struct known_set *known, enum layout layout)
{
    char *wanted = NULL;
    ward_status st;

    if (!file_exists(path))
        return ward_fail(strchr(path, '/') ? WARD_ERR_IO : WARD_ERR_ARG,
                         "'%s' is neither a file, "
                         "a folder nor one of the names mnist, fashion-mnist, cifar10",
                         path);
    if (known && layout != known->layout) {
        st = known_wanted(known, &wanted);
        if (!st)
            st = ward_fail(WARD_ERR_FORMAT, "'%s' does not hold %s: no %s", path, known->name,
                           wanted);
        mem_free(wanted);
        return st;
    }
    if (layout == LAYOUT_NONE)
        return ward_fail(WARD_ERR_FORMAT,
                         "'%s' holds no data set: no train-images-idx3-ubyte[.gz], "
                         "data_batch_1.bin, cifar-10-binary.tar.gz or train/CLASS/",
                         path);
    return WARD_OK;
}

static ward_status resolve_path(const char *given, char **path, const struct known_set **known,
                                enum layout *layout)
{
    enum layout found = LAYOUT_NONE;
    char *copy = NULL;
    const char *slash;
    ward_status st;

    st = mem_strdup(&copy, given);
    if (st)
        return st;
    for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
        copy[len - 1] = '\0';
    st = layout_of(copy, &found);
    if (!st)
        st = check_given(copy, *known, found);
    if (st) {
        mem_free(copy);
        return st;
    }
    /* A folder that bears a known name and has its layout is taken for it. */
    slash = strrchr(copy, '/');
    if (!*known)
        *known = known_find(slash ? slash + 1 : copy, strlen(slash ? slash + 1 : copy));
    if (!*known && found == LAYOUT_CIFAR)
        *known = known_find("cifar10", 7);
    if (*known && (*known)->layout != found)
        *known = NULL;
    *path = copy;
    *layout = found;
    return WARD_OK;
}

ward_status data_resolve(const char *spec, char **path, const struct known_set **out_set,
                         enum layout *layout)
{
    const char *colon = strchr(spec, ':');
    const struct known_set *known = known_find(spec, strlen(spec));
    ward_status st;

    if (known) {
        st = find_known(known, path);
        if (st)
            return st;
        *out_set = known;
        *layout = known->layout;
        return WARD_OK;
    }
    if (colon)
        known = known_find(spec, (size_t)(colon - spec));
    st = resolve_path(known ? colon + 1 : spec, path, &known, layout);
    if (!st)
        *out_set = known;
    return st;
}

ward_status ward_data_find(const char *name, char *path, size_t len)
{
    const struct known_set *known;
    char *found = NULL;
    ward_status st = known_named(name, &known);

    if (!st)
        st = find_known(known, &found);
    if (!st && strlen(found) >= len)
        st = ward_fail(WARD_ERR_ARG, "no room for the path '%s'", found);
    if (!st)
        memcpy(path, found, strlen(found) + 1);
    mem_free(found);
    return st;
}

static ward_status check_digest(const struct known_set *known, size_t i, const uint8_t *bytes,
                                size_t len)
{
    uint8_t digest[SHA256_LEN];
    char hex[2 * SHA256_LEN + 1];
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, bytes, len);
    sha256_finish(&sha, digest);
    hex_encode(digest, sizeof digest, hex);
    if (strcmp(hex, known->file[i].sha256) == 0)
        return WARD_OK;
    return ward_fail(WARD_ERR_FORMAT, "not the published file: its contents have SHA-256 %s", hex);
}

static ward_status visit_digest(void *context, size_t file, const uint8_t *bytes, size_t len)
{
    return check_digest(context, file, bytes, len);
}

ward_status data_verify_file(const struct known_set *known, size_t i, const char *path)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    ward_status st;

    if (known->layout == LAYOUT_CIFAR)
        return cifar_walk(path, known->records, visit_digest, (void *)(uintptr_t)known);
    st = contents_read(path, &bytes, &len);
    if (st)
        return st;
    st = check_digest(known, i, bytes, len);
    mem_free(bytes);
    return st ? ward_fail_within(st, "'%s'", path) : WARD_OK;
}

ward_status data_verify(const struct known_set *known, const char *path)
{
    ward_status st = WARD_OK;
    char *file = NULL;

    if (known->layout == LAYOUT_CIFAR) {
        st = cifar_find(&file, path);
        if (!st)
            st = data_verify_file(known, 0, file ? file : path);
        mem_free(file);
        return st;
    }
    for (size_t i = 0; !st && i < KNOWN_MAX_FILES && known->file[i].name; i++) {
        file = NULL;
        st = idx_find(&file, path, known->file[i].name);
        if (!st)
            st = data_verify_file(known, i, file);
        mem_free(file);
    }
    return st;
}

ward_status ward_data_verify(const char *spec)
{
    const struct known_set *known = NULL;
    enum layout layout;
    char *path = NULL;
    ward_status st;

    st = data_resolve(spec, &path, &known, &layout);
    if (!st && !known)
        st = ward_fail(WARD_ERR_ARG, "'%s' is no published data set: nothing to verify it against",
                       spec);
    if (!st)
        st = data_verify(known, path);
    mem_free(path);
    return st;
}
