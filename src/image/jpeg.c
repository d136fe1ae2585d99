/*
 * JPEG through libjpeg. Its errors come by longjmp, which never leaves the one function that has
 * the setjmp. libjpeg mends damaged data and warns; here a warning is a fault, because a half
 * grey picture is no training image.
 */
#include <stdio.h>
/* jpeglib.h needs stdio.h first. */
#include <jpeglib.h>

#include <jerror.h>
#include <setjmp.h>

#include "base/mem.h"
#include "image/image.h"

/* A file of a few bytes can ask for thousands of passes over a large picture. */
enum { MAX_SCANS = 64 };

struct jpeg_job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf trap;
    ward_image image;
    ward_status status;
};

static void on_error(j_common_ptr common)
{
    struct jpeg_job *job = common->client_data;
    bool starved = common->err->msg_code == JERR_OUT_OF_MEMORY;
    char text[JMSG_LENGTH_MAX];

    common->err->format_message(common, text);
    job->status = ward_fail(starved ? WARD_ERR_NOMEM : WARD_ERR_FORMAT, "JPEG: %s", text);
    longjmp(job->trap, 1);
}

static void on_message(j_common_ptr common, int level)
{
    if (level < 0)
        on_error(common);
}

static void on_progress(j_common_ptr common)
{
    struct jpeg_job *job = common->client_data;

    if (job->jpeg.input_scan_number > MAX_SCANS) {
        job->status = ward_fail(WARD_ERR_FORMAT, "JPEG: more than %d scans", MAX_SCANS);
        longjmp(job->trap, 1);
    }
}

static ward_status plan_pixels(struct jpeg_job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    ward_status st;

    if (jpeg->num_components != 1 && jpeg->num_components != 3)
        return ward_fail(WARD_ERR_FORMAT, "JPEG: %d colour components instead of 1 or 3",
                         jpeg->num_components);
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    st = image_new(&job->image, jpeg->image_width, jpeg->image_height,
                   (unsigned)jpeg->num_components);
    return st == WARD_ERR_ARG ? WARD_ERR_FORMAT : st;
}

static ward_status decode(struct jpeg_job *job, const uint8_t *data, size_t len)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    ward_status st;

    if (setjmp(job->trap))
        return job->status;
    jpeg_create_decompress(jpeg);
    jpeg->client_data = job;
    jpeg->progress = &job->progress;
    jpeg_mem_src(jpeg, data, (unsigned long)len);
    jpeg_read_header(jpeg, TRUE);
    st = plan_pixels(job);
    if (st)
        return st;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = job->image.pixels +
                       (size_t)jpeg->output_scanline * job->image.width * job->image.channels;

        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    return WARD_OK;
}

ward_status jpeg_decode(ward_image *out, const uint8_t *data, size_t len)
{
    struct jpeg_job job = {.status = WARD_OK};
    ward_status st;

    job.jpeg.client_data = &job;
    job.jpeg.err = jpeg_std_error(&job.errors);
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    job.progress.progress_monitor = on_progress;
    st = decode(&job, data, len);
    if (st)
        goto done;
    *out = job.image;
    job.image.pixels = NULL;
done:
    jpeg_destroy_decompress(&job.jpeg);
    ward_image_release(&job.image);
    return st;
}
