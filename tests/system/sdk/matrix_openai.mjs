// The official openai SDK with each kind of provider behind the gateway. Usage: node matrix_openai.mjs BASE KEY SIMS [FILTER]
import OpenAI from 'openai';
import { base, key, cell, failure, parameters, png, providers, script } from './cell.mjs';

const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
const patient = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 2 });
const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Say hello, "quoted" – and ünïcödé 🙂' }];
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Weather of a city', parameters } }];
const chat = (model, more = {}) => client.chat.completions.create({ model, messages, ...more });

for (const provider of providers) {
  const run = (what, fn) => cell('openai', what, provider, fn);

  await run('chat', async (model) => {
    const r = await chat(model);
    const c = r.choices[0];
    return { ok: r.object === 'chat.completion' && c.message.role === 'assistant' && c.message.content.length > 0 && c.finish_reason === 'stop'
      && r.usage.prompt_tokens > 0 && r.usage.total_tokens === r.usage.prompt_tokens + r.usage.completion_tokens, same: [c.message.content, r.usage.completion_tokens], r };
  });

  await run('parameters', async (model) => {
    const r = await chat(model, { temperature: 0.5, top_p: 0.9, max_completion_tokens: 3, stop: ['@@'] });
    return { ok: r.choices[0].finish_reason === 'length' && r.usage.completion_tokens <= 3, same: r.choices[0].message.content, r };
  });

  await run('stream', async (model) => {
    const chunks = [];
    for await (const c of await chat(model, { stream: true, stream_options: { include_usage: true } })) chunks.push(c);
    const text = chunks.map((c) => c.choices[0]?.delta?.content ?? '').join('');
    const usage = chunks.filter((c) => c.usage);
    return { ok: text.length > 0 && usage.length === 1 && chunks.at(-1).usage.completion_tokens > 0 && chunks.at(-1).choices.length === 0
      && chunks.some((c) => c.choices[0]?.finish_reason === 'stop') && chunks.find((c) => c.choices.length)?.choices[0].delta.role === 'assistant', same: [text, usage[0]?.usage.completion_tokens], chunks: chunks.slice(-3) };
  });

  await run('stream without usage', async (model) => {
    let usage = 0, empty = 0, text = '';
    for await (const c of await chat(model, { stream: true })) {
      usage += c.usage ? 1 : 0;
      empty += c.choices.length === 0 ? 1 : 0;
      text += c.choices[0]?.delta?.content ?? '';
    }
    // Azure's own chunk of filter results has no choices and passes as it is.
    return { ok: usage === 0 && text.length > 0 && empty <= (provider.startsWith('azure') ? 1 : 0), usage, empty };
  });

  await run('stream helper', async (model) => {
    const s = client.chat.completions.stream({ model, messages });
    const final = await s.finalChatCompletion();
    return { ok: final.choices[0].message.content.length > 0 && final.choices[0].finish_reason === 'stop', same: final.choices[0].message.content };
  });

  await run('tools', async (model) => {
    const r = await chat(model, { tools, tool_choice: 'auto' });
    const call = r.choices[0].message.tool_calls?.[0];
    const args = call && JSON.parse(call.function.arguments);
    return { ok: r.choices[0].finish_reason === 'tool_calls' && call.type === 'function' && call.id.length > 0 && call.function.name === 'get_weather'
      && typeof args.city === 'string', same: args, r };
  });

  await run('tools streamed', async (model) => {
    const s = client.chat.completions.stream({ model, messages, tools });
    const final = await s.finalChatCompletion();
    const call = final.choices[0].message.tool_calls?.[0];
    return { ok: final.choices[0].finish_reason === 'tool_calls' && call?.type === 'function' && call.function.name === 'get_weather'
      && typeof JSON.parse(call.function.arguments).city === 'string', same: JSON.parse(call?.function.arguments ?? 'null'), final };
  });

  await run('tool result', async (model) => {
    const first = await chat(model, { tools });
    const call = first.choices[0].message;
    const r = await client.chat.completions.create({ model, tools, messages: [...messages, call,
      { role: 'tool', tool_call_id: call.tool_calls[0].id, content: 'Rain, 12 degrees' }] });
    return { ok: r.choices[0].finish_reason === 'stop' && r.choices[0].message.content.length > 0, r };
  });

  await run('image', async (model) => {
    const r = await client.chat.completions.create({ model, messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }] }] });
    return { ok: r.choices[0].message.content.length > 0, r };
  });

  await run('JSON mode', async (model) => {
    const asked = chat(model, { response_format: { type: 'json_object' }, messages: [{ role: 'user', content: 'Answer in JSON' }] });
    if (provider === 'anthropic') { // it has none: said by name, not dropped
      const e = await failure(asked);
      return { ok: e instanceof OpenAI.BadRequestError && e.param === 'response_format', e: e.message };
    }
    const r = await asked;
    return { ok: typeof JSON.parse(r.choices[0].message.content) === 'object', r };
  });

  await run('what cannot be said', async (model) => {
    const asked = chat(model, { logit_bias: { 50256: -100 } });
    if (!['anthropic', 'gemini'].includes(provider)) return { ok: (await asked).choices.length === 1 };
    const e = await failure(asked);
    return { ok: e instanceof OpenAI.BadRequestError && e.param === 'logit_bias', e: e.message, param: e.param };
  });

  await run('responses', async (model) => {
    const r = await client.responses.create({ model, instructions: 'Be brief.', input: messages[1].content });
    return { ok: r.object === 'response' && r.status === 'completed' && r.output_text.length > 0 && r.usage.output_tokens > 0, same: provider === 'azure' ? undefined : r.output_text, r };
  });

  await run('responses stream', async (model) => {
    const s = client.responses.stream({ model, instructions: 'Be brief.', input: messages[1].content });
    const types = [];
    for await (const e of s) types.push(e.type);
    const r = await s.finalResponse();
    return { ok: r.status === 'completed' && r.output_text.length > 0 && types[0] === 'response.created' && types.at(-1) === 'response.completed'
      && types.includes('response.output_text.delta'), types: [...new Set(types)] };
  });

  await run('responses tools', async (model) => {
    const r = await client.responses.create({ model, input: 'Weather?', tools: [{ type: 'function', name: 'get_weather', parameters, strict: false }] });
    const call = r.output.find((o) => o.type === 'function_call');
    return { ok: call?.name === 'get_weather' && typeof JSON.parse(call.arguments).city === 'string' && call.call_id.length > 0, r };
  });

  await run('embeddings', async (model) => {
    const asked = client.embeddings.create({ model, input: ['one', 'two'] });
    if (['anthropic', 'gemini'].includes(provider)) { // not served by that provider: said so
      const e = await failure(asked);
      return { ok: e.status === 400 && e.param === 'model', e: e.message, status: e.status };
    }
    const r = await asked;
    return { ok: r.data.length === 2 && r.usage.total_tokens > 0 };
  });

  await run('error: wrong request', async (model) => {
    const e = await failure(client.chat.completions.create({ model, messages: [{ role: 'user', content: 'x' }], max_completion_tokens: -1 }));
    return { ok: e instanceof OpenAI.BadRequestError && e.status === 400 && e.type === 'invalid_request_error' && /^req_/.test(e.requestID), e: e.message };
  });

  await run('error: provider fails', async (model) => {
    await script(model, 'error-500');
    const e = await failure(chat(model));
    return { ok: e instanceof OpenAI.InternalServerError && e.status >= 500 && e.error?.message?.length > 0, e: e.message };
  });

  await run('error: mid-stream', async (model) => {
    await script(model, 'midstream-error');
    const e = await failure((async () => { for await (const c of await chat(model, { stream: true })) void c; })());
    return { ok: e instanceof OpenAI.APIError, e: `${e.constructor?.name} ${e.message}` };
  });

  await run('error: cut stream', async (model) => {
    await script(model, 'truncate');
    const e = await failure((async () => { for await (const c of await chat(model, { stream: true })) void c; })());
    return { ok: e instanceof Error, e: `${e.constructor?.name} ${e.message}` };
  });

  await run('retry', async (model) => {
    await script(model, 'error-503');
    const r = await patient.chat.completions.create({ model, messages });
    return { ok: r.choices[0].finish_reason === 'stop', r };
  });
}
