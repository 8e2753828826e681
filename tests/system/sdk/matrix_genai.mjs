// The official @google/genai with each kind of provider behind the gateway: 2.x speaks v1beta, 3.x speaks v1.
// Usage: node matrix_genai.mjs BASE KEY SIMS [FILTER]
import { base, key, cell, failure, parameters, png, providers, script } from './cell.mjs';

const contents = 'Say hello, "quoted" – and ünïcödé 🙂';
const tools = [{ functionDeclarations: [{ name: 'get_weather', description: 'Weather of a city', parametersJsonSchema: parameters }] }];

for (const [sdk, module] of [['genai v1beta', 'genai-v1beta'], ['genai v1', 'genai-v1']]) {
  const { GoogleGenAI, ApiError } = await import(module);
  const ai = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base } });
  const config = { systemInstruction: 'Be brief.' };
  const generate = (model, more = {}) => ai.models.generateContent({ model, contents, config: { ...config, ...more } });
  const collect = async (stream) => {
    const all = [];
    for await (const c of await stream) all.push(c);
    return all;
  };

  for (const provider of providers) {
    const run = (what, fn) => cell(sdk, what, provider, fn);

    await run('generateContent', async (model) => {
      const r = await generate(model);
      return { ok: r.text.length > 0 && r.candidates[0].finishReason === 'STOP' && r.usageMetadata.promptTokenCount > 0 && r.usageMetadata.candidatesTokenCount > 0,
        same: [r.text, r.usageMetadata.candidatesTokenCount], r };
    });

    await run('parameters', async (model) => {
      const r = await generate(model, { temperature: 0.5, topP: 0.9, maxOutputTokens: 3, stopSequences: ['@@'] });
      return { ok: r.candidates[0].finishReason === 'MAX_TOKENS', same: r.text, r };
    });

    await run('stream', async (model) => {
      const all = await collect(ai.models.generateContentStream({ model, contents, config }));
      const text = all.map((c) => c.text ?? '').join('');
      return { ok: all.length > 1 && text.length > 0 && all.at(-1).candidates[0].finishReason === 'STOP' && all.at(-1).usageMetadata.candidatesTokenCount > 0, same: text, last: all.at(-1) };
    });

    await run('tools', async (model) => {
      const r = await generate(model, { tools });
      return { ok: r.functionCalls?.[0].name === 'get_weather' && typeof r.functionCalls[0].args.city === 'string', same: r.functionCalls?.[0].args, r };
    });

    await run('tools streamed', async (model) => {
      const all = await collect(ai.models.generateContentStream({ model, contents, config: { ...config, tools } }));
      const call = all.flatMap((c) => c.functionCalls ?? [])[0];
      return { ok: call?.name === 'get_weather' && typeof call.args.city === 'string', same: call?.args, all: all.slice(-2) };
    });

    await run('tool result', async (model) => {
      const first = await generate(model, { tools });
      const r = await ai.models.generateContent({ model, config: { ...config, tools }, contents: [{ role: 'user', parts: [{ text: contents }] }, first.candidates[0].content,
        { role: 'user', parts: [{ functionResponse: { id: first.functionCalls[0].id, name: 'get_weather', response: { output: 'Rain, 12 degrees' } } }] }] });
      return { ok: r.text?.length > 0, r };
    });

    await run('image', async (model) => {
      const r = await ai.models.generateContent({ model, contents: [{ role: 'user', parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: png } }] }] });
      return { ok: r.text.length > 0, r };
    });

    await run('JSON mode', async (model) => {
      const asked = generate(model, { responseMimeType: 'application/json' });
      if (provider === 'anthropic') { // it has none: said by name, not dropped
        const e = await failure(asked);
        return { ok: e instanceof ApiError && e.status === 400 && e.message.includes('responseMimeType'), e: e.message };
      }
      return { ok: typeof JSON.parse((await asked).text) === 'object' };
    });

    await run('what cannot be said', async (model) => {
      const asked = generate(model, { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }] });
      if (provider === 'gemini') return { ok: (await asked).text.length > 0 };
      const e = await failure(asked);
      return { ok: e instanceof ApiError && e.status === 400 && e.message.includes('safetySettings'), e: e.message };
    });

    await run('error: no such model', async () => {
      const e = await failure(generate('no-such-model'));
      return { ok: e instanceof ApiError && e.status === 404 && JSON.parse(e.message).error.status === 'NOT_FOUND', e: e.message };
    });

    await run('error: wrong key', async (model) => {
      const stranger = new GoogleGenAI({ apiKey: 'tg_live_wrong', httpOptions: { baseUrl: base } });
      const e = await failure(stranger.models.generateContent({ model, contents }));
      return { ok: e instanceof ApiError && e.status === 401 && JSON.parse(e.message).error.status === 'UNAUTHENTICATED', e: e.message };
    });

    await run('error: provider fails', async (model) => {
      await script(model, 'error-500');
      const e = await failure(generate(model));
      return { ok: e instanceof ApiError && e.status >= 500 && JSON.parse(e.message).error.code === e.status, e: e.message };
    });

    await run('error: mid-stream', async (model) => {
      await script(model, 'midstream-error');
      const e = await failure(collect(ai.models.generateContentStream({ model, contents })));
      return { ok: e instanceof Error, e: `${e.constructor?.name} ${e.message}` };
    });

    await run('error: cut stream', async (model) => {
      await script(model, 'truncate');
      const e = await failure(collect(ai.models.generateContentStream({ model, contents })));
      return { ok: e instanceof Error, e: `${e.constructor?.name} ${e.message}` };
    });
  }
  await cell(sdk, 'models', 'gemini', async (model) => {
    const all = [];
    for await (const m of await ai.models.list()) all.push(m.name);
    const one = await ai.models.get({ model });
    return { ok: all.includes(`models/${model}`) && one.name === `models/${model}`, all };
  });
}
