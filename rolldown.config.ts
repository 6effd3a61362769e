import { defineConfig } from 'rolldown'

/** What ships: the program in `dist/`, better-sqlite3 outside it because it brings a compiled file. */
export default defineConfig({
  input: { rodizio: 'src/main.ts' },
  platform: 'node',
  external: ['better-sqlite3'],
  output: {
    dir: 'dist',
    format: 'esm',
    cleanDir: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    minify: { compress: true, mangle: false, codegen: true },
  },
})
