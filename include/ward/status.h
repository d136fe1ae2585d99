/*
 * Status codes and the text of the last error.
 *
 * Every function of this library that can fail returns a ward_status. On failure it has also
 * stored one line of text, in lower case and without a full stop, that names what failed and the
 * file or value at fault. The text belongs to the calling thread.
 */
#ifndef WARD_STATUS_H
#define WARD_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WARD_API __attribute__((visibility("default")))
#define WARD_CHECK __attribute__((warn_unused_result))
#else
#define WARD_API
#define WARD_CHECK
#endif

typedef enum ward_status {
    WARD_OK = 0,
    WARD_ERR_NOMEM,   /* out of memory; nothing was changed */
    WARD_ERR_IO,      /* the system refused a file, a thread or a connection; try again elsewhere */
    WARD_ERR_FORMAT,  /* the contents of a file are not what they should be; do not try again */
    WARD_ERR_ARG,     /* an unknown name, or values that contradict each other; correct the call */
    WARD_ERR_EXISTS,  /* the output is there already and overwriting was not asked for */
    WARD_ERR_DEVICE,  /* this device cannot do that; another may */
    WARD_ERR_NUMERIC, /* a loss or a weight is not finite; change the settings */
    WARD_ERR_STOPPED, /* the caller asked to stop; each function says what is kept */
    WARD_ERR_AUTH,    /* wrong key or altered data, on purpose not told apart; terms that have
                         expired or are spent; a server that refuses for good */
    WARD_ERR_BUSY     /* another process works there; try again later */
} ward_status;

/*
 * The text of this thread's last failure; "" if it had none. Never NULL. Valid until the next call
 * into the library from this thread. Contains no secret.
 */
WARD_API const char *ward_error_message(void);

/* Free a text that the library has handed over ("owned: ward_string_free()"). NULL is fine. */
WARD_API void ward_string_free(char *text);

/* A constant name such as "WARD_ERR_IO"; "unknown status" for a value outside the enumeration. */
WARD_API const char *ward_status_name(ward_status status);

#ifdef __cplusplus
}
#endif
#endif
