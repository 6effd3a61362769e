import { defineConfig } from 'vitest/config'

/** Three suites: what a newcomer runs, whole rotations with kills, and the official clients of others. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/clients/**'],
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
        test: { name: 'clients', include: ['test/clients/**/*.test.ts'], testTimeout: 120_000 },
      },
    ],
  },
})
