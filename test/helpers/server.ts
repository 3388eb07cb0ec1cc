import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { startPrivateServer } from '../../scripts/lib/mariadb.js'
import { provideRedis } from '../../scripts/lib/redis-program.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** A server on which test files make their own schemas. */
    serverUrl: string
    /** What starts a Redis; test files that need one start their own. */
    redisProgram: string
  }
}

/** The real database for all test files: the server that TEST_DATABASE_URL names, else a private MariaDB. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  project.provide('redisProgram', process.env.TEST_REDIS_URL ? '' : provideRedis())
  const given = process.env.TEST_DATABASE_URL
  if (given !== undefined && given !== '') {
    process.stderr.write(`tests run on the server at ${new URL(given).host}\n`)
    // Whatever database it names need not exist: each test file makes its own.
    const server = new URL(given)
    server.pathname = '/'
    project.provide('serverUrl', server.toString())
    return undefined
  }
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-test-'))
  // What is committed is thrown away at the end, so it need not reach the disk.
  const args = ['--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=0']
  const server = await startPrivateServer({ dir, database: 'test_home', args })
  project.provide('serverUrl', server.url)
  return async () => {
    await server.stop()
    await rm(dir, { recursive: true, force: true })
  }
}
