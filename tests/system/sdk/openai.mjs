// The official OpenAI SDK against the gateway: what an application does, with nothing but baseURL changed.
// Usage: node openai.mjs BASE_URL KEY LIMITED_KEY LIMITS_BURST   Prints TAP lines; the plan comes last.
import OpenAI from 'openai';

const [baseURL, apiKey, limitedKey, burst] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: 'user', content: 'Say hello' }];
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }];
let n = 0, bad = 0;

function ok(cond, name, diag) {
  n++;
  if (!cond) bad++;
  console.log(`${cond ? '' : 'not '}ok ${n} - ${name}${cond || diag === undefined ? '' : ' # ' + JSON.stringify(diag)?.slice(0, 400)}`);
}

async function test(name, fn) {
  try {
    const diag = await fn();
    ok(diag === true, name, diag);
  } catch (e) {
    ok(false, name, `${e?.constructor?.name}: ${e?.message}`);
  }
}

async function failure(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  return null;
}

await test('chat: JSON with text and usage', async () => {
  const r = await client.chat.completions.create({ model: 'gpt-4o-mini', messages });
  return (r.object === 'chat.completion' && r.choices[0].message.role === 'assistant' && r.choices[0].message.content.length > 0 &&
    r.choices[0].finish_reason === 'stop' && r.usage.total_tokens === r.usage.prompt_tokens + r.usage.completion_tokens) || r;
});

await test('chat: response headers carry limits and a request id', async () => {
  const { response, request_id } = await client.chat.completions.create({ model: 'gpt-4o-mini', messages }).withResponse();
  const h = response.headers;
  return (/^req_/.test(request_id) && Number(h.get('x-ratelimit-limit-requests')) > 0 &&
    Number(h.get('x-ratelimit-remaining-requests')) >= 0 && /s$/.test(h.get('x-ratelimit-reset-requests')) &&
    Number(h.get('x-ratelimit-limit-tokens')) > 0) || Object.fromEntries(h);
});

await test('chat: stream, no usage chunk unless asked for', async () => {
  const stream = await client.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true });
  let text = '', finish = null, usage = 0, empty = 0;
  for await (const c of stream) {
    text += c.choices[0]?.delta?.content ?? '';
    finish = c.choices[0]?.finish_reason ?? finish;
    if (c.usage) usage++;
    if (c.choices.length === 0) empty++;
  }
  return (text.length > 0 && finish === 'stop' && usage === 0 && empty === 0) || { text, finish, usage, empty };
});

await test('chat: stream with include_usage', async () => {
  const stream = await client.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true, stream_options: { include_usage: true } });
  let usage = null, last = null;
  for await (const c of stream) { usage = c.usage ?? usage; last = c; }
  return (usage?.total_tokens > 0 && last.choices.length === 0) || { usage, last };
});

await test('chat: the stream helper', async () => {
  const runner = client.chat.completions.stream({ model: 'gpt-4o-mini', messages });
  const final = await runner.finalChatCompletion();
  return (final.choices[0].message.content.length > 0 && final.choices[0].finish_reason === 'stop') || final;
});

await test('chat: a long stream arrives whole and in order', async () => {
  const stream = await client.chat.completions.create({ model: 'sim-long-200', messages, stream: true });
  let chunks = 0;
  for await (const c of stream) if (c.choices[0]?.delta?.content) chunks++;
  return chunks >= 190 || { chunks };
});

await test('chat: tool call', async () => {
  const r = await client.chat.completions.create({ model: 'gpt-4o-mini', messages, tools });
  const call = r.choices[0].message.tool_calls?.[0];
  return (call?.function.name === 'get_weather' && typeof JSON.parse(call.function.arguments) === 'object' && r.choices[0].finish_reason === 'tool_calls') || r;
});

await test('chat: streamed tool call through the helper', async () => {
  const final = await client.chat.completions.stream({ model: 'gpt-4o-mini', messages, tools }).finalChatCompletion();
  const call = final.choices[0].message.tool_calls?.[0];
  return (call?.function.name === 'get_weather' && typeof JSON.parse(call.function.arguments) === 'object') || final;
});

