import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/server.ts'],
    pool: 'forks',
    // Generous: a loaded machine with two cores must pass too. No test waits for time to pass.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2
  }
})
