#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_test.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/image.h"
#include "image/sheet.h"

/* The pictures of the fuzzers' corpora are 3x2; the test runs in the source tree. */
#define CORPUS "fuzz/corpus/"

static char dir[64];

static int enter(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/ward-test-image-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void check_fault(ward_status st, ward_status expected, const char *what)
{
    if (st != expected || !strstr(ward_error_message(), what) || strchr(ward_error_message(), '\n'))
        fail_msg("expected %s with '%s', got %s: %s", ward_status_name(expected), what,
                 ward_status_name(st), ward_error_message());
}

static void check_ok(ward_status st)
{
    if (st)
        fail_msg("%s: %s", ward_status_name(st), ward_error_message());
}

static void every_kind_of_png_becomes_8_bit_grey_or_rgb(void **state)
{
    static const uint8_t grey[6] = {0, 51, 102, 153, 204, 255};
    static const uint8_t bits[6] = {0, 255, 0, 255, 0, 255};
    static const uint8_t rgb[18] = {0,   255, 7, 51,  204, 7, 102, 153, 7,
                                    153, 102, 7, 204, 51,  7, 255, 0,   7};
    static const uint8_t rgb4[18] = {0,   255, 7, 51, 204, 7, 102, 153, 7,
                                     153, 102, 7, 0,  255, 7, 51,  204, 7};
    static const struct {
        const char *name;
        unsigned channels;
        const uint8_t *pixels;
    } kind[] = {{"grey8", 1, grey},      {"grey16", 1, grey},  {"grey4", 1, grey},
                {"grey1", 1, bits},      {"greykey", 1, grey}, {"greyalpha", 1, grey},
                {"interlaced", 1, grey}, {"text", 1, grey},    {"rgb8", 3, rgb},
                {"rgba", 3, rgb},        {"palette", 3, rgb},  {"palette2", 3, rgb4}};

    (void)state;
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        ward_image image;
        char path[128];

        snprintf(path, sizeof path, CORPUS "png/%s.png", kind[i].name);
        check_ok(ward_image_read(&image, path));
        assert_int_equal(image.width, 3);
        assert_int_equal(image.height, 2);
        assert_int_equal(image.channels, kind[i].channels);
        assert_memory_equal(image.pixels, kind[i].pixels, 6 * kind[i].channels);
        ward_image_release(&image);
    }
}

static void jpeg_is_read_as_grey_or_rgb(void **state)
{
    static const struct {
        const char *path;
        unsigned channels;
    } kind[] = {{CORPUS "jpeg/grey.jpg", 1},
                {CORPUS "jpeg/rgb.jpg", 3},
                {CORPUS "jpeg/rgbraw.jpg", 3},
                {CORPUS "jpeg/progressive.jpg", 3}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        ward_image image;

        check_ok(ward_image_read(&image, kind[i].path));
        assert_int_equal(image.width, 16);
        assert_int_equal(image.height, 12);
        assert_int_equal(image.channels, kind[i].channels);
        /* Red (or grey) was 16 x; lossy coding may miss it by a little. */
        for (unsigned x = 0; x < 16; x++)
            assert_in_range(image.pixels[(5 * 16 + x) * kind[i].channels] + 8, 16 * x, 16 * x + 16);
        ward_image_release(&image);
    }
}

static void each_fault_is_one_line_that_names_file_and_fault(void **state)
{
    static const struct {
        const char *path;
        ward_status status;
        const char *what;
    } fault[] = {{CORPUS "png/huge.png", WARD_ERR_FORMAT, "huge.png': an image of 16384x16384"},
                 {CORPUS "png/wide.png", WARD_ERR_FORMAT, "wide.png': PNG: "},
                 {CORPUS "png/badcrc.png", WARD_ERR_FORMAT, "badcrc.png': PNG: IHDR: CRC error"},
                 {CORPUS "jpeg/cmyk.jpg", WARD_ERR_FORMAT, "cmyk.jpg': JPEG: 4 colour components"},
                 {CORPUS "idx/images", WARD_ERR_FORMAT, "images': neither a PNG nor a JPEG file"},
                 {CORPUS "png", WARD_ERR_IO, "png"},
                 {"/nowhere/x.png", WARD_ERR_IO, "/nowhere/x.png"},
                 {"/dev/null", WARD_ERR_FORMAT, "/dev/null': the file is empty"}};

    (void)state;
    for (size_t i = 0; i < sizeof fault / sizeof *fault; i++) {
        ward_image image = {7, 7, 7, NULL};

        check_fault(ward_image_read(&image, fault[i].path), fault[i].status, fault[i].what);
        assert_int_equal(image.width, 7);
    }
}

