// onnxruntime.js: runs models with ONNX Runtime, by its native sessions and without the event loop.
//
// Reads one request a line, {"model", "shape", "input": file of float32, "seconds", "threads"}, and
// answers each with a line: {"median_ms", "outputs": of the first images, "version"}.
'use strict';
const fs = require('fs');
const readline = require('readline');
const {Tensor} = require('onnxruntime-common');
const {binding, initOrt} = require('onnxruntime-node/dist/binding');
const {version} = require('onnxruntime-node/package.json');

const IMAGES = 16;
const sessions = new Map();

function open(model, threads) {
    const key = `${threads} ${model}`;
    if (!sessions.has(key)) {
        const session = new binding.InferenceSession();
        session.loadModel(model, {intraOpNumThreads: threads, interOpNumThreads: 1,
                                  executionMode: 'sequential', graphOptimizationLevel: 'all'});
        sessions.set(key, session);
    }
    return sessions.get(key);
}

function seconds() {
    return Number(process.hrtime.bigint()) / 1e9;
}

function measure(run, limit) {
    const times = [];
    const start = seconds();
    while (times.length < 3 || seconds() - start < limit) {
        const begin = seconds();
        run();
        times.push(seconds() - begin);
    }
    times.sort((a, b) => a - b);
    return 1e3 * times[times.length >> 1];
}

function answer(request) {
    const session = open(request.model, request.threads);
    const bytes = fs.readFileSync(request.input);
    const x = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const feeds = {x: new Tensor('float32', Float32Array.from(x), request.shape)};
    const run = () => session.run(feeds, {logits: null}, {}).logits;
    const logits = run();
    const count = Math.min(request.shape[0], IMAGES);
    const outputs = [];
    for (let i = 0; i < count; i++)
        outputs.push(Array.from(logits.data.slice(10 * i, 10 * i + 10)));
    measure(run, request.seconds / 5);
    return {median_ms: measure(run, request.seconds), outputs, version};
}

initOrt();
readline.createInterface({input: process.stdin}).on('line', (line) => {
    process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + '\n');
});
