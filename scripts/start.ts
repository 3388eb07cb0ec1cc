import pc from 'picocolors'
import { type Config, ConfigError, docsEnabled } from '../src/config.js'
import { connectionOptions, hostUrls } from '../src/engine/connection.js'
import { onSignal, type Service, serve } from '../src/serve.js'
import { type OpenDatabase, openDatabase, openEmbedded } from './lib/database.js'
import { SAMPLE_MERCHANT } from './lib/first-data.js'
import { type Claim, claimInstance } from './lib/instance.js'
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
  const { claim, url, close } = await database(config)
  try {
    await bringUpToDate(url, config)
    const service = await listen({ ...config, DATABASE_URL: config.DATABASE_URL ?? url })
    claim?.publish({ address: service.address })
    if (!quiet) banner(config, service.address)
    return {
      service,
      async stop() {
        await service.stop()
        await close()
      }
    }
  } catch (err) {
    await close()
    throw err
  }
}

/** The database of this start; with a claim on the data folder when it is the embedded one. */
async function database(config: Config): Promise<OpenDatabase & { claim?: Claim }> {
  if (config.DATABASE_URL !== undefined) {
    const hosts = hostUrls(config.DATABASE_URL).map((url) => connectionOptions(url))
    const names = hosts.map(({ host, port }) => `${host}:${port}`)
    say(`using the database ${hosts[0]?.database ?? ''} on ${names.join(', ')}`)
    return openDatabase(config)
  }
  const outcome = await claimInstance(config.DATA_DIR)
  if ('owner' in outcome) {
    const { pid, address } = outcome.owner
    throw new Fault(
      `The service already runs ${address === undefined ? '' : `at ${address} `}(process ${pid}), on the same data ` +
        `folder ${config.DATA_DIR}.\nStop it first, or start a second one with its own: ` +
        'DATA_DIR=.data2 PORT=3001 npm start'
    )
  }
  const { claim } = outcome
  const embedded = await openEmbedded(claim, config.DATA_DIR, (reason) => {
    process.stderr.write(`The embedded database ended (${reason}). Start again: nothing committed is lost.\n`)
    process.exit(1)
  })
  return { ...embedded, claim }
}

async function listen(config: Config & { DATABASE_URL: string }): Promise<Service> {
  try {
    return await serve(config)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new Fault(`Port ${config.PORT} on ${config.HOST} is taken. Choose another: PORT=3001 npm start`)
    }
    throw err instanceof ConfigError ? new Fault(err.message) : err
  }
}

function banner(config: Config, address: string): void {
  const lines = [
    ['Service', address],
    ['Console', `${address}/console`],
    ['Docs', docsEnabled(config) ? `${address}/api/docs` : 'off (DOCS=true)'],
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
