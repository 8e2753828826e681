// One cell of the matrix: what an SDK does with one kind of provider behind the gateway. Prints JSON lines.
export const [base, key, sims, filter] = process.argv.slice(2);

// The models, by what serves them: matrix.test's names. Each script has its own, so that what one has a provider do isn't done to others.
export const providers = ['openai', 'azure', 'azure-v1', 'anthropic', 'gemini'];
const mine = process.argv[1].match(/matrix_(\w+)\.mjs/)[1];
export const modelOf = (provider) => `${mine}-at-${provider}`;

export async function cell(sdk, what, provider, fn) {
  if (filter && !`${sdk} ${what} ${provider}`.includes(filter)) return;
  const row = { sdk, what, provider };
  try {
    const got = await fn(modelOf(provider));
    row.ok = got === true || (typeof got === 'object' && got !== null && got.ok === true);
    if (row.ok && got !== true) row.same = got.same; // what must be the same for every provider
    if (!row.ok) row.diag = got;
  } catch (e) {
    row.ok = false;
    row.diag = `${e?.constructor?.name}: ${e?.message}`;
  }
  console.log(JSON.stringify(row));
}

export async function failure(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  return { none: 'it did not fail' };
}

// What the simulated provider does with the next requests for this model.
export async function script(model, text) {
  const sim = JSON.parse(sims)[model];
  const r = await fetch(`${sim}/_sim/script?model=${model}`, { method: 'POST', body: text });
  if (!r.ok) throw new Error(`the simulator refuses the script ${text}: ${r.status} ${await r.text()}`);
}

export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
