# Serving: tokens, the server seen by curl and by node, and its own client.

bats_require_minimum_version 1.5.0
load cli_helper

setup_file() {
    export IMAGES=$BATS_FILE_TMPDIR/images RUN=$BATS_FILE_TMPDIR/run FIXED=$BATS_FILE_TMPDIR/fixed
    export BASE=$BATS_FILE_TMPDIR/base KEYED=$BATS_FILE_TMPDIR/keyed OMP_WAIT_POLICY=passive
    umask 077
    images folder "$IMAGES" 3 40 10
    # A strong transform, so that it takes few steps to tell processed from raw images.
    small_training "$RUN" --iterations 150 --start 4 --transform-rate 1 --gamma 0
    small_training "$FIXED" --method fixed --iterations 10
    small_training "$BASE" --method baseline --iterations 10
    small_training "$KEYED" --method keyed --iterations 10 --codebook 8 --shuffle 4 --negative 0.25 --sigma 0.1 \
        --residual yes
}

setup() {
    mkdir "$BATS_TEST_TMPDIR/work"
    cd "$BATS_TEST_TMPDIR/work" || return 1
    umask 077
    SERVERS=
    "$WARD" token new --tokens tokens --user alice -q >alice
    TOKEN=$(cat alice)
}

teardown() {
    for pid in $SERVERS; do
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

# serve RUN [OPTION...]: starts a server with ./tokens; sets URL and PID.
serve() {
    local run=$1
    shift
    : >url
    "$WARD" serve "$run" --listen 127.0.0.1:0 --threads 1 --tokens tokens "$@" >url 2>log 3>&- &
    PID=$!
    SERVERS+=" $PID"
    wait_for '[ -s url ] || ! kill -0 "$PID"'
    [ -s url ] || { cat log; return 1; }
    URL=$(cat url)
}

# wait_for CONDITION: at most 20 seconds.
wait_for() {
    local i
    for ((i = 0; i < 400; i++)); do
        eval "$1" && return 0
        sleep 0.05
    done
    echo "never came true: $1"
    return 1
}

# stop [SIGNAL]: ends the server; its exit status is in $status.
stop() {
    kill -"${1:-TERM}" "$PID"
    status=0
    wait "$PID" || status=$?
}

# lacks TEXT FILE...: none of the files has the text.
lacks() {
    local text=$1 file
    shift
    for file; do
        cat "$file" >/dev/null || return 1
    done
    if cat "$@" | grep -qa -e "$text"; then
        echo "'$text' is in one of: $*"
        return 1
    fi
}

# lacks_in_environ TEXT PID: nor has a process's environment, as far as one may look: nobody may into a
# process that is closed but root with CAP_SYS_PTRACE.
lacks_in_environ() {
    if cat "/proc/$2/environ" >/dev/null 2>&1; then
        lacks "$1" "/proc/$2/environ"
    fi
}

# request N: a JSON request of N grey images.
request() {
    /usr/bin/python3 -c 'import json, sys
n = int(sys.argv[1])
print(json.dumps({"inputs": [{"name": "input", "datatype": "FP32", "shape": [n, 1, 8, 8],
                              "data": [(i % 9) / 9 for i in range(n * 64)]}]}))' "$1"
}

# ask FILE [CURL OPTION...]: prints the status; the answer is in ./answer, its headers in ./headers.
ask() {
    local body=$1
    shift
    curl -sS -o answer -D headers -w '%{http_code}' -H "Authorization: Bearer $TOKEN" \
        --data-binary "@$body" "$@" "$URL/v2/models/run/infer"
}

@test "tokens are made, listed and revoked, and kept as digests only" {
    [[ $TOKEN =~ ^ward-[0-9a-f]{64}$ ]]
    "$WARD" token new --tokens tokens --user bob --rate 5 --budget 100 --expires 2999-12-31 -q >bob
    [ "$(mode tokens)" = 600 ]
    lacks "${TOKEN#ward-}" tokens
    "$WARD" token list --tokens tokens --json >l
    [ "$(json l "[(t['user'], t['rate'], t['budget'], t['expires']) for t in d['tokens']]")" = \
        "[('alice', None, None, None), ('bob', 5, 100, '2999-12-31')]" ]
    [[ "$("$WARD" token list --tokens tokens)" == *"bob"*"5"*"100"*"2999-12-31"* ]]
    run -0 "$WARD" token revoke bob --tokens tokens
    [ "$output" = "1 revoked" ]
    run --separate-stderr "$WARD" token revoke bob --tokens tokens
    fails_with 2 "bob"
    run --separate-stderr "$WARD" token new --tokens tokens --user 'a b'
    fails_with 2 "user"
    run --separate-stderr "$WARD" token new --tokens tokens
    fails_with 2 "--user is missing"
    run --separate-stderr "$WARD" token list --tokens tokens --user x
    fails_with 2 "--user"
    run --separate-stderr "$WARD" token make --tokens tokens
    fails_with 2 "make"
    # A server that has the file open by its own name would not hear of it.
    ln -s tokens link
    run --separate-stderr "$WARD" token revoke alice --tokens link
    fails_with 1 "'link' is a symbolic link"
    run --separate-stderr "$WARD" token new --tokens link --user carol
    fails_with 1 "'link' is a symbolic link"
    "$WARD" token list --tokens link --json >l
    [ "$(json l "[t['user'] for t in d['tokens']]")" = "['alice']" ]
}

@test "curl gets health, metadata and answers" {
    serve "$RUN"
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/v2/health/live")" = 200 ]
    [ "$(curl -sS "$URL/v2/health/ready")" = '{"ready":true}' ]
    curl -sS "$URL/v2/models/run" >m
    [ "$(json m "d['inputs'][0]['shape'], [o['name'] for o in d['outputs']]")" = \
        "([-1, 1, 8, 8], ['class', 'label'])" ]
    request 5 >r
    [ "$(ask r)" = 200 ]
    [ "$(json answer "[o['shape'] for o in d['outputs']]")" = "[[5], [5]]" ]
    [ "$(json answer "all('class%d' % k == n for k, n in zip(d['outputs'][0]['data'],
                                                            d['outputs'][1]['data']))")" = True ]
    stop
    [ "$status" -eq 0 ]
}

