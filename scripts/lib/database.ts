import path from 'node:path'
import type { Config } from '../../src/config.js'
import { writableUrl } from '../../src/engine/hosts.js'
import { type Claim, claimInstance, findInstance } from './instance.js'
import { startPrivateServer } from './mariadb.js'
import { Fault, say } from './print.js'

/** Name of the database on the embedded server. */
const DATABASE_NAME = 'restaurant_lottery'

export interface OpenDatabase {
  readonly url: string
  /** Stops the server if it was started for us. */
  close(): Promise<void>
}

/**
 * The database that a maintenance script works on: that of `DATABASE_URL`, else the embedded one, be it that of
 * the service that runs now or one started for as long as the script needs it.
 */
export async function openDatabase(config: Pick<Config, 'DATABASE_URL' | 'DATA_DIR'>): Promise<OpenDatabase> {
  if (config.DATABASE_URL !== undefined) return { url: await writableUrl(config.DATABASE_URL), close: async () => {} }
  const running = await findInstance(config.DATA_DIR)
  if (running?.databaseUrl !== undefined) return { url: running.databaseUrl, close: async () => {} }
  const outcome = await claimInstance(config.DATA_DIR)
  if ('owner' in outcome) throw new Fault(`Process ${outcome.owner.pid} is just starting. Try again in a moment.`)
  return openEmbedded(outcome.claim, config.DATA_DIR)
}

/**
 * Starts the embedded server of a data folder that is ours, and tells others where it is. Closing it ends the claim.
 * @param onExit called when the server ends without having been asked to
 */
export async function openEmbedded(
  claim: Claim,
  dataDir: string,
  onExit?: (reason: string) => void
): Promise<OpenDatabase> {
  try {
    say('starting the embedded database')
    const server = await startPrivateServer({
      dir: path.join(dataDir, 'mariadb'),
      database: DATABASE_NAME,
      ...(onExit === undefined ? {} : { onExit })
    })
    claim.publish({ databaseUrl: server.url })
    return {
      url: server.url,
      async close() {
        await server.stop()
        await claim.release()
      }
    }
  } catch (err) {
    await claim.release()
    throw err
  }
}
