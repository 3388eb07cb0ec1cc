// The service on a machine that is ready for it: what the image runs. `npm start` (scripts/start.ts) also makes ready.
import { ConfigError, loadConfig } from './config.js'
import { NoDatabase } from './engine/connection.js'
import { requireSchema, SchemaError } from './engine/migrations.js'
import { onSignal, serve } from './serve.js'

try {
  const { DATABASE_URL, ...rest } = loadConfig(process.env)
  if (DATABASE_URL === undefined) {
    throw new ConfigError(['DATABASE_URL is missing: only `npm start` brings a database of its own'])
  }
  await requireSchema(DATABASE_URL)
  const service = await serve({ ...rest, DATABASE_URL })
  onSignal(() => service.stop())
  // PM2 waits for this word before it stops the process that this one replaces.
  process.send?.('ready')
} catch (err) {
  const isExplained = err instanceof ConfigError || err instanceof SchemaError || err instanceof NoDatabase
  const { message, stack = message } = err instanceof Error ? err : new Error(String(err))
  process.stderr.write(`${isExplained ? message : stack}\n`)
  process.exit(1)
}