@test "node's fetch agrees with the protocol, in JSON and in binary" {
    command -v node >/dev/null || skip "no node"
    serve "$RUN" --scores
    run -0 node "$SOURCE/tests/serve_client.js" "$URL" "$TOKEN" run
    [[ $output == *"answers agree"* ]]
}

@test "the client's predictions are those of the run" {
    serve "$RUN" --scores
    pictures=("$IMAGES"/test/class?/00?.png)
    "$WARD" predict "$RUN" "${pictures[@]}" --threads 1 --json >local
    "$WARD" predict --remote "$URL" --token-file alice "${pictures[@]}" --json >remote
    [ "$(json local "[i['predictions'][0]['name'] for i in d['images']]")" = \
        "$(json remote "[i['predictions'][0]['name'] for i in d['images']]")" ]
    [ "$(json local "d['model_id']")" = "$(json remote "d['model_id']")" ]
    "$WARD" predict "$RUN" "${pictures[@]}" --threads 1 >local
    "$WARD" predict --remote "$URL/v2/models/run" --token-file alice "${pictures[@]}" >remote
    diff local remote
    run --separate-stderr "$WARD" predict --remote "$URL" "${pictures[@]}"
    fails_with 3 "401" "token"
    run --separate-stderr "$WARD" predict --remote http://127.0.0.1:1 "${pictures[@]}"
    fails_with 1 "127.0.0.1:1"
    run --separate-stderr "$WARD" transform --remote "$URL" --token-file alice "${pictures[@]}" -o x.npy
    fails_with 2 "classifies"
}

@test "without --scores a server tells the first class only" {
    serve "$RUN"
    run -0 "$WARD" predict --remote "$URL" --token-file alice "$IMAGES/test/class0/000.png"
    [[ $output =~ \ \ class[0-2]$ ]]
    request 1 | sed 's/^{/{"outputs":[{"name":"scores"}],/' >r
    [ "$(ask r)" = 400 ]
    [[ $(cat answer) == *"no output of that name"* ]]
}

@test "the client refuses what a server must not answer, and a token that others can read" {
    serve "$RUN"
    # Between the two: what is sent goes on, what comes back is changed as ./fault says.
    cat >between.py <<'END'
import http.server, os, struct, sys, urllib.request
def changed(body, json_len):
    fault = open("fault").read().strip()
    if fault == "class":
        return body[:json_len] + struct.pack("<q", 77), json_len
    if fault == "short":
        return body[:-1], json_len
    if fault == "json":
        return body[:json_len - 2] + body[json_len:], json_len - 2
    if fault == "length":
        return body, len(body) + 1
    if fault == "long":
        return body + bytes(1 << 23), json_len
    return body, json_len
class Between(http.server.BaseHTTPRequestHandler):
    def pass_on(self, body=None):
        ask = urllib.request.Request(sys.argv[1] + self.path, body, dict(self.headers))
        with urllib.request.urlopen(ask) as answer:
            body, headers = answer.read(), answer.headers
        length = headers["Inference-Header-Content-Length"]
        if length:
            body, length = changed(body, int(length))
        self.send_response(200)
        self.send_header("Content-Type", headers["Content-Type"])
        self.send_header("Content-Length", str(len(body)))
        if length:
            self.send_header("Inference-Header-Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.pass_on()
    def do_POST(self):
        self.pass_on(self.rfile.read(int(self.headers["Content-Length"])))
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Between)
with open("port.new", "w") as port:
    port.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
END
    /usr/bin/python3 between.py "$URL" 2>faults 3>&- &
    SERVERS+=" $!"
    wait_for '[ -s port ]'
    URL=http://127.0.0.1:$(cat port)
    picture=$IMAGES/test/class0/000.png
    echo none >fault
    run -0 "$WARD" predict --remote "$URL" --token-file alice "$picture"
    for fault in class short json length long; do
        echo $fault >fault
        run --separate-stderr "$WARD" predict --remote "$URL" --token-file alice "$picture"
        [ -z "$output" ]
        fails_with 1 "$URL"
    done
    chmod 644 alice
    run --separate-stderr "$WARD" predict --remote "$URL" --token-file alice "$picture"
    fails_with 1 "alice" "0600"
}