await test('chat: a client that stops reading a stream', async () => {
  const stream = await client.chat.completions.create({ model: 'sim-long-200', messages, stream: true });
  let seen = 0;
  for await (const c of stream) { if (++seen === 3) break; }
  const again = await client.chat.completions.create({ model: 'gpt-4o-mini', messages });
  return (seen === 3 && again.choices.length === 1) || seen;
});

await test('embeddings: one and many', async () => {
  const r = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['a', 'b'] });
  return (r.data.length === 2 && r.data[0].embedding.length > 0 && Math.abs(r.data[0].embedding[0]) < 10 && r.usage.prompt_tokens > 0) || r;
});

await test('models: list and retrieve', async () => {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  const one = await client.models.retrieve('gpt-4o-mini');
  return (ids.includes('gpt-4o-mini') && one.id === 'gpt-4o-mini' && one.object === 'model') || { ids, one };
});

const errors = [
  ['unknown model: 404', () => client.chat.completions.create({ model: 'no-such-model', messages }), 404, 'NotFoundError', 'model_not_found'],
  ['unknown model by id: 404', () => client.models.retrieve('no-such-model'), 404, 'NotFoundError', 'model_not_found'],
  ['wrong key: 401', () => new OpenAI({ baseURL, apiKey: 'tg_live_nonsense', maxRetries: 0 }).models.list(), 401, 'AuthenticationError', 'invalid_api_key'],
  ['missing messages: 400', () => client.chat.completions.create({ model: 'gpt-4o-mini' }), 400, 'BadRequestError', undefined],
  ['provider fails: 5xx', () => client.chat.completions.create({ model: 'sim-error-500', messages }), 500, 'InternalServerError', undefined],
  ['provider closes: 502', () => client.chat.completions.create({ model: 'sim-close', messages }), 502, 'InternalServerError', undefined],
  ['provider limits: 429', () => client.chat.completions.create({ model: 'sim-ratelimit', messages }), 429, 'RateLimitError', undefined],
];
for (const [name, call, status, type, code] of errors) {
  await test(`error: ${name}`, async () => {
    const e = await failure(call());
    return (e?.status === status && e?.constructor?.name === type && (code === undefined || e.code === code) && !!e.message) ||
      { status: e?.status, type: e?.constructor?.name, code: e?.code, message: e?.message };
  });
}

await test('error: a stream cut by the provider does not look like success', async () => {
  const e = await failure((async () => {
    const stream = await client.chat.completions.create({ model: 'sim-truncate', messages, stream: true });
    for await (const _ of stream);
  })());
  return e !== null || 'ended without an error';
});

await test('error: a mid-stream error of the provider arrives as an error', async () => {
  const e = await failure((async () => {
    const stream = await client.chat.completions.create({ model: 'sim-midstream-error', messages, stream: true });
    for await (const _ of stream);
  })());
  return e !== null || 'ended without an error';
});

await test('429: over the limit without retries is a RateLimitError with the times', async () => {
  const c = new OpenAI({ baseURL, apiKey: limitedKey, maxRetries: 0 });
  let e = null;
  for (let i = 0; i <= Number(burst) && !e; i++) e = await failure(c.chat.completions.create({ model: 'gpt-4o-mini', messages }));
  return (e?.status === 429 && e.code === 'rate_limit_exceeded' && Number(e.headers.get('retry-after-ms')) > 0 && Number(e.headers.get('retry-after')) >= 1) ||
    { status: e?.status, code: e?.code };
});

await test('429: the SDK retries after the given time and succeeds', async () => {
  const c = new OpenAI({ baseURL, apiKey: limitedKey, maxRetries: 3 });
  const results = await Promise.all(Array.from({ length: 3 }, () => failure(c.chat.completions.create({ model: 'gpt-4o-mini', messages }))));
  return results.every((e) => e === null) || results.map((e) => e && `${e.status} ${e.message}`);
});

console.log(`1..${n}`);
process.exit(bad ? 1 : 0);
