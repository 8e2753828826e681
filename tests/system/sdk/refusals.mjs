// Many calls of a key that is over its limit, through the official SDK, concurrently.
// Usage: node refusals.mjs BASE_URL KEY CALLS CONCURRENCY   Prints one JSON object: what kind of error each call ended with.
import OpenAI from 'openai';

const [baseURL, apiKey, calls, concurrency] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60000 });
const kinds = {};
let left = Number(calls);

async function worker() {
  while (left-- > 0) {
    let kind = 'no error';
    try {
      await client.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] });
    } catch (e) {
      const whole = e?.status === 429 && e.code === 'rate_limit_exceeded' && Number(e.headers?.get('retry-after-ms')) > 0 && e.message;
      kind = whole ? 'RateLimitError' : `${e?.constructor?.name} ${e?.status} ${e?.message} ${e?.cause?.code ?? ''}`;
    }
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
}

await Promise.all(Array.from({ length: Number(concurrency) }, worker));
console.log(JSON.stringify(kinds));
