/* Reading a secret seed: see secret_seed.h. */
#include "secret_seed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { HEX_LEN = 2 * SECRET_SEED_LEN };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool from_hex(const uint8_t *text, size_t len, struct secret_seed *out)
{
    if (len == HEX_LEN + 1 && text[HEX_LEN] == '\n')
        len--;
    if (len != HEX_LEN)
        return false;
    for (size_t i = 0; i < SECRET_SEED_LEN; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Unbuffered, so that no copy stays behind. -1 with errno. */
static ssize_t read_all(int fd, uint8_t *data, size_t max)
{
    size_t len = 0;

    while (len < max) {
        ssize_t n = read(fd, data + len, max - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

int secret_seed_read(const struct cli *cli, const char *path, struct secret_seed *out)
{
    uint8_t data[HEX_LEN + 2];
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read_all(fd, data, sizeof(data));
    int code = CLI_RUN;

    if (len < 0)
        code = cli_error(cli, "cannot read '%s': %s", path, strerror(errno));
    else if (len == SECRET_SEED_LEN)
        memcpy(out->bytes, data, SECRET_SEED_LEN);
    else if (!from_hex(data, (size_t)len, out))
        code = cli_error(cli, "'%s' holds neither 32 bytes nor 64 hex digits", path);
    if (fd >= 0 && !is_stdin)
        close(fd);
    explicit_bzero(data, sizeof(data));
    return code;
}

void secret_seed_wipe(struct secret_seed *seed)
{
    explicit_bzero(seed, sizeof(*seed));
}
