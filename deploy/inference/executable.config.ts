import { defineConfig } from 'rolldown'
import { latin, leftOut, requireHttp } from '../../rolldown.config.ts'

/** `rodizio pull` in one CommonJS file: an executable of Node's takes no other. */
export default defineConfig({
  input: { 'rodizio-pull': 'src/box.ts' },
  platform: 'node',
  plugins: [leftOut, requireHttp, latin],
  output: {
    dir: 'dist-box',
    format: 'cjs',
    cleanDir: true,
    codeSplitting: false,
    entryFileNames: '[name].cjs',
    minify: { compress: true, mangle: false, codegen: true },
  },
})
