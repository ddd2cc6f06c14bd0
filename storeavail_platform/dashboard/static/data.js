// The numbers of the page, as encoding.py packs them.

/** The document and its typed arrays. */
async function unpack(text) {
  const letters = atob(text);
  const packed = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) packed[place] = letters.charCodeAt(place);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const size = new DataView(buffer).getUint32(0, true);
  const found = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const kinds = { Uint8Array, Int16Array, Int32Array };
  for (const [name, [kind, start, length]] of Object.entries(found.arrays)) found[name] = new kinds[kind](buffer, 4 + size + start, length);
  // where each store's runs begin
  found.run_first = new Int32Array(found.ids.length + 1);
  for (let store = 0; store < found.ids.length; store++) found.run_first[store + 1] = found.run_first[store] + found.run_count[store];
  return found;
}
