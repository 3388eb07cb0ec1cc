import { findProgram, provide } from './apt.js'

const CHOICES = `No redis-server was found, and it could not be installed here. Any one of these will do:
  1. install it yourself:            apt-get install redis-tools
  2. run this as root, or as a user who may use sudo without a password
  3. use a server you have:          TEST_REDIS_URL=redis://127.0.0.1:6379 npm test`

/** Debian's server is the same program as `redis-check-rdb`, told by its name; that package starts no service. */
const find = () => findProgram('redis-server') ?? findProgram('redis-check-rdb')

/**
 * Finds the program of a Redis server, or installs it by apt-get.
 * @throws Fault that names the choices, where neither works
 */
export function provideRedis(): string {
  return provide(find, { what: 'Redis', packages: ['redis-tools'], choices: CHOICES })
}
