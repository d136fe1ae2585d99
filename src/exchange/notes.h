/* What the metadata of our ONNX files say beside a model's own: docs/formats.md, section 9. */
#ifndef EXCHANGE_NOTES_H
#define EXCHANGE_NOTES_H

#define NOTES_FORMAT "ward-onnx"
#define NOTES_VERSION "1"
#define NOTES_NETWORK "network"
#define NOTES_TRANSFORM "transform"
#define NOTES_JOINED "joined"

#endif