static void a_picture_cut_off_anywhere_is_refused(void **state)
{
    static const char *const path[] = {CORPUS "png/rgb8.png", CORPUS "png/interlaced.png",
                                       CORPUS "jpeg/grey.jpg", CORPUS "jpeg/progressive.jpg"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint8_t *data;
        size_t len;

        check_ok(file_read(path[i], 1 << 20, &data, &len));
        for (size_t cut = 0; cut < len; cut++) {
            ward_image image = {7, 7, 7, NULL};

            if (image_decode(&image, data, cut) != WARD_ERR_FORMAT || image.width != 7)
                fail_msg("%s was accepted when cut off at %zu of %zu bytes", path[i], cut, len);
        }
        mem_free(data);
    }
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    for (unsigned channels = 1; channels <= 3; channels += 2) {
        ward_image image, again;

        check_ok(image_new(&image, 5, 3, channels));
        for (unsigned i = 0; i < 15 * channels; i++)
            image.pixels[i] = (uint8_t)(i * 37);
        check_ok(ward_image_write(&image, in_dir("a.png"), WARD_IMAGE_REPLACE));
        check_ok(ward_image_read(&again, in_dir("a.png")));
        assert_int_equal(again.width, 5);
        assert_int_equal(again.height, 3);
        assert_int_equal(again.channels, channels);
        assert_memory_equal(again.pixels, image.pixels, 15 * channels);
        ward_image_release(&again);
        ward_image_release(&image);
    }
}

