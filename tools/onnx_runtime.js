// onnx_runtime.js RUNTIME MODEL INPUT OUTPUT SHAPE: runs a model with onnxruntime-node or
// onnxruntime-web, whichever RUNTIME names. INPUT and OUTPUT are files of bare float32 values; SHAPE
// is of the input, as 1000,1,28,28. Prints the runtime's version.
'use strict';
const fs = require('fs');

async function main() {
    const [runtime, model, input, output, shape] = process.argv.slice(2);
    const ort = require(runtime);
    const bytes = fs.readFileSync(input);
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset,
                                                       bytes.byteOffset + bytes.length));
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(fs.readFileSync(model),
                                                      {intraOpNumThreads: 1});
    const feeds = {};
    feeds[session.inputNames[0]] = new ort.Tensor('float32', values, shape.split(',').map(Number));
    const results = await session.run(feeds);
    const y = results[session.outputNames[0]].data;
    fs.writeFileSync(output, Buffer.from(y.buffer, y.byteOffset, y.byteLength));
    console.log(ort.env.versions[runtime.split('-')[1]]);
}

main().catch((fault) => {
    console.error(String(fault));
    process.exit(1);
});
