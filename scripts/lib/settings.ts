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

type Secrets = Required<Pick<Config, 'JWT_SECRET' | 'ENCRYPTION_KEY' | 'FAIRNESS_KEY'>>

/** What the data folder keeps; what it lacks, as one from before there was such a thing, is made now. */
function keptSecrets(dataDir: string): Secrets {
  const file = path.join(dataDir, 'secrets.json')
  const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Secrets>) : {}
  const secrets: Secrets = {
    JWT_SECRET: randomBytes(32).toString('base64url'),
    ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    FAIRNESS_KEY: randomBytes(32).toString('hex'),
    ...kept
  }
  if (Object.keys(kept).length < Object.keys(secrets).length) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    writeFileSync(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
  }
  return secrets
}
