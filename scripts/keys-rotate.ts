import pc from 'picocolors'
import { type Cipher, createCipher } from '../src/shared/cipher.js'
import { ENCRYPTED_COLUMNS } from '../src/shared/encrypted-columns.js'
import { withConnection } from './lib/connection.js'
import { openDatabase } from './lib/database.js'
import { guarded } from './lib/print.js'
import { startBar } from './lib/progress.js'
import { countLeft, rotateColumn } from './lib/rotation.js'
import { readSettings } from './lib/settings.js'

/** What a run came to, over all columns. */
export interface Rotation {
  readonly done: number
  readonly unreadable: readonly string[]
  /** Rows that are not under the new key, as counted at the end. */
  readonly left: number
}

/**
 * `npm run keys:rotate`: encrypts everything anew that is not under ENCRYPTION_KEY. Exits 0 when nothing is under
 * another key any more.
 */
export async function main(): Promise<void> {
  await guarded(async () => {
    const config = readSettings()
    const database = await openDatabase(config)
    try {
      const cipher = createCipher(config.ENCRYPTION_KEY, config.ENCRYPTION_KEY_PREVIOUS)
      const { left, unreadable } = await rotate(database.url, cipher)
      if (left === 0) return 0
      const advice =
        unreadable.length > 0
          ? `Neither key decrypts ${unreadable.length} of them: is ENCRYPTION_KEY_PREVIOUS the key they were written ` +
            'with?'
          : 'An instance still writes under the other key: restart it with the new one, and run this again.'
      process.stderr.write(`${pc.red(`${left} rows are not under ENCRYPTION_KEY.`)} ${advice}\n`)
      return 1
    } finally {
      await database.close()
    }
  })
}

/** Goes through every column once, and counts at the end what is left. Faults go to standard output. */
export async function rotate(url: string, cipher: Cipher): Promise<Rotation> {
  return withConnection(url, async (connection) => {
    const countAll = async () => {
      let sum = 0
      for (const target of ENCRYPTED_COLUMNS) sum += await countLeft(connection, cipher, target)
      return sum
    }
    const total = await countAll()
    const bar = startBar('row', total, 'unreadable')
    let [done, seen] = [0, 0]
    const unreadable: string[] = []
    const lines: string[] = []
    for (const target of ENCRYPTED_COLUMNS) {
      const before = done
      for await (const batch of rotateColumn(connection, cipher, target)) {
        done += batch.done
        seen += batch.done + batch.overtaken + batch.unreadable.length
        unreadable.push(...batch.unreadable)
        for (const place of batch.unreadable) process.stdout.write(`unreadable: ${place}\n`)
        // Rows may be written under the other key while this runs.
        bar.setTotal(Math.max(total, seen))
        bar.update(seen, { faults: unreadable.length })
      }
      lines.push(`  ${`${target.table}.${target.column}`.padEnd(40)} ${done - before}\n`)
    }
    bar.stop()
    const left = await countAll()
    const verdict = left === 0 ? pc.green('Everything is under ENCRYPTION_KEY.') : pc.yellow(`${left} rows are left.`)
    process.stderr.write(`${verdict} ${done} rows encrypted anew:\n${lines.join('')}`)
    return { done, unreadable, left }
  })
}
