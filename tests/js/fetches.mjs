// Reads files from a server through `fromUrl`: JSON [file, limit] pairs as the last argument.

const [, , source, url, files] = process.argv;
const { fromUrl } = await import(new URL("index.js", source));

const found = [];
for (const [file, limit] of JSON.parse(files)) {
  try {
    found.push((await fromUrl(url).read(file, limit)).length);
  } catch (error) {
    found.push(`${error.name}: ${error.message}`);
  }
}
console.log(JSON.stringify(found));
