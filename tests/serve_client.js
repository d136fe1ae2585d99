// A client of the Open Inference Protocol that knows nothing of ward: node's own fetch.
// serve_client.js URL TOKEN MODEL: prints what it found, and exits with 1 at the first surprise.
'use strict';
const assert = require('assert');
const [url, token, model] = process.argv.slice(2);
const base = `${url}/v2/models/${model}`;
const auth = {Authorization: `Bearer ${token}`};

function binaryBody(shape, values, extra) {
  const tensor = Buffer.from(Float32Array.from(values).buffer);
  const json = Buffer.from(JSON.stringify({
    inputs: [{name: 'input', datatype: 'FP32', shape,
              parameters: {binary_data_size: tensor.length}}], ...extra}));
  return {body: Buffer.concat([json, tensor]),
          headers: {...auth, 'Content-Type': 'application/octet-stream',
                    'Inference-Header-Content-Length': String(json.length)}};
}

async function main() {
  assert.strictEqual((await fetch(`${url}/v2/health/live`)).status, 200);
  assert.strictEqual((await fetch(`${url}/v2/health/ready`)).status, 200);
  const server = await (await fetch(`${url}/v2`)).json();
  assert(server.extensions.includes('binary_tensor_data'));
  const meta = await (await fetch(base)).json();
  const input = meta.inputs[0];
  assert.strictEqual(input.datatype, 'FP32');
  const n = 3, shape = [n, ...input.shape.slice(1)];
  const len = shape.reduce((a, b) => a * b);
  const values = Array.from({length: len}, (_, i) => Math.fround((i * 7919 % 1000) / 1000));

  const asked = await fetch(`${base}/infer`, {
    method: 'POST', headers: auth,
    body: JSON.stringify({id: 'a"é', inputs: [{name: input.name, datatype: 'FP32', shape,
                                               data: values}]})});
  assert.strictEqual(asked.status, 200);
  const json = await asked.json();
  assert.strictEqual(json.id, 'a"é');
  assert.strictEqual(json.model_name, model);
  const named = Object.fromEntries(json.outputs.map(o => [o.name, o]));
  assert.deepStrictEqual(named.class.shape, [n]);
  assert.deepStrictEqual(named.scores.shape, [n, named.scores.data.length / n]);
  const k = named.scores.shape[1];
  for (let i = 0; i < n; i++) {
    const row = named.scores.data.slice(i * k, (i + 1) * k);
    assert(Math.abs(row.reduce((a, b) => a + b) - 1) < 1e-5);
    assert.strictEqual(named.class.data[i], row.indexOf(Math.max(...row)));
  }

  // Binary both ways, as tritonclient does by default.
  const raw = await fetch(`${base}/infer`, {
    method: 'POST', ...binaryBody(shape, values, {parameters: {binary_data_output: true}})});
  assert.strictEqual(raw.status, 200);
  const bytes = Buffer.from(await raw.arrayBuffer());
  const jsonLength = Number(raw.headers.get('inference-header-content-length'));
  const head = JSON.parse(bytes.subarray(0, jsonLength));
  let at = jsonLength;
  for (const output of head.outputs) {
    const tensor = bytes.subarray(at, at += output.parameters.binary_data_size);
    if (output.name === 'class')
      for (let i = 0; i < n; i++)
        assert.strictEqual(Number(tensor.readBigInt64LE(8 * i)), named.class.data[i]);
    if (output.name === 'scores')
      for (let i = 0; i < n * k; i++)
        assert.strictEqual(tensor.readFloatLE(4 * i), Math.fround(named.scores.data[i]));
    if (output.name === 'label')
      assert.strictEqual(tensor.readUInt32LE(0), Buffer.byteLength(named.label.data[0]));
  }
  assert.strictEqual(at, bytes.length);

  // Many at once share batches, and each gets its own answer.
  const one = len / n, together = await Promise.all(Array.from({length: 60}, async (_, i) => {
    const mine = values.slice((i % n) * one, (i % n + 1) * one);
    const r = await fetch(`${base}/infer`, {
      method: 'POST', ...binaryBody([1, ...shape.slice(1)], mine,
                                    {outputs: [{name: 'class'}, {name: 'scores'}]})});
    return [i % n, await r.json()];
  }));
  for (const [i, answer] of together) {
    assert.deepStrictEqual(answer.outputs[0].data, [named.class.data[i]]);
    answer.outputs[1].data.forEach((v, j) =>
      assert(Math.abs(v - named.scores.data[i * k + j]) < 1e-6));
  }

  // Errors are JSON with a text.
  for (const [status, options] of [
    [401, {method: 'POST', body: '{}'}],
    [401, {method: 'POST', body: '{}', headers: {Authorization: 'Bearer x'}}],
    [400, {method: 'POST', body: '{', headers: auth}],
    [405, {method: 'GET', headers: auth}]]) {
    const r = await fetch(`${base}/infer`, options);
    assert.strictEqual(r.status, status);
    assert.strictEqual(typeof (await r.json()).error, 'string');
  }
  assert.strictEqual((await fetch(`${url}/v2/models/other`)).status, 404);
  assert.strictEqual((await fetch(`${base}/versions/9/ready`)).status, 404);
  assert.strictEqual((await fetch(`${base}/versions/${meta.versions[0]}/ready`)).status, 200);
  console.log(`${model}: answers agree`);
}

main().catch(error => { console.error(error); process.exit(1); });
