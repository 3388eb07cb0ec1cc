import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/server.ts'],
    pool: 'forks',
    // The files of a worker share its modules: to load the service anew for each took a fifth of the whole. Each has a
    // schema of its own all the same, by `setup.ts`.
    isolate: false,
    setupFiles: ['test/helpers/setup.ts'],
    // Generous: a loaded machine with two cores must pass too. No test waits for time to pass.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // Many wait for servers that they start: three files at a time take nine tenths of what two take, on two cores.
    maxWorkers: 3
  }
})
