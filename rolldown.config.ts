import { defineConfig, type Plugin } from 'rolldown'

/**
 * Node's own HTTP modules, required instead of imported: the import of one reads every export once, and among them is a getter
 * that loads the whole of fetch. Required, the start is about a quarter shorter (`npm run bench -- footprint`).
 */
export const requireHttp: Plugin = {
  name: 'require-http',
  resolveId(id) {
    const [, name] = /^(?:node:)?(https?)$/.exec(id) ?? []
    return name === undefined ? null : `\0required:${name}`
  },
  load(id) {
    const [, name] = /^\0required:(\w+)$/.exec(id) ?? []
    return name === undefined ? null : `module.exports = process.getBuiltinModule('node:${name}')`
  },
}

/**
 * Parts of libraries that this service never uses, and that each start would pay for: YAML output of API descriptions, HTTP/2
 * (a proxy in front speaks it), zod's messages in some fifty languages besides English, Google's ways to sign in (the service has
 * its own, and gives Drive's library each request's token) and the second version of Drive's API.
 */
export const leftOut: Plugin = {
  name: 'left-out',
  resolveId(id, importer) {
    if (id === 'yaml') return '\0left-out:yaml'
    if (/^(?:node:)?http2$/.test(id)) return '\0left-out:http2'
    if (id === 'google-auth-library') return '\0left-out:google-auth'
    if (id === './v2' && importer?.includes('/@googleapis/drive/')) return '\0left-out:drive-v2'
    if (/locales\/index\.js$/.test(id) && importer?.includes('/zod/')) return '\0left-out:locales'
    return null
  },
  load(id) {
    if (id === '\0left-out:yaml') {
      return "export const stringify = () => { throw new Error('YAML is left out of this build') }"
    }
    if (id === '\0left-out:http2') {
      return 'export class Http2ServerRequest {}; export const constants = {}; export const createServer = undefined'
    }
    // What is extended when the library is loaded, and never made.
    if (id === '\0left-out:google-auth') return 'module.exports = { GoogleAuth: class {} }'
    if (id === '\0left-out:drive-v2') return 'module.exports = { drive_v2: {} }'
    if (id === '\0left-out:locales') return "export { default as en } from 'zod/v4/locales/en.js'"
    return null
  },
}

/**
 * Characters beyond Latin-1 as escapes: one of them in a file, and the engine keeps two bytes of memory for each of its
 * characters instead of one.
 */
export const latin: Plugin = {
  name: 'latin',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue
      chunk.code = chunk.code.replaceAll(
        /[\u0100-\uffff]/g,
        (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
    }
  },
}

/** What ships: the program in `dist/`, better-sqlite3 outside it because it brings a compiled file. */
export default defineConfig({
  input: { rodizio: 'src/main.ts' },
  platform: 'node',
  external: ['better-sqlite3'],
  plugins: [leftOut, requireHttp, latin],
  output: {
    dir: 'dist',
    format: 'esm',
    cleanDir: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    minify: { compress: true, mangle: false, codegen: true },
  },
})
