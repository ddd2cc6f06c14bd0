// The numbers of the page, as encoding.py packs them: those of the first screen, and those of what lies below.

/** The bytes of a text of the base64 alphabet. */
function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
  return bytes;
}

/** A document and its typed arrays. */
async function unpack(text) {
  const inflate = new DecompressionStream("deflate");
  const writer = inflate.writable.getWriter();
  writer.write(bytesOf(text));
  writer.close();
  const buffer = await new Response(inflate.readable).arrayBuffer();
  const size = new DataView(buffer).getUint32(0, true);
  const found = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const kinds = { Uint8Array, Int16Array, Int32Array };
  for (const [name, [kind, start, length]] of Object.entries(found.arrays)) found[name] = new kinds[kind](buffer, 4 + size + start, length);
  return found;
}

/** What the first screen shows: who the stores are, and their 48 hours. */
async function firstData() {
  const data = await unpack(byId("data").textContent);
  // where each store's runs begin
  data.run_first = new Int32Array(data.ids.length + 1);
  for (let store = 0; store < data.ids.length; store++) data.run_first[store + 1] = data.run_first[store] + data.run_count[store];
  return data;
}

/** Add what lies below, once it has come: stores' dates and addresses, hours of the week. */
async function addBelow(data) {
  await loaded();
  if (!isWhole(data)) Object.assign(data, await unpack(byId("below").textContent));
}

const isWhole = (data) => "addresses" in data;
