// Calls that cost money, as an application makes them with the official SDK and its own retries: one scenario a run, so that what the
// gateway and the provider counted belongs to it.
// Usage: node money.mjs BASE_URL KEY refused|reused|repeated|at-once|streams   Prints one JSON object, which sdk.test judges.
import OpenAI from 'openai';

const [baseURL, apiKey, scenario] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey });
const messages = [{ role: 'user', content: 'Say hello' }];
const call = { model: 'gpt-4o-mini', messages };

function create(idempotencyKey, body = call) {
  return client.chat.completions.create(body, idempotencyKey ? { headers: { 'Idempotency-Key': idempotencyKey } } : {}).withResponse();
}

/** What there was to see of a refusal; null when there was none. */
async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (e) {
    return { type: e?.constructor?.name, api: e instanceof OpenAI.APIError, status: e?.status, code: e?.code, message: e?.message, request: e?.requestID };
  }
}

async function whole({ data, response }) {
  return { data, replayed: response.headers.get('idempotent-replayed') };
}

async function chunks({ data, response, request_id }) {
  const seen = [];
  for await (const c of data) seen.push(c);
  return { chunks: seen, replayed: response.headers.get('idempotent-replayed'), request: request_id };
}

const asked = { ...call, stream: true, stream_options: { include_usage: true } };
const scenarios = {
  refused: async () => ({ json: await failure(create()), stream: await failure(create(null, { ...call, stream: true })) }),
  reused: async () => {
    await create('one key');
    return failure(create('one key', { ...call, max_tokens: 5 }));
  },
  repeated: async () => ({
    json: [await whole(await create('json')), await whole(await create('json'))],
    stream: [await chunks(await create('stream', asked)), await chunks(await create('stream', asked))],
  }),
  'at-once': async () => Promise.all(Array.from({ length: 3 }, async () => whole(await create('storm', { ...call, model: 'sim-slow-300' })))),
  streams: async () => {
    const seen = await chunks(await create(null, asked));
    const runner = client.chat.completions.stream(asked);
    let ended = 0;
    runner.on('end', () => ended++);
    const final = await runner.finalChatCompletion();
    await runner.done();
    return { seen, final, ended };
  },
};
console.log(JSON.stringify(await scenarios[scenario]()));