@test "SIGHUP reopens the audit log and reads the run again; what cannot be read changes nothing" {
    cp -r "$RUN" run
    serve run --name run --audit audit
    request 1 >r
    [ "$(ask r)" = 200 ]
    [ "$(wc -l <audit)" = 1 ]
    curl -sS "$URL/v2/models/run" >before
    mv audit audit.1
    kill -HUP "$PID"
    wait_for '[ -f audit ]'
    [ "$(ask r)" = 200 ]
    [ "$(wc -l <audit.1)" = 1 ]
    [ "$(wc -l <audit)" = 1 ]
    # Half a network: the one that was there answers on.
    head -c 1000 "$RUN/model.safetensors" >run/model.safetensors
    : >log
    kill -HUP "$PID"
    wait_for 'grep -q "stays as it was" log'
    [ "$(ask r)" = 200 ]
    curl -sS "$URL/v2/models/run" | cmp - before
    # Another one.
    rm -r run
    cp -r "$FIXED" run
    kill -HUP "$PID"
    wait_for '! curl -sS "$URL/v2/models/run" | cmp -s - before'
    [ "$(ask r)" = 200 ]
}

@test "a server that has to end before a request is whole says so" {
    serve "$RUN" --drain 0
    request 4 >r
    /usr/bin/python3 - "$URL" "$TOKEN" <<'END' 3>&- &
import pathlib, socket, sys, time
host, port = sys.argv[1][len("http://"):].split(":")
body = pathlib.Path("r").read_bytes()
s = socket.create_connection((host, int(port)))
s.sendall(f"POST /v2/models/run/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sys.argv[2]}\r\n"
          f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
assert s.recv(1000).startswith(b"HTTP/1.1 100 ") # it has taken the request
s.sendall(body[:100])
pathlib.Path("sent").touch()
time.sleep(20)
END
    client=$!
    wait_for '[ -e sent ]'
    stop
    kill $client
    [ "$status" -eq 1 ]
    grep -q "left without an answer" log
}

@test "an unknown, missing, revoked or expired token gets 401, and SIGHUP reads the tokens again" {
    serve "$RUN"
    request 1 >r
    [ "$(ask r)" = 200 ]
    TOKEN=ward-$(printf '0%.0s' {1..64}) 
    [ "$(ask r)" = 401 ]
    grep -qi '^www-authenticate: Bearer' headers
    [ "$(curl -sS -o answer -w '%{http_code}' -d @r "$URL/v2/models/run/infer")" = 401 ]
    # Also for a large body, sent whole or with leave asked for first.
    head -c 3000000 /dev/zero >large
    [ "$(ask large)" = 401 ]
    [ "$(ask large -H 'Expect: 100-continue')" = 401 ]
    "$WARD" token new --tokens tokens --user carol --expires 2020-01-01 -q >carol
    "$WARD" token new --tokens tokens --user bob -q >bob
    "$WARD" token revoke alice --tokens tokens >/dev/null
    kill -HUP "$PID"
    wait_for 'grep -q "read again" log'
    TOKEN=$(cat bob)
    [ "$(ask r)" = 200 ]
    TOKEN=$(cat alice)
    [ "$(ask r)" = 401 ]
    TOKEN=$(cat carol)
    [ "$(ask r)" = 401 ]
    # A file that cannot be read changes nothing.
    echo garbage >tokens
    kill -HUP "$PID"
    wait_for 'grep -q "stay as they were" log'
    TOKEN=$(cat bob)
    [ "$(ask r)" = 200 ]
}

@test "--open answers strangers by F alone" {
    # A secret that is given: of those that are drawn, a few tell processed from raw images too late.
    printf '%064d' 7 >seed
    small_training open --iterations 150 --start 4 --transform-rate 1 --gamma 0 --secret-seed seed
    serve open --open
    "$WARD" predict open --raw --top 1 --threads 1 "$IMAGES"/test/class?/00?.png --json >raw
    "$WARD" predict open --top 1 --threads 1 "$IMAGES"/test/class?/00?.png --json >right
    "$WARD" predict --remote "$URL" "$IMAGES"/test/class?/00?.png --json >stranger
    "$WARD" predict --remote "$URL" --token-file alice "$IMAGES"/test/class?/00?.png --json >known
    names="[i['predictions'][0]['name'] for i in d['images']]"
    [ "$(json raw "$names")" = "$(json stranger "$names")" ]
    [ "$(json right "$names")" = "$(json known "$names")" ]
    [ "$(json raw "$names")" != "$(json right "$names")" ]
    [ "$(json stranger "d['transformed']")" = False ]
    [ "$(json known "d['transformed']")" = True ]
    "$WARD" token new --tokens tokens --user bob --expires 2020-01-01 -q >bob
    kill -HUP "$PID"
    wait_for 'grep -q "read again" log'
    run --separate-stderr "$WARD" predict --remote "$URL" --token-file bob "$IMAGES"/test/class0/000.png
    fails_with 3 "401" "known token"
}

@test "rate and budget are kept to, also across a restart" {
    "$WARD" token new --tokens tokens --user bob --budget 10 -q >bob
    "$WARD" token new --tokens tokens --user carol --rate 2 -q >carol
    serve "$RUN" --audit audit
    request 6 >six
    request 4 >four
    TOKEN=$(cat bob)
    [ "$(ask six)" = 200 ]
    [ "$(ask six)" = 429 ]
    grep -qi '^retry-after: [0-9]' headers
    TOKEN=$(cat carol)
    [ "$(ask six)" = 200 ]
    [ "$(ask four)" = 429 ]
    stop
    serve "$RUN" --audit audit
    TOKEN=$(cat bob)
    [ "$(ask six)" = 429 ]
    [ "$(ask four)" = 200 ]
    [ "$(ask four)" = 429 ]
}

@test "the audit log has who, when, how many and what came of it, and survives kill -9" {
    serve "$RUN" --audit audit
    request 3 >r
    for _ in 1 2 3 4 5; do
        [ "$(ask r)" = 200 ]
    done
    stop KILL
    [ "$(wc -l <audit)" -eq 5 ]
    [ "$(mode audit)" = 600 ]
    head -1 audit >first
    [ "$(json first "d['user'], d['images'], d['status'], d['peer'], sorted(d)")" = \
        "('alice', 3, 200, '127.0.0.1', ['images', 'model', 'peer', 'seconds', 'status', 'time', 'token', 'user'])" ]
    printf '{"time":"2026-' >>audit
    serve "$RUN" --audit audit
    [ "$(ask r)" = 200 ]
    TOKEN=nobody
    [ "$(ask r)" = 401 ]
    wait_for 'grep -q "\"status\":401" audit'
    stop
    /usr/bin/python3 -c 'import json; [json.loads(l) for l in open("audit")]'
    [ "$(grep -c '"status":200' audit)" -eq 6 ]
    lacks nobody audit
}

@test "with --audit-sync second an answered request's line survives kill -9, and is synced soon" {
    serve "$RUN" --audit audit --audit-sync second
    request 3 >r
    for _ in 1 2 3; do
        [ "$(ask r)" = 200 ]
    done
    stop KILL
    [ "$(grep -c '"status":200' audit)" -eq 3 ]
    serve "$RUN" --audit audit --audit-sync second
    [ "$(ask r)" = 200 ]
    wait_for 'curl -sS "$URL/metrics" | grep -qx "ward_audit_syncs_total 1"'
    stop
    [ "$status" -eq 0 ]
    [ "$(grep -c '"status":200' audit)" -eq 4 ]
}

@test "requests that are too large, odd or not for us are refused by name" {
    serve "$RUN" --request-max 4
    request 5 >five
    [ "$(ask five)" = 400 ]
    [[ $(cat answer) == *"more images"* ]]
    head -c 3000000 /dev/zero >large
    [ "$(ask large)" = 413 ]
    [ "$(ask large -H 'Transfer-Encoding: chunked')" = 413 ]
    request 1 >r
    [ "$(ask r -H 'Content-Encoding: gzip')" = 415 ]
    [ "$(ask r -H 'Inference-Header-Content-Length: x')" = 400 ]
    [ "$(ask r -H 'Inference-Header-Content-Length: 99999')" = 400 ]
    [ "$(ask r -X PUT)" = 405 ]
    [ "$(ask r)" = 200 ]
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/v3")" = 404 ]
    [ "$(curl -sS -o /dev/null -w '%{http_code}' --path-as-is "$URL/v2/models/run/../run")" = 404 ]
}

