/*
 * PNG through libpng. Its errors come by longjmp, which never leaves the one function that has the
 * setjmp; all that must survive it lives in a struct outside that function's frame.
 */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "image/image.h"

/*
 * The largest block that libpng needs for itself: rows, and optional chunks, whose lengths it takes
 * from the file and only warns about.
 */
enum { MAX_BLOCK = 1 << 22 };

struct png_job {
    png_structp png;
    png_infop info;
    struct rd in;
    struct wr *out;
    ward_image image;
    png_bytep *rows; /* [height], into image.pixels */
    ward_status status;
    char fault[160];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct png_job *job = png_get_error_ptr(png);

    snprintf(job->fault, sizeof job->fault, "%s", text);
    png_longjmp(png, 1);
}

/* What libpng only warns of (a damaged optional chunk, say) leaves the pixels right. */
static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t len)
{
    struct png_job *job = png_get_mem_ptr(png);
    void *block = NULL;
    ward_status st;

    if (len > MAX_BLOCK)
        return NULL;
    st = mem_new(&block, len, 1);
    if (st)
        job->status = st;
    return st ? NULL : block;
}

static void on_free(png_structp png, png_voidp block)
{
    (void)png;
    mem_free(block);
}

static void on_read(png_structp png, png_bytep data, size_t len)
{
    struct png_job *job = png_get_io_ptr(png);
    const uint8_t *from = rd_bytes(&job->in, len);

    if (!from)
        png_error(png, "the file is cut off");
    memcpy(data, from, len);
}

static void on_write(png_structp png, png_bytep data, size_t len)
{
    struct png_job *job = png_get_io_ptr(png);

    wr_bytes(job->out, data, len);
}

static void on_flush(png_structp png)
{
    (void)png;
}

static ward_status make_rows(struct png_job *job)
{
    size_t stride = (size_t)job->image.width * job->image.channels;
    ward_status st = mem_new(&job->rows, job->image.height, sizeof *job->rows);

    for (size_t y = 0; !st && y < job->image.height; y++)
        job->rows[y] = job->image.pixels + y * stride;
    return st;
}

/* Ask libpng for 8-bit grey or RGB whatever the file has, and make room for it. */
static ward_status plan_pixels(struct png_job *job)
{
    png_structp png = job->png;
    png_byte kind = png_get_color_type(png, job->info);
    ward_status st;

    if (kind == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (kind == PNG_COLOR_TYPE_GRAY)
        png_set_expand_gray_1_2_4_to_8(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
    st = image_new(&job->image, png_get_image_width(png, job->info),
                   png_get_image_height(png, job->info), kind & PNG_COLOR_MASK_COLOR ? 3 : 1);
    if (st)
        return st == WARD_ERR_ARG ? WARD_ERR_FORMAT : st;
    if (png_get_rowbytes(png, job->info) != (size_t)job->image.width * job->image.channels)
        return ward_fail(WARD_ERR_FORMAT, "PNG: unexpected row length");
    return make_rows(job);
}

static ward_status caught(struct png_job *job)
{
    if (job->status)
        return job->status;
    return ward_fail(WARD_ERR_FORMAT, "PNG: %s", job->fault);
}

static ward_status decode(struct png_job *job)
{
    ward_status st;

    if (setjmp(png_jmpbuf(job->png)))
        return caught(job);
    png_set_user_limits(job->png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(job->png, MAX_BLOCK);
    png_set_chunk_cache_max(job->png, 64);
    png_set_read_fn(job->png, job, on_read);
    png_read_info(job->png, job->info);
    st = plan_pixels(job);
    if (st)
        return st;
    png_read_image(job->png, job->rows);
    png_read_end(job->png, NULL);
    if (rd_left(&job->in) > 0)
        return ward_fail(WARD_ERR_FORMAT, "PNG: %zu stray bytes at the end", rd_left(&job->in));
    return WARD_OK;
}

ward_status png_decode(ward_image *out, const uint8_t *data, size_t len)
{
    struct png_job job = {.status = WARD_OK};
    ward_status st = WARD_ERR_NOMEM;

    rd_init(&job.in, data, len);
    job.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job,
                                       on_alloc, on_free);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info)
        goto done;
    st = decode(&job);
    if (st)
        goto done;
    *out = job.image;
    job.image.pixels = NULL;
done:
    png_destroy_read_struct(&job.png, &job.info, NULL);
    mem_free(job.rows);
    ward_image_release(&job.image);
    return st;
}

static ward_status encode(struct png_job *job)
{
    if (setjmp(png_jmpbuf(job->png)))
        return caught(job);
    png_set_write_fn(job->png, job, on_write, on_flush);
    png_set_IHDR(job->png, job->info, job->image.width, job->image.height, 8,
                 job->image.channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    png_write_image(job->png, job->rows);
    png_write_end(job->png, NULL);
    return wr_finish(job->out);
}

ward_status png_encode(const ward_image *image, struct wr *out)
{
    struct png_job job = {.status = WARD_OK, .out = out, .image = *image};
    ward_status st = WARD_ERR_NOMEM;

    if (!image->pixels || image->width == 0 || image->height == 0 ||
        (image->channels != 1 && image->channels != 3))
        return ward_fail(WARD_ERR_ARG, "no image: %ux%u pixels, %u channels", image->width,
                         image->height, image->channels);
    job.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job,
                                        on_alloc, on_free);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info)
        goto done;
    st = make_rows(&job);
    if (!st)
        st = encode(&job);
done:
    png_destroy_write_struct(&job.png, &job.info);
    mem_free(job.rows);
    return st;
}
