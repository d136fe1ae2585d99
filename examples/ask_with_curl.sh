#!/bin/sh
# ask_with_curl.sh URL TOKEN_FILE: asks `ward serve` for the class of one grey image, with nothing but
# curl. The token comes from its file and is never on a command line, which others can read.
set -e
url=$1
model=$(curl -sSf "$url/v2" | sed 's/.*"model":"\([^"]*\)".*/\1/')
shape=$(curl -sSf "$url/v2/models/$model" | sed 's/.*"inputs":[^]]*"shape":\[-1,\([^]]*\)\].*/\1/')
count=$(($(echo "$shape" | tr , '*')))
data=$(yes 0.5 | head -n "$count" | paste -sd, -)
body="{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,$shape],\"data\":[$data]}]}"

{
    sed 's/.*/header = "Authorization: Bearer &"/; q' "$2"
    echo "data = \"$(echo "$body" | sed 's/"/\\"/g')\""
} | curl -sS --config - "$url/v2/models/$model/infer"
echo