@test "slow and half-closed clients are cut off, and nobody else notices" {
    serve "$RUN" --timeout 2 --connections 8
    port=${URL##*:}
    # A byte now and then, for ever; and one that says half of it and stops.
    /usr/bin/python3 - "$port" <<'END' &
import socket, sys, time
slow = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(6)]
for s in slow[:3]:
    s.sendall(b"POST /v2/models/run/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n")
slow[5].shutdown(socket.SHUT_WR)
end = time.time() + 10
gone = set()
while time.time() < end and len(gone) < 6:
    for i, s in enumerate(slow):
        try:
            if i not in gone and i < 3:
                s.sendall(b"X")
            s.settimeout(0.05)
            if i not in gone and s.recv(100) == b"":
                gone.add(i)
        except socket.timeout:
            pass
        except OSError:
            gone.add(i)
    time.sleep(0.2)
sys.exit(0 if len(gone) == 6 else 1)
END
    slow=$!
    request 2 >r
    [ "$(ask r)" = 200 ]
    wait "$slow"
    [ "$(ask r)" = 200 ]
    curl -sS "$URL/metrics" >metrics
    grep -q '^ward_connections_cut_off_total [1-9]' metrics
}

@test "a full queue answers 503 with Retry-After, and every request is answered" {
    serve "$RUN" --batch 1 --request-max 64 --queue 64
    request 64 >r
    for i in {1..16}; do
        curl -sS -o /dev/null -D headers"$i" -w '%{http_code}\n' -H "Authorization: Bearer $TOKEN" \
            --data-binary @r "$URL/v2/models/run/infer" >status"$i" 2>&1 &
    done
    wait $(jobs -p | grep -v "^$PID$")
    cat status*
    [ "$(cat status* | grep -cx -e 200 -e 503)" -eq 16 ]
    grep -qx 200 status*
    for i in $(grep -lx 503 status* | tr -d a-z); do
        grep -qi '^retry-after: 1' headers"$i"
    done
    [ "$(ask r)" = 200 ]
}

