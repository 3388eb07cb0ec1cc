import path from 'node:path'
import pc from 'picocolors'
import type { Config } from '../src/config.js'
import { onSignal, type Service, serve } from '../src/serve.js'
import { DATABASE_NAME } from './lib/database.js'
import { SAMPLE_MERCHANT } from './lib/first-data.js'
import { type Claim, claimInstance } from './lib/instance.js'
import { startPrivateServer } from './lib/mariadb.js'
import { Fault, guarded, say } from './lib/print.js'
import { readSettings } from './lib/settings.js'
import { bringUpToDate } from './migrate.js'

/** `npm start`: makes ready what is not (database, tables, first data), and runs the service. */
export async function main(): Promise<void> {
  await guarded(async () => {
    const running = await start(readSettings())
    onSignal(async (signal) => {
      say(`${signal}: stopping`)
      await running.stop()
    })
    return 0
  })
}

export interface Running {
  readonly service: Service
  stop(): Promise<void>
}

/** @throws Fault when another start has the same data folder, or the port is taken */
export async function start(config: Config, { quiet = false } = {}): Promise<Running> {
  const { claim, url, stopDatabase } =
    config.DATABASE_URL === undefined ? await embeddedDatabase(config) : await givenDatabase(config.DATABASE_URL)
  try {
    await bringUpToDate(url, config)
    const service = await listen({ ...config, DATABASE_URL: url })
    claim?.publish({ address: service.address })
    if (!quiet) banner(config, service.address)
    return {
      service,
      async stop() {
        await service.stop()
        await stopDatabase()
      }
    }
  } catch (err) {
    await stopDatabase()
    throw err
  }
}

interface Database {
  readonly url: string
  readonly claim?: Claim
  stopDatabase(): Promise<void>
}

async function givenDatabase(url: string): Promise<Database> {
  const { hostname, port, pathname } = new URL(url)
  say(`using the database ${pathname.slice(1)} on ${hostname}:${port || '3306'}`)
  return { url, stopDatabase: async () => {} }
}

async function embeddedDatabase(config: Config): Promise<Database> {
  const outcome = await claimInstance(config.DATA_DIR)
  if ('owner' in outcome) {
    const { pid, address } = outcome.owner
    throw new Fault(
      `The service already runs ${address === undefined ? '' : `at ${address} `}(process ${pid}), on the same data ` +
        `folder ${config.DATA_DIR}.\nStop it first, or start a second one with its own: DATA_DIR=.data2 PORT=3001 npm start`
    )
  }
  const { claim } = outcome
  try {
    say('starting the embedded database')
    const server = await startPrivateServer({
      dir: path.join(config.DATA_DIR, 'mariadb'),
      database: DATABASE_NAME,
      onExit: (reason) => {
        process.stderr.write(`The embedded database ended (${reason}). Start again: nothing committed is lost.\n`)
        process.exit(1)
      }
    })
    claim.publish({ databaseUrl: server.url })
    return {
      url: server.url,
      claim,
      async stopDatabase() {
        await server.stop()
        await claim.release()
      }
    }
  } catch (err) {
    await claim.release()
    throw err
  }
}

async function listen(config: Config & { DATABASE_URL: string }): Promise<Service> {
  try {
    return await serve(config)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new Fault(`Port ${config.PORT} on ${config.HOST} is taken. Choose another: PORT=3001 npm start`)
    }
    throw err
  }
}

function banner(config: Config, address: string): void {
  const docs = config.DOCS ?? config.NODE_ENV !== 'production'
  const lines = [
    ['Service', address],
    ['Docs', docs ? `${address}/api/docs` : 'off (DOCS=true)'],
    ...(config.NODE_ENV === 'development'
      ? [['Merchant', `${SAMPLE_MERCHANT} (log in with the code that send-code echoes)`]]
      : []),
    ['Admin', 'npm run admin:create -- --username NAME --password PASS --mobile MOBILE'],
    ['Tour', 'npm run demo'],
    ['Stop', 'Ctrl-C']
  ]
  const text = lines.map(([name = '', value = '']) => `  ${pc.bold(name.padEnd(9))} ${value}`).join('\n')
  process.stdout.write(`\n${pc.green('Restaurant points lottery is ready.')}\n${text}\n\n`)
}
