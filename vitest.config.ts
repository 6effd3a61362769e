import { defineConfig } from 'vitest/config'

/** Minutes, on every core. */
const simulations = ['years', 'drill', 'store', 'node-outages'].map(
  (name) => `test/simulation/${name}.test.ts`,
)

/** Four suites: what a newcomer runs, whole rotations with kills, years in virtual time, and the official clients of others. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/clients/**', ...simulations],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'simulation',
          include: simulations,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false, // each file has its own threads
        },
      },
      {
        test: { name: 'clients', include: ['test/clients/**/*.test.ts'], testTimeout: 120_000 },
      },
    ],
  },
})
