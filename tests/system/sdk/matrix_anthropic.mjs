// The official @anthropic-ai/sdk, both of its auth styles, with each kind of provider behind the gateway.
// Usage: node matrix_anthropic.mjs BASE KEY SIMS [FILTER]
import Old from 'anthropic-x-api-key'; // 0.137: x-api-key, version 2023-06-01
import New from 'anthropic-bearer'; // 1.x: Authorization: Bearer, version 2026-10-21
import { base, key, cell, failure, parameters, png, providers, script } from './cell.mjs';

const tools = [{ name: 'get_weather', description: 'Weather of a city', input_schema: parameters }];
const messages = [{ role: 'user', content: 'Say hello, "quoted" – and ünïcödé 🙂' }];
const system = 'Be brief.';

for (const [sdk, Anthropic, auth] of [['anthropic 0.137', Old, { apiKey: key }], ['anthropic 1.x', New, { apiKey: key }]]) {
  const client = new Anthropic({ baseURL: base, maxRetries: 0, ...auth });
  const patient = new Anthropic({ baseURL: base, maxRetries: 2, ...auth });
  const create = (model, more = {}) => client.messages.create({ model, max_tokens: 200, system, messages, ...more });
  const textOf = (m) => m.content.filter((b) => b.type === 'text').map((b) => b.text).join('');

  for (const provider of providers) {
    const run = (what, fn) => cell(sdk, what, provider, fn);

    await run('messages', async (model) => {
      const m = await create(model);
      return { ok: m.type === 'message' && m.role === 'assistant' && textOf(m).length > 0 && m.stop_reason === 'end_turn' && m.usage.input_tokens > 0
        && m.usage.output_tokens > 0 && /^req_/.test(m._request_id), same: [textOf(m), m.usage.output_tokens], m };
    });

    await run('parameters', async (model) => {
      const m = await create(model, { max_tokens: 3, stop_sequences: ['@@'], ...(sdk === 'anthropic 0.137' ? { temperature: 0.5 } : {}) });
      return { ok: m.stop_reason === 'max_tokens' && m.usage.output_tokens <= 3, same: textOf(m), m };
    });

    await run('stream events', async (model) => {
      const types = [];
      let text = '';
      for await (const e of await create(model, { stream: true })) {
        types.push(e.type);
        if (e.type === 'content_block_delta') text += e.delta.text ?? '';
      }
      const order = types.filter((t, i) => t !== types[i - 1]);
      return { ok: order[0] === 'message_start' && order.includes('content_block_delta') && order.at(-2) === 'message_delta' && order.at(-1) === 'message_stop', same: text, order };
    });

    await run('stream helper', async (model) => {
      const m = await client.messages.stream({ model, max_tokens: 200, system, messages }).finalMessage();
      return { ok: textOf(m).length > 0 && m.stop_reason === 'end_turn' && m.usage.output_tokens > 0, same: [textOf(m), m.usage.output_tokens], m };
    });

    await run('tools', async (model) => {
      const m = await create(model, { tools, tool_choice: { type: 'auto' } });
      const use = m.content.find((b) => b.type === 'tool_use');
      return { ok: m.stop_reason === 'tool_use' && use?.name === 'get_weather' && typeof use.input.city === 'string' && use.id.length > 0, same: use?.input, m };
    });

    await run('tools streamed', async (model) => {
      const m = await client.messages.stream({ model, max_tokens: 200, system, messages, tools }).finalMessage();
      const use = m.content.find((b) => b.type === 'tool_use');
      return { ok: m.stop_reason === 'tool_use' && use?.name === 'get_weather' && typeof use.input.city === 'string', same: use?.input, m };
    });

    await run('tool result', async (model) => {
      const first = await create(model, { tools });
      const use = first.content.find((b) => b.type === 'tool_use');
      const m = await create(model, { tools, messages: [...messages, { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'Rain, 12 degrees' }] }] });
      return { ok: m.stop_reason === 'end_turn' && textOf(m).length > 0, m };
    });

    await run('image', async (model) => {
      const m = await create(model, { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }, { type: 'text', text: 'What is this?' }] }] });
      return { ok: textOf(m).length > 0, m };
    });

    await run('what cannot be said', async (model) => {
      const asked = create(model, { messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } }] }] });
      if (provider === 'anthropic') return { ok: (await asked).type === 'message' };
      const e = await failure(asked);
      return { ok: e instanceof Anthropic.BadRequestError && e.error?.error?.type === 'invalid_request_error' && e.message.includes('messages[0].content[0]'), e: e.message };
    });

    await run('error: wrong request', async (model) => {
      const e = await failure(create(model, { max_tokens: 'many' }));
      return { ok: e instanceof Anthropic.BadRequestError && e.error?.type === 'error' && e.error.error.type === 'invalid_request_error' && /^req_/.test(e.requestID), e: e.message };
    });

    await run('error: no such model', async () => {
      const e = await failure(create('no-such-model'));
      return { ok: e instanceof Anthropic.NotFoundError && e.error.error.type === 'not_found_error', e: e.message };
    });

    await run('error: wrong key', async (model) => {
      const e = await failure(new Anthropic({ baseURL: base, apiKey: 'tg_live_wrong', maxRetries: 0 }).messages.create({ model, max_tokens: 5, messages }));
      return { ok: e instanceof Anthropic.AuthenticationError && e.error.error.type === 'authentication_error', e: e.message };
    });

    await run('error: provider fails', async (model) => {
      await script(model, 'error-500');
      const e = await failure(create(model));
      return { ok: e instanceof Anthropic.InternalServerError && e.error?.type === 'error' && e.error.error.message.length > 0, e: e.message };
    });

    await run('error: mid-stream', async (model) => {
      await script(model, 'midstream-error');
      const e = await failure(client.messages.stream({ model, max_tokens: 200, messages }).finalMessage());
      return { ok: e instanceof Anthropic.APIError || e instanceof Anthropic.AnthropicError, e: `${e.constructor?.name} ${e.message}` };
    });

    await run('error: cut stream', async (model) => {
      await script(model, 'truncate');
      const e = await failure(client.messages.stream({ model, max_tokens: 200, messages }).finalMessage());
      return { ok: e instanceof Error, e: `${e.constructor?.name} ${e.message}` };
    });

    await run('retry', async (model) => {
      await script(model, 'overloaded');
      const m = await patient.messages.create({ model, max_tokens: 200, messages });
      return { ok: m.stop_reason === 'end_turn', m };
    });
  }
  await cell(sdk, 'models', 'anthropic', async (model) => {
    const list = await client.models.list();
    const one = await client.models.retrieve(model);
    return { ok: list.data.some((m) => m.id === model && m.type === 'model') && one.id === model && one.display_name.length > 0, list: list.data };
  });
}
