// A user of `ward serve RUN --transform-only` who runs F himself, in ONNX Runtime:
//
//     ward export RUN --onnx f.onnx                       (the owner; F is public)
//     node split_client.js https://HOST:PORT token f.onnx images.f32
//
// images.f32 has float32 values, [n, channels, height, width], in the range that the model's metadata
// say. Prints the class of each image. Needs the npm package onnxruntime-node.
'use strict';
const fs = require('fs');
const ort = require('onnxruntime-node');

// x_p = G(x), asked for in binary: JSON first, then the values.
async function transform(url, token, model, shape, x) {
    const tensor = Buffer.from(x.buffer, x.byteOffset, x.byteLength);
    const json = Buffer.from(JSON.stringify({
        inputs: [{name: 'input', datatype: 'FP32', shape,
                  parameters: {binary_data_size: tensor.length}}],
        outputs: [{name: 'processed', parameters: {binary_data: true}}],
    }));
    const answer = await fetch(`${url}/v2/models/${model}/infer`, {
        method: 'POST',
        headers: {'Authorization': `Bearer ${token}`, 'Content-Type': 'application/octet-stream',
                  'Inference-Header-Content-Length': String(json.length)},
        body: Buffer.concat([json, tensor]),
    });
    if (!answer.ok)
        throw new Error(`${url}: ${answer.status}: ${(await answer.json()).error}`);
    const bytes = await answer.arrayBuffer();
    const begin = Number(answer.headers.get('inference-header-content-length'));
    return new Float32Array(bytes.slice(begin));
}

async function main() {
    const [url, tokenFile, modelFile, imagesFile] = process.argv.slice(2);
    const token = fs.readFileSync(tokenFile, 'utf8').split('\n')[0];
    const bytes = fs.readFileSync(imagesFile);
    const x = new Float32Array(bytes.buffer.slice(bytes.byteOffset,
                                                  bytes.byteOffset + bytes.length));
    const model = (await (await fetch(`${url}/v2`)).json()).parameters.model;
    const about = await (await fetch(`${url}/v2/models/${model}`)).json();
    const image = about.inputs[0].shape.slice(1);
    const shape = [x.length / image.reduce((a, b) => a * b), ...image];
    const session = await ort.InferenceSession.create(modelFile);
    const processed = await transform(url, token, model, shape, x);
    const logits = Object.values(await session.run(
        {[session.inputNames[0]]: new ort.Tensor('float32', processed, shape)}))[0];
    const [n, k] = logits.dims;
    for (let i = 0; i < n; i++) {
        const row = logits.data.slice(i * k, (i + 1) * k);
        console.log(about.parameters.class_names[row.indexOf(Math.max(...row))]);
    }
}

main().catch((fault) => {
    console.error(fault.message);
    process.exit(1);
});
