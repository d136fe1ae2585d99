/* Asking a server instead of opening a run: the options that say which, and as whom. */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "cli.h"

enum { CLI_REMOTE = CLI_LONG + 2000, CLI_TOKEN_FILE, CLI_CA, CLI_CERT, CLI_CERT_KEY };

#define CLI_OPTIONS_REMOTE                                                                        \
    {CLI_REMOTE, "remote", "URL",                                                                 \
     "ask a server instead of opening a run:\nhttp[s]://HOST:PORT or unix:PATH"},                 \
        {CLI_TOKEN_FILE, "token-file", "FILE", "the first line of it is the token for --remote"}, \
        {CLI_CA, "ca", "FILE", "who may vouch for the server (PEM) [the system's]"},              \
        {CLI_CERT, "cert", "FILE", "a certificate to show the server (PEM)"},                     \
    {                                                                                             \
        CLI_CERT_KEY, "key", "FILE", "its private key (PEM)"                                      \
    }

/*
 * The number of operands before the first image: 1 for a run, 0 with --remote. False after a usage
 * error: one of the options of --remote without it, or no image where some are needed.
 */
bool remote_operands(const struct cli *cli, bool needs_images, size_t *before);
/*
 * The server's model, as if it were a run; *info borrows from the remote, which is owned:
 * ward_remote_close(). Prints what is wrong; returns CLI_RUN or an exit status.
 */
int remote_open(const struct cli *cli, ward_remote **out, ward_run_info *info);

#endif