@test "strangers leave half of the queue to users" {
    serve "$RUN" --open --batch 1 --request-max 64 --queue 128
    request 64 >r
    for i in {1..8}; do
        while [ ! -e enough ]; do
            curl -sS -o /dev/null -w '%{http_code}\n' --data-binary @r "$URL/v2/models/run/infer" \
                >>strangers"$i" || true
        done 2>/dev/null 3>&- &
    done
    wait_for 'grep -qsx 503 strangers*'
    for i in {1..5}; do
        [ "$(ask r)" = 200 ]
    done
    touch enough
    wait $(jobs -p | grep -v "^$PID$")
    grep -qx 200 strangers*
}

@test "one address has as many connections as it may" {
    serve "$RUN" --per-address 2
    request 1 >r
    /usr/bin/python3 - "$URL" <<'END' 3>&- &
import pathlib, socket, sys, time
host, port = sys.argv[1][len("http://"):].split(":")
taken = [socket.create_connection((host, int(port))) for _ in range(2)]
for s in taken:
    s.sendall(b"GET /v2 HTTP/1.1\r\n")
time.sleep(0.3)
pathlib.Path("taken").touch()
while not pathlib.Path("enough").exists():
    time.sleep(0.05)
END
    wait_for '[ -e taken ]'
    run curl -sS -o answer "$URL/v2"
    [ "$status" -ne 0 ]
    touch enough
    wait $!
    wait_for 'curl -sS -o answer "$URL/v2"'
}

@test "good clients are served right among bad, slow, half-closed and oversized ones" {
    "$SOURCE/tools/soak" --ward "$WARD" --seconds 8 "$RUN"
}

@test "metrics are Prometheus text and count what happened" {
    serve "$RUN"
    request 3 >r
    [ "$(ask r)" = 200 ]
    curl -sS "$URL/metrics" >m
    grep -qx 'ward_images_total 3' m
    grep -qx 'ward_request_seconds_count 1' m
    grep -qx 'ward_http_answers_total{status="200"} 1' m
    # Every sample has its type, and buckets only grow.
    /usr/bin/python3 - <<'END'
import re
types, last = {}, 0
for line in open("m"):
    if line.startswith("# TYPE"):
        _, _, name, kind = line.split()
        types[name] = kind
    elif not line.startswith("#"):
        name, labels, value = re.fullmatch(r'(\w+)(\{[^}]*\})? (\S+)\n', line).groups()
        assert re.sub("_(bucket|sum|count)$", "", name) in types or name in types, line
        float(value)
        if name.endswith("_bucket"):
            assert int(value) >= last, line
            last = int(value)
assert types["ward_request_seconds"] == "histogram"
END
}

@test "SIGTERM answers what was asked, then ends" {
    serve "$RUN" --batch 1 --request-max 256
    request 256 >r
    (ask r >code; cp answer drained) &
    asking=$!
    wait_for 'curl -sS "$URL/metrics" | grep -q -e "^ward_batches_total [1-9]" -e "^ward_queue_images [1-9]" || [ -s code ]'
    stop
    [ "$status" -eq 0 ]
    wait "$asking"
    [ "$(cat code)" = 200 ]
    [ "$(json drained "len(d['outputs'][0]['data'])")" = 256 ]
}

