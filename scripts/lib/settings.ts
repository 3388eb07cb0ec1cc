import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Config, ConfigError, loadConfig } from '../../src/config.js'
import { Fault } from './print.js'

/**
 * The settings for a script or a development start: outside production, secrets that the environment leaves out
 * are made once and kept in the data folder, so that tokens and vouchers outlive a restart.
 * @throws Fault that lists what is wrong
 */
export function readSettings(env: NodeJS.ProcessEnv = process.env): Config {
  try {
    return loadConfig(env, env.NODE_ENV === 'production' ? {} : keptSecrets(env.DATA_DIR?.trim() || '.data'))
  } catch (err) {
    throw err instanceof ConfigError ? new Fault(err.message) : err
  }
}

function keptSecrets(dataDir: string): Pick<Config, 'JWT_SECRET' | 'ENCRYPTION_KEY'> {
  const file = path.join(dataDir, 'secrets.json')
  if (!existsSync(file)) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const made = { JWT_SECRET: randomBytes(32).toString('base64url'), ENCRYPTION_KEY: randomBytes(32).toString('hex') }
    writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 })
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Pick<Config, 'JWT_SECRET' | 'ENCRYPTION_KEY'>
}
