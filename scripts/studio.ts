import { spawn } from 'node:child_process'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { openDatabase } from './lib/database.js'
import { guarded, say } from './lib/print.js'
import { readSettings } from './lib/settings.js'

/** `npm run studio`: Prisma Studio on the database of the running service, or on one started for it. */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const database = await openDatabase(readSettings())
    try {
      say('opening Prisma Studio; a balance changed there by hand breaks the ledger (npm run reconcile finds it)')
      const shim = pathToFileURL(path.resolve('scripts/lib/studio-mariadb.mjs'))
      const cli = [`--import=${shim}`, 'node_modules/prisma/build/index.js', 'studio', '--browser', 'none']
      const studio = spawn(process.execPath, [...cli, ...args], {
        stdio: 'inherit',
        env: { ...process.env, DATABASE_URL: database.url }
      })
      // Ctrl-C reaches Studio too: wait for its end, then stop what we started.
      process.on('SIGINT', () => {})
      process.on('SIGTERM', () => studio.kill('SIGTERM'))
      return await new Promise<number>((resolve, reject) => {
        studio.once('error', reject)
        studio.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 0))
      })
    } finally {
      await database.close()
    }
  })
}
