/* The version lines of the formats of this room; each is the start of its labels, too. */
#ifndef KEY_VERSIONS_H
#define KEY_VERSIONS_H

#define SEAL_VERSION "ward-seal/v1"
#define KEY_VERSION "ward-key/v1"
#define MANIFEST_VERSION "ward-manifest/v1"

#endif
