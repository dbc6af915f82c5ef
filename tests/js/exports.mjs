// Prints the public names of the package, in a browser and in Node.

const [, , source] = process.argv;
const names = async (file) => Object.keys(await import(new URL(file, source)));
console.log(JSON.stringify({ index: await names("index.js"), node: await names("node/index.js") }));
