/*
 * Keys on the command line: the options that say with what a sealed run is opened, and passphrases,
 * which come from a terminal without echo, a file or a descriptor, and from nowhere else.
 */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include <sys/types.h>

#include "cli.h"

enum { PASSPHRASE_MAX = 1024 };

/* Obeys --identity, --passphrase-file, --passphrase-fd and --tpm. Owned: ward_keys_free(). The
 * command line must outlive it. */
int keys_open(const struct cli *cli, ward_keys **out);
/* The same for one key file in the place of --identity. */
int keys_open_file(const struct cli *cli, const char *path, ward_keys **out);
/* A run and what opens it; prints what is wrong. Owned: ward_run_close(). */
int keys_open_run(const struct cli *cli, const char *path, ward_run **out);

struct passphrase {
    char text[PASSPHRASE_MAX];
    size_t len;
};

/*
 * A new passphrase (or PIN) for a key file: from the options with these keys, or twice from the
 * terminal. Prints what is wrong; returns CLI_RUN or an exit status.
 */
int passphrase_new(const struct cli *cli, int file_key, int fd_key, const char *what,
                   struct passphrase *out);
void passphrase_wipe(struct passphrase *passphrase);

/*
 * Asks the terminal for whoever must have a passphrase that this process is not to hold: a process
 * of its own, at the other end of a socket. For each line that it receives, "passphrase of FILE",
 * it asks and sends back what was typed, with a newline. It ends when the socket does, or when a
 * person gives none.
 */
struct asker {
    int fd; /* -1: there is no terminal */
    pid_t pid;
};

/* Call before there are threads and other signal masks. Prints what is wrong; returns CLI_RUN or an
 * exit status. */
int asker_start(const struct cli *cli, struct asker *out);
/* No more questions: whoever still asks gets none. fd stays open until asker_close(). */
void asker_end(struct asker *asker);
void asker_close(struct asker *asker);

/* Whether what was given is meant as a public key, not as a file that holds one. */
bool keys_is_public(const char *given);
/*
 * A public key given as it is, or as a file that holds one (a key file or NAME.pub). Owned: free(),
 * as ward_string_free(). Prints what is wrong.
 */
int keys_public(const struct cli *cli, const char *given, char **out);

/* The path of --identity, or of the user's own owner key. Owned: ward_string_free(). */
int keys_owner_path(const struct cli *cli, char **out);
/*
 * The public key of that file, which need not be opened for it. Where the user's own is not there
 * yet, it is made, protected by its mode, and a line says so. Owned: ward_string_free(). A failure
 * is the library's last message.
 */
ward_status keys_owner_public(const struct cli *cli, char **out);
/* The public keys of all --recipient, with a blank between; NULL if there are none. Owned: free().
 */
int keys_recipients(const struct cli *cli, char **out);

#endif
