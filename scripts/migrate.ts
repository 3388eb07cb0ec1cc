import type { Config } from '../src/config.js'
import { openDatabase } from './lib/database.js'
import { plantFirstData } from './lib/first-data.js'
import { isEmpty, migrate } from './lib/migrations.js'
import { guarded, say } from './lib/print.js'
import { withPrisma } from './lib/prisma.js'
import { readSettings } from './lib/settings.js'

/** Brings the database at `url` up to date, and gives an empty one its first data. */
export async function bringUpToDate(url: string, config: Config): Promise<void> {
  const applied = await migrate(url)
  for (const name of applied) say(`applied migration ${name}`)
  if (!(await isEmpty(url))) return
  const planted = await withPrisma(url, (db) =>
    plantFirstData(db, {
      dailyLimit: config.DAILY_DRAW_LIMIT,
      newUserPoints: config.NEW_USER_POINTS,
      samples: config.NODE_ENV === 'development'
    })
  )
  for (const what of planted) say(`planted ${what}`)
}

/** `npm run migrate`: as `prisma migrate deploy` would, and the standard wheel for a database that has none. */
export async function main(): Promise<void> {
  await guarded(async () => {
    const config = readSettings()
    const database = await openDatabase(config)
    try {
      await bringUpToDate(database.url, config)
      say('the database is up to date')
    } finally {
      await database.close()
    }
    return 0
  })
}