static void writing_keeps_secrets_and_overwrites_only_when_told(void **state)
{
    ward_image image, bad = {3, 3, 2, NULL};
    struct stat info;

    (void)state;
    check_ok(image_new(&image, 2, 2, 1));
    check_ok(ward_image_write(&image, in_dir("s.png"), WARD_IMAGE_SECRET));
    assert_int_equal(stat(in_dir("s.png"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    check_fault(ward_image_write(&image, in_dir("s.png"), 0), WARD_ERR_EXISTS, "s.png");
    check_fault(ward_image_write(&image, "/nowhere/s.png", 0), WARD_ERR_IO, "/nowhere/s.png");
    check_fault(ward_image_write(&bad, in_dir("b.png"), 0), WARD_ERR_ARG, "2 channels");
    ward_image_release(&image);
}

static void numbers_become_bytes_rounded_and_clamped(void **state)
{
    static const float x[6] = {-1.0f, 1.0f, -7.0f, 9.0f, NAN, 0.0f};
    static const uint8_t bytes[6] = {0, 255, 0, 255, 0, 128};
    ward_image image;

    (void)state;
    check_ok(ward_image_from_float(&image, x, 1, 2, 3, -1.0f, 1.0f));
    assert_memory_equal(image.pixels, bytes, 6);
    ward_image_release(&image);
    check_ok(ward_image_from_float(&image, x, 3, 1, 2, -1.0f, 1.0f));
    assert_int_equal(image.pixels[0], 0);   /* pixel 0: -1, -7, NaN */
    assert_int_equal(image.pixels[3], 255); /* pixel 1: 1, 9, 0 */
    assert_int_equal(image.pixels[5], 128);
    ward_image_release(&image);
    check_fault(ward_image_from_float(&image, x, 1, 2, 3, 1.0f, 1.0f), WARD_ERR_ARG, "black");
    check_fault(ward_image_from_float(&image, x, 2, 1, 3, 0.0f, 1.0f), WARD_ERR_ARG, "channels");
    check_fault(ward_image_from_float(&image, x, 1, 0, 3, 0.0f, 1.0f), WARD_ERR_ARG, "empty");
}

static const uint8_t *pixel(const ward_image *image, unsigned x, unsigned y)
{
    return image->pixels + ((size_t)y * image->width + x) * image->channels;
}

static void a_sheet_places_scaled_cells_on_white(void **state)
{
    uint8_t grey[4] = {1, 2, 3, 4}, rgb[12] = {10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42};
    ward_image grey_cell = {2, 2, 1, grey}, rgb_cell = {2, 2, 3, rgb}, odd = {2, 1, 1, grey}, sheet;
    struct sheet_layout layout = {.columns = 2,
                                  .rows = 1,
                                  .cell_width = 2,
                                  .cell_height = 2,
                                  .channels = 3,
                                  .scale = 3,
                                  .margin = 2};

    (void)state;
    check_ok(sheet_init(&sheet, &layout));
    assert_int_equal(sheet.width, 2 + 6 + 2 + 6 + 2);
    assert_int_equal(sheet.height, 2 + 6 + 2);
    check_ok(sheet_put(&sheet, &layout, 0, 0, &grey_cell));
    check_ok(sheet_put(&sheet, &layout, 1, 0, &rgb_cell));
    for (unsigned y = 0; y < sheet.height; y++)
        for (unsigned x = 0; x < sheet.width; x++) {
            static const uint8_t white[3] = {255, 255, 255};
            uint8_t shade[3] = {0, 0, 0};
            const uint8_t *expected = white;
            bool is_row = y >= 2 && y < 8;

            if (is_row && x >= 2 && x < 8) {
                memset(shade, grey[(y - 2) / 3 * 2 + (x - 2) / 3], 3);
                expected = shade;
            } else if (is_row && x >= 10 && x < 16) {
                expected = rgb + ((y - 2) / 3 * 2 + (x - 10) / 3) * 3;
            }
            assert_memory_equal(pixel(&sheet, x, y), expected, 3);
        }
    check_fault(sheet_put(&sheet, &layout, 0, 0, &odd), WARD_ERR_ARG, "2x1");
    check_fault(sheet_put(&sheet, &layout, 2, 0, &grey_cell), WARD_ERR_ARG, "does not fit");
    ward_image_release(&sheet);
    layout.scale = 0;
    check_fault(sheet_init(&sheet, &layout), WARD_ERR_ARG, "empty or too large");
}

static void captions_stay_above_their_columns(void **state)
{
    static const char *const captions[2] = {"Raw (x5) % far too long for its column", NULL};
    struct sheet_layout layout = {.columns = 2,
                                  .rows = 1,
                                  .cell_width = 28,
                                  .cell_height = 28,
                                  .channels = 1,
                                  .scale = 2,
                                  .margin = 4,
                                  .captions = captions};
    unsigned ink = 0;
    ward_image sheet;

    (void)state;
    check_ok(sheet_init(&sheet, &layout));
    for (unsigned y = 0; y < sheet.height; y++)
        for (unsigned x = 0; x < sheet.width; x++)
            if (*pixel(&sheet, x, y) == 0) {
                ink++;
                assert_in_range(x, 4, 4 + 56 - 1);
                assert_in_range(y, 4, 4 + 10 - 1);
            }
    assert_in_range(ink, 100, 500);
    ward_image_release(&sheet);
}

static ward_status draw_a_sheet(void *path)
{
    struct sheet_layout layout = {.columns = 1,
                                  .rows = 1,
                                  .cell_width = 3,
                                  .cell_height = 2,
                                  .channels = 3,
                                  .scale = 1,
                                  .margin = 1};
    ward_image image = {0, 0, 0, NULL}, sheet = {0, 0, 0, NULL};
    ward_status st;

    st = ward_image_read(&image, path);
    if (!st)
        st = sheet_init(&sheet, &layout);
    if (!st)
        st = sheet_put(&sheet, &layout, 0, 0, &image);
    if (!st)
        st = ward_image_write(&sheet, in_dir("e.png"), WARD_IMAGE_REPLACE);
    ward_image_release(&image);
    ward_image_release(&sheet);
    return st;
}

static void any_allocation_may_fail(void **state)
{
    char path[] = CORPUS "png/text.png";

    (void)state;
    /* Reading and writing a PNG takes libpng alone more than ten. */
    assert_true(assert_survives_failing_allocations(draw_a_sheet, path) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_png_becomes_8_bit_grey_or_rgb),
        cmocka_unit_test(jpeg_is_read_as_grey_or_rgb),
        cmocka_unit_test(each_fault_is_one_line_that_names_file_and_fault),
        cmocka_unit_test(a_picture_cut_off_anywhere_is_refused),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(writing_keeps_secrets_and_overwrites_only_when_told),
        cmocka_unit_test(numbers_become_bytes_rounded_and_clamped),
        cmocka_unit_test(a_sheet_places_scaled_cells_on_white),
        cmocka_unit_test(captions_stay_above_their_columns),
        cmocka_unit_test(any_allocation_may_fail)};

    return cmocka_run_group_tests(tests, enter, leave);
}
