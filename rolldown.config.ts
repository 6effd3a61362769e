import { defineConfig, type Plugin } from 'rolldown'

/**
 * Node's own HTTP modules, required instead of imported: the import of one reads every export once, and among them is a getter
 * that loads the whole of fetch. Required, the start is about a quarter shorter (`npm run bench -- footprint`).
 */
const requireHttp: Plugin = {
  name: 'require-http',
  resolveId(id) {
    const [, name] = /^(?:node:)?(https?|http2)$/.exec(id) ?? []
    return name === undefined ? null : `\0required:${name}`
  },
  load(id) {
    const [, name] = /^\0required:(\w+)$/.exec(id) ?? []
    return name === undefined ? null : `module.exports = process.getBuiltinModule('node:${name}')`
  },
}

/** What ships: the program in `dist/`, better-sqlite3 outside it because it brings a compiled file. */
export default defineConfig({
  input: { rodizio: 'src/main.ts' },
  platform: 'node',
  external: ['better-sqlite3'],
  plugins: [requireHttp],
  output: {
    dir: 'dist',
    format: 'esm',
    cleanDir: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    minify: { compress: true, mangle: false, codegen: true },
  },
})