@test "systemd's readiness, socket and end are spoken" {
    # Hands over a listening socket as descriptor 3, and listens to what is notified.
    cat >activate.py <<'END'
import os, socket, subprocess, sys, urllib.request
note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
note.bind("note")
note.settimeout(20)
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(5)
os.dup2(listener.fileno(), 3)
os.environ["NOTIFY_SOCKET"] = os.path.abspath("note")
os.environ["LISTEN_FDS"] = "1"
server = subprocess.Popen(["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "-"] + sys.argv[1:], pass_fds=[3])
assert note.recv(100) == b"READY=1"
url = "http://127.0.0.1:%d/v2/health/ready" % listener.getsockname()[1]
assert urllib.request.urlopen(url, timeout=10).status == 200
server.terminate()
assert note.recv(100) == b"STOPPING=1"
assert server.wait(20) == 0
END
    /usr/bin/python3 activate.py "$WARD" serve "$RUN" --tokens tokens --threads 1 -q
}

@test "a unix socket serves, and is removed" {
    "$WARD" serve "$RUN" --listen unix:sock --threads 1 --tokens tokens >url 2>log 3>&- &
    PID=$!
    SERVERS+=" $PID"
    wait_for '[ -s url ]'
    [ "$(cat url)" = "unix:sock" ]
    run -0 "$WARD" predict --remote unix:sock --token-file alice "$IMAGES/test/class0/000.png"
    [[ $output == *"class"* ]]
    stop
    [ ! -e sock ]
    run --separate-stderr "$WARD" predict --remote unix:sock "$IMAGES/test/class0/000.png"
    fails_with 1 "cannot ask 'sock'"
}

@test "TLS: only those who trust the server, and, if asked for, whom it trusts" {
    for who in server client stranger; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $who.key \
            -out $who.pem -subj "/CN=localhost" -addext "subjectAltName=IP:127.0.0.1" -days 2 \
            2>/dev/null
    done
    serve "$RUN" --cert server.pem --key server.key --client-ca client.pem
    [[ $URL == https://127.0.0.1:* ]]
    picture=$IMAGES/test/class0/000.png
    run -0 "$WARD" predict --remote "$URL" --token-file alice --ca server.pem --cert client.pem \
        --key client.key "$picture"
    run --separate-stderr "$WARD" predict --remote "$URL" --token-file alice "$picture"
    fails_with 1 "$URL" "certificate"
    run --separate-stderr "$WARD" predict --remote "$URL" --token-file alice --ca server.pem "$picture"
    fails_with 3 "client certificate"
    run --separate-stderr "$WARD" predict --remote "$URL" --token-file alice --ca server.pem \
        --cert stranger.pem --key stranger.key "$picture"
    [ "$status" -ne 0 ]
    run curl -sS --cacert server.pem --cert client.pem --key client.key --tls-max 1.1 "$URL/v2"
    [ "$status" -ne 0 ]
    for version in 1.2 1.3; do
        curl -sS --cacert server.pem --cert client.pem --key client.key --tlsv$version \
            --tls-max $version "$URL/v2" >v2
        [ "$(json v2 "d['name']")" = ward ]
    done
    lacks "PRIVATE KEY" log
}

@test "beyond this machine only by TLS" {
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 0.0.0.0:0 --http-threads 65
    fails_with 2 "http-threads" "1 .. 64"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 0.0.0.0:0
    fails_with 2 "TLS" "--allow-plaintext"
    serve "$RUN" --listen 0.0.0.0:0 --allow-plaintext --http-threads 1
    request 1 >r
    URL=http://127.0.0.1:${URL##*:}
    [ "$(ask r)" = 200 ]
}

@test "wrong settings are said before anything is served" {
    run --separate-stderr "$WARD" serve "$RUN"
    fails_with 2 "--tokens"
    run --separate-stderr "$WARD" serve "$RUN" --tokens none --listen 127.0.0.1:0
    fails_with 1 "none"
    run --separate-stderr "$WARD" serve no-run --tokens tokens --listen 127.0.0.1:0
    fails_with 1 "no-run"
    run --separate-stderr "$WARD" serve "$RUN/model.safetensors" --tokens tokens --listen 127.0.0.1:0
    fails_with 2 "model.safetensors' is F alone"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen localhost
    fails_with 2 "localhost"
    run --separate-stderr timeout 10 "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:65536 -q
    fails_with 2 "127.0.0.1:65536"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 --cert x
    fails_with 2 "private key"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 --cert tokens \
        --key tokens -q
    fails_with 1 "cannot serve" "GnuTLS" "are certificate and key in order"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 --name a/b
    fails_with 2 "a/b"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 --batch 0
    fails_with 2 "--batch"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 --audit audit \
        --audit-sync minute
    fails_with 2 "--audit-sync" "minute" "always, second"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 \
        --audit-sync second
    fails_with 2 "--audit-sync needs --audit"
    [ ! -e audit ]
    chmod 644 tokens
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0
    fails_with 1 "0600"
}

@test "processed images are handed out by --transform-only, metered for each user" {
    "$WARD" token new --tokens tokens --user bob --distinct 12 -q >bob
    ulimit -Sn 300
    serve "$RUN" --transform-only --meter meters --accept-key-disclosure
    # As many descriptors, of which each user takes one, as there may be.
    read -r -a limits < <(sed -n 's/^Max open files//p' "/proc/$PID/limits")
    [ "${limits[0]}" = "${limits[1]}" ]
    pictures=("$IMAGES"/test/class?/00[0-3].png)
    "$WARD" transform "$RUN" "${pictures[@]}" --threads 1 -o local.npy >/dev/null
    "$WARD" transform --remote "$URL" --token-file bob "${pictures[@]}" -o remote.npy >/dev/null
    /usr/bin/python3 -c 'import numpy as n
a, b = n.load("local.npy"), n.load("remote.npy")
assert a.shape == b.shape and abs(a - b).max() < 1e-5, abs(a - b).max()'
    # The same again costs nothing; another one is one too many, also after a restart.
    "$WARD" transform --remote "$URL" --token-file bob "${pictures[@]}" -o again.npy >/dev/null
    cmp remote.npy again.npy
    stop
    serve "$RUN" --transform-only --meter meters --accept-key-disclosure
    run --separate-stderr "$WARD" transform --remote "$URL" --token-file bob \
        "$IMAGES/test/class0/004.png" -o more.npy
    fails_with 3 "different images"
    [ ! -e more.npy ]
    run --separate-stderr "$WARD" predict --remote "$URL" --token-file bob "${pictures[0]}"
    fails_with 2 "transforms"
}

@test "a keyed run is served: its predictions and processed images are those of the run" {
    pictures=("$IMAGES"/test/class?/00[0-3].png)
    serve "$KEYED"
    "$WARD" predict "$KEYED" "${pictures[@]}" --top 1 --threads 1 --json >local
    "$WARD" predict --remote "$URL" --token-file alice "${pictures[@]}" --json >remote
    names="[i['predictions'][0]['name'] for i in d['images']]"
    [ "$(json local "$names")" = "$(json remote "$names")" ]
    stop
    [ "$status" -eq 0 ]
    serve "$KEYED" --transform-only --meter meters
    "$WARD" transform "$KEYED" "${pictures[@]}" --threads 1 -o local.npy >/dev/null
    "$WARD" transform --remote "$URL" --token-file alice "${pictures[@]}" -o remote.npy >/dev/null
    cmp local.npy remote.npy
}

@test "the example of a split deployment runs F in ONNX Runtime" {
    node -e 'require("onnxruntime-node")' 2>/dev/null || skip "no onnxruntime-node: tools/setup_onnx"
    serve "$RUN" --transform-only --meter meters --accept-key-disclosure
    "$WARD" export "$RUN" --onnx f.onnx >/dev/null
    "$WARD" transform "$RUN" --data "$IMAGES" -o processed.npy --raw-out raw.npy --threads 1 >/dev/null
    /usr/bin/python3 -c 'import numpy; numpy.load("raw.npy").tofile("images.f32")'
    "$WARD" predict "$RUN" "$IMAGES"/test/*/*.png --threads 1 --json >local
    run -0 node "$SOURCE/examples/split_client.js" "$URL" alice f.onnx images.f32
    [ "$(json local "'\\n'.join(i['predictions'][0]['name'] for i in d['images'])")" = "$output" ]
    run -1 node "$SOURCE/examples/split_client.js" "$URL" f.onnx f.onnx images.f32
}

@test "the example asks with curl alone" {
    serve "$RUN"
    "$SOURCE/examples/ask_with_curl.sh" "$URL" alice >a
    [ "$(json a "d['outputs'][0]['shape']")" = "[1]" ]
}

@test "completion knows every command and option" {
    # shellcheck source=/dev/null
    source "$SOURCE/service/completion.bash"
    complete_words() {
        COMP_WORDS=("$WARD" "$@")
        COMP_CWORD=$#
        _ward
    }
    complete_words se
    [ "${COMPREPLY[*]}" = "seal serve" ]
    complete_words key re
    [ "${COMPREPLY[*]}" = "revoke report" ]
    complete_words token ""
    [ "${COMPREPLY[*]}" = "new list revoke" ]
    complete_words data v
    [ "${COMPREPLY[*]}" = "verify" ]
    complete_words bench t
    [ "${COMPREPLY[*]}" = "train transform" ]
    complete_words serve --transform-
    [ "${COMPREPLY[*]}" = "--transform-only" ]
    complete_words train --device ""
    [ "${COMPREPLY[*]}" = "cpu ref" ]
    complete_words serve --audit-sync s
    [ "${COMPREPLY[*]}" = "second" ]
}

@test "what a few images would give away is not handed out unless that is accepted" {
    run --separate-stderr "$WARD" serve "$FIXED" --tokens tokens --listen 127.0.0.1:0 \
        --transform-only --meter meters
    fails_with 2 "fixed" "--accept-key-disclosure"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 \
        --transform-only --meter meters
    fails_with 2 "generator" "--accept-key-disclosure"
    small_training affine --method keyed --front none --iterations 1
    run --separate-stderr "$WARD" serve affine --tokens tokens --listen 127.0.0.1:0 \
        --transform-only --meter meters
    fails_with 2 "keyed" "--accept-key-disclosure"
    run --separate-stderr "$WARD" serve "$RUN" --tokens tokens --listen 127.0.0.1:0 --transform-only
    fails_with 2 "--meter"
    run --separate-stderr "$WARD" serve "$BASE" --tokens tokens --listen 127.0.0.1:0 \
        --transform-only --meter meters
    fails_with 2 "baseline"
    serve "$FIXED" --transform-only --meter meters --accept-key-disclosure
    "$WARD" transform --remote "$URL" --token-file alice "$IMAGES/test/class0/000.png" -o x.npy >/dev/null
}

@test "a baseline is served without a guard" {
    serve "$BASE" --name run
    request 2 >r
    [ "$(ask r)" = 200 ]
    [ -z "$(pgrep -P "$PID")" ]
    "$WARD" predict --remote "$URL" --token-file alice "$IMAGES"/test/class0/000.png --json >known
    [ "$(json known "d['transformed']")" = False ]
}

@test "a dead guard is said, refused, and replaced on SIGHUP" {
    serve "$RUN" --audit audit
    request 2 >r
    [ "$(ask r)" = 200 ]
    kill -9 "$(pgrep -P "$PID" | head -1)"
    wait_for '[ "$(curl -sS -o /dev/null -D headers -w "%{http_code}" "$URL/v2/health/ready")" = 503 ]'
    grep -qi '^retry-after: 1' headers
    [ "$(ask r)" = 503 ]
    grep -qi '^retry-after: 1' headers
    wait_for 'grep -q "has ended" log'
    kill -HUP "$PID"
    wait_for '[ "$(ask r)" = 200 ]'
    stop
    [ "$status" -eq 0 ]
    [ -z "$(pgrep -P "$PID")" ]
}

@test "a run sealed to a passphrase is opened by the guard, again on SIGHUP, and not without it" {
    echo secret-words >phrase
    echo other-words >wrong
    "$WARD" key new --out k --protect passphrase --memory 1 --passes 1 --new-passphrase-file phrase -q
    cp -r "$RUN" run
    "$WARD" key grant run k.pub -q
    serve run --identity k --passphrase-file phrase
    request 2 >r
    [ "$(ask r)" = 200 ]
    kill -HUP "$PID"
    wait_for 'grep -q "read again" log'
    [ "$(ask r)" = 200 ]
    for pid in "$PID" $(pgrep -P "$PID"); do
        lacks "secret-words" "/proc/$pid/cmdline"
        lacks_in_environ secret-words "$pid"
    done
    stop
    lacks secret-words log
    serve run --identity k --passphrase-fd 9 9<phrase
    [ "$(ask r)" = 200 ]
    stop
    run --separate-stderr "$WARD" serve run --tokens tokens --listen 127.0.0.1:0 --identity k \
        --passphrase-file wrong
    fails_with 3 "k"
    run --separate-stderr "$WARD" serve run --tokens tokens --listen 127.0.0.1:0 --identity k
    fails_with 3 "k"
}

@test "a passphrase is asked for on the terminal, and the server never holds it" {
    echo secret-words >phrase
    "$WARD" key new --out k --protect passphrase --memory 1 --passes 1 --new-passphrase-file phrase -q
    cp -r "$RUN" run
    "$WARD" key grant run k.pub -q
    cat >type.py <<'END'
import os, pty, signal, sys, time
words, refusal = sys.argv[1].encode().decode('unicode_escape').encode(), sys.argv[2].encode()
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[3], sys.argv[3:])
def read_until(what):
    seen = b''
    while what not in seen:
        seen += os.read(terminal, 1000)
    return seen
seen = read_until(b'passphrase of k')
time.sleep(0.2)
os.write(terminal, words)
if refusal:
    try:
        while True:
            seen += os.read(terminal, 1000)
    except OSError:
        pass
    assert refusal in seen, seen
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
seen += read_until(b'http://')
assert words.strip() not in seen, 'echoed'
children = open('/proc/%d/task/%d/children' % (child, child)).read().split()
for pid in [str(child)] + children:
    assert words.strip() not in open('/proc/%s/cmdline' % pid, 'rb').read()
try: # as root, and with CAP_SYS_PTRACE if it is closed
    memory = open('/proc/%d/mem' % child, 'rb')
    regions = list(open('/proc/%d/maps' % child))
except PermissionError:
    regions = []
for line in regions:
    begin, end = (int(x, 16) for x in line.split()[0].split('-'))
    if 'r' not in line.split()[1] or '[v' in line or end - begin > 1 << 32:
        continue
    memory.seek(begin)
    try:
        assert words.strip() not in memory.read(end - begin), line
    except OSError:
        pass
os.kill(child, signal.SIGHUP)
seen += read_until(b'a passphrase is needed')
os.kill(child, signal.SIGTERM)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END
    serve_k=("$WARD" serve run --tokens tokens --listen 127.0.0.1:0 --threads 1 --identity k)
    run -0 timeout 60 /usr/bin/python3 type.py 'secret-words\n' '' "${serve_k[@]}"
    run -3 timeout 60 /usr/bin/python3 type.py 'other-words\n' 'wrong passphrase' "${serve_k[@]}"
    run -3 timeout 60 /usr/bin/python3 type.py '\x03' 'a passphrase is needed' "${serve_k[@]}"
}

@test "neither token nor key is in a process's arguments, environment or the server's log" {
    serve "$RUN" --audit audit
    request 2 >r
    [ "$(ask r)" = 200 ]
    for pid in "$PID" $(pgrep -P "$PID"); do
        lacks "$TOKEN" "/proc/$pid/cmdline"
        lacks_in_environ "$TOKEN" "$pid"
    done
    lacks "$TOKEN" log audit
}
